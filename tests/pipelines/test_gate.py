"""A gate: what holds stays so when a figure gets better, and an ablation's recipe cannot ask for what will not be
there."""

from typing import Any

import build_ablation_verdict as made
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from small_ablation import ARMS, MODELS, recipe, written

from corpus.errors import ConfigError
from pipelines.ablation.gate import Gate, failed, judged
from pipelines.ablation.outcome import VerdictStep
from pipelines.ablation.sections import Ablation
from pipelines.ablation.table import tables
from pipelines.recipe import load_as
from pipelines.report.ablation import rendered

MEASURE = "blimp"
ROLES = st.sampled_from([(arm, better) for arm in ("clean", "raw") for better in ("higher", "lower")])
FIGURES = st.floats(-10, 10, allow_subnormal=False)
WIDTHS = st.floats(0, 5)


def verdict(advantage: float, half: float | None, shown_from: float, arm: str, better: str) -> dict[str, Any]:
    """Of two arms, where `arm` is better by `advantage`, which is shown where it is above `shown_from`."""
    sign = 1 if (better == "higher") == (arm == "raw") else -1
    ends = (None, None) if half is None else sorted((sign * (advantage - half), sign * (advantage + half)))
    one = {
        "architecture": "decoder", "measure": MEASURE, "better": better, "arm": "raw", "baseline": "clean",
        "difference": sign * advantage, "low": ends[0], "high": ends[1], "p_holm": 0.01,
        "found": abs(advantage) > shown_from,
    }  # fmt: skip
    return {"baseline": "clean", "unfiltered": "raw", "architectures": ["decoder"], "comparisons": [one]}


def gate(arm: str = "clean", **asked: Any) -> Gate:
    return Gate.model_validate({"arm": arm, "against": "raw" if arm == "clean" else "clean", **asked})


GATES = (
    {"better_on": [MEASURE]},
    {"not_worse_on": [MEASURE]},
    {"not_worse_on": [MEASURE], "tolerance": {MEASURE: 0.5}},
)


@pytest.mark.parametrize("asked", GATES)
@given(role=ROLES, advantage=FIGURES, more=st.floats(0, 10), half=WIDTHS, shown_from=WIDTHS)
def test_a_better_figure_never_makes_a_gate_fail(
    asked: dict[str, Any], role: tuple[str, str], advantage: float, more: float, half: float, shown_from: float
) -> None:
    before = judged(gate(role[0], **asked), verdict(advantage, half, shown_from, *role))
    after = judged(gate(role[0], **asked), verdict(advantage + more, half, shown_from, *role))
    assert after["holds"] or not before["holds"]


@pytest.mark.parametrize("asked", GATES)
@given(role=ROLES, advantage=FIGURES, half=WIDTHS, shown_from=WIDTHS)
def test_it_does_not_matter_which_arm_is_the_baseline_and_which_way_a_measure_counts(
    asked: dict[str, Any], role: tuple[str, str], advantage: float, half: float, shown_from: float
) -> None:
    (one,) = judged(gate(role[0], **asked), verdict(advantage, half, shown_from, *role))["conditions"]
    (other,) = judged(gate(**asked), verdict(advantage, half, shown_from, "clean", "lower"))["conditions"]
    assert one == other
    assert (one["low"], one["advantage"], one["high"]) == pytest.approx((advantage - half, advantage, advantage + half))


@given(role=ROLES, advantage=FIGURES, half=WIDTHS, tolerance=WIDTHS, more=WIDTHS)
def test_a_larger_tolerance_never_makes_a_gate_fail(
    role: tuple[str, str], advantage: float, half: float, tolerance: float, more: float
) -> None:
    found = verdict(advantage, half, 0, *role)
    small, large = (
        judged(gate(role[0], not_worse_on=[MEASURE], tolerance={MEASURE: width}), found)["holds"]
        for width in (tolerance, tolerance + more)
    )
    assert large or not small


@given(role=ROLES, advantage=FIGURES, half=WIDTHS, shown_from=WIDTHS)
def test_all_conditions_must_hold(role: tuple[str, str], advantage: float, half: float, shown_from: float) -> None:
    found = verdict(advantage, half, shown_from, *role)
    each = [judged(gate(role[0], **asked), found)["holds"] for asked in GATES[::2]]
    both = judged(gate(role[0], **{key: value for asked in GATES[::2] for key, value in asked.items()}), found)
    assert both["holds"] == all(each)
    assert len(failed(both)) == each.count(False)


CASES = {  # advantage of clean, half of its interval, shown from: better, not worse, worse by 0.5 at most
    "shown to be better": ((1.0, 0.4, 0.5), (True, True, True)),
    "better, and not shown": ((1.0, 1.4, 2.0), (False, True, True)),
    "nothing known": ((0.0, 9.0, 10.0), (False, True, False)),
    "worse, and not shown": ((-0.3, 0.4, 0.5), (False, True, False)),
    "shown to be worse, by little": ((-0.3, 0.1, 0.2), (False, False, True)),
    "at the tolerance": ((-0.25, 0.25, 0.1), (False, False, True)),
    "no interval": ((1.0, None, 2.0), (False, True, False)),
}


@pytest.mark.parametrize(("figures", "holds"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("better", ["higher", "lower"])
def test_what_each_condition_asks_for(figures: tuple[Any, ...], holds: tuple[bool, ...], better: str) -> None:
    found = verdict(*figures, "clean", better)
    assert tuple(judged(gate(**asked), found)["holds"] for asked in GATES) == holds


def test_what_fails_is_told_with_its_figures() -> None:
    found = judged(gate(**GATES[2]), verdict(-0.3, 0.4, 0.5, "clean", "lower"))
    assert failed(found) == [
        "decoder, blimp: clean against raw is to be worse by 0.5 at most, and its advantage is "
        "-0.3 (-0.7 .. +0.1), p 0.01"
    ]


def test_every_model_is_asked_unless_some_are_named() -> None:
    found = made.verdict(("decoder", "encoder"), arms=("clean", "unfiltered"))
    asked: dict[str, Any] = {"against": "unfiltered", "better_on": ["blimp", "lambada"]}
    each = judged(Gate(arm="clean", **asked), found)["conditions"]
    assert [(one["architecture"], one["measure"]) for one in each] == [
        (model, measure) for model in ("decoder", "encoder") for measure in ("blimp", "lambada")
    ]
    some = judged(Gate(arm="clean", models=("encoder",), **asked), found)["conditions"]
    assert some == each[2:]


WITHOUT: dict[str, tuple[dict[str, Any], str]] = {
    "a measure": ({"better_on": ["blimb"]}, "by decoder on blimb; did you mean blimp? measures here: bits_per_byte/"),
    "a pair": (
        {"arm": "wet_tier", "better_on": ["blimp"]},
        "no comparison of unfiltered with wet_tier by decoder: arms are compared with the baseline, clean, alone",
    ),
    "a model": ({"models": ["encoder"], "better_on": ["blimp"]}, "by encoder: arms are compared"),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "says"), WITHOUT.values(), ids=WITHOUT)
def test_what_the_verdict_does_not_compare_is_told(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        judged(Gate.model_validate({"against": "unfiltered", **asked}), made.verdict())
    assert says in str(caught.value)


BACK = {"like": "clean", "put_back": {"among": "unfiltered", "share": 0.1}}
TUNED = {"tasks": ["rte"]}
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "gate: asks for nothing; name measures in better_on or not_worse_on"),
    "no model": ({"better_on": ["blimp"], "models": []}, "gate.models: is [], but"),
    "an arm that is not there": (
        {"arm": "claen", "better_on": ["blimp"]}, "gate.arm: unknown arm; did you mean clean? Arms here: clean",
    ),
    "a model that is not there": (
        {"models": ["decoder", "encoder"], "better_on": ["blimp"]}, "gate.models.1: unknown model; did you mean",
    ),
    "a set that is not there": (
        {"better_on": ["bits_per_byte/klean"]}, "gate.better_on.0: unknown measure; did you mean bits_per_byte/clean?",
    ),
    "a set that is not asked": ({"not_worse_on": ["blimp", "copa"]}, "gate.not_worse_on.1: unknown measure;"),
    "a task that is not learnt": ({"better_on": ["finetune/rte"]}, "gate.better_on.0: unknown measure;"),
    "a tolerance of nothing": (
        {"not_worse_on": ["blimp"], "tolerance": {"blimb": 1}},
        "gate.tolerance.blimb: unknown measure; did you mean blimp? not_worse_on has: blimp",
    ),
    "a tolerance below zero": (
        {"not_worse_on": ["blimp"], "tolerance": {"blimp": -1.0}}, "gate.tolerance.blimp: is -1.0",
    ),
    "two others": (
        {"arm": "unfiltered", "against": "rejects_50", "better_on": ["blimp"]},
        "gate: compares unfiltered with rejects_50, and the verdict compares other arms with the baseline, clean,",
    ),
    "the same twice": ({"against": "clean", "better_on": ["blimp"]}, "gate: compares clean with clean"),
    "an arm that is like another": (
        {"arm": "rejects_50", "against": "clean", "better_on": ["blimp"]},
        "gate.arm: is rejects_50, which has no corpus of its own to promote",
    ),
    "a misspelt field": ({"beter_on": ["blimp"]}, "gate.beter_on: unknown field; did you mean better_on?"),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_recipe_is_told_before_any_work(asked: dict[str, Any], says: str, tmp_path: Any) -> None:
    path = written(tmp_path, recipe(tmp_path, gate=asked))
    with pytest.raises(ConfigError) as caught:
        load_as(Ablation, str(path))
    assert str(caught.value).startswith(f"{path}:1: {says}")


def test_without_an_unfiltered_arm_the_other_side_must_be_named(tmp_path: Any) -> None:
    path = written(tmp_path, recipe(tmp_path, gate={"better_on": ["blimp"]}, unfiltered=None))
    with pytest.raises(ConfigError, match=r"gate: names no arm to compare with; give `against`"):
        load_as(Ablation, str(path))


def test_all_that_can_be_measured_can_be_asked_for(tmp_path: Any) -> None:
    known = ["bits_per_byte/raw", "nats_per_target/neutral", "blimp", "blimp/npi", "piqa", "piqa/norm", "lambada"]
    known += ["nats_per_target/lambada", "finetune/rte"]
    data = recipe(tmp_path, gate={"not_worse_on": known, "models": ["decoder"]}, models=MODELS, finetuning=TUNED)
    asked = load_as(Ablation, str(written(tmp_path, data))).gate
    assert asked is not None
    assert [*asked.not_worse_on] == known


def test_a_gate_decides_the_verdict_alone_and_its_lack_changes_nothing(tmp_path: Any) -> None:
    plain, gated = (
        load_as(Ablation, str(written(tmp_path / str(n), recipe(tmp_path, **more))))
        for n, more in enumerate(({}, {"gate": {"better_on": ["blimp"]}}))
    )
    without, told = (VerdictStep(one, (), (), ()).recipe() for one in (plain, gated))
    assert set(told) - set(without) == {"gate"}
    assert set(without) == {"arms", "baseline", "unfiltered", "step_version"}


def test_an_ablation_trains_its_own_vocabulary(tmp_path: Any) -> None:
    decoder = MODELS["decoder"]
    models = {"decoder": decoder | {"tokenizer": decoder["tokenizer"] | {"reuse": {"root": "x"}}}}
    with pytest.raises(ConfigError, match=r"models\.decoder\.tokenizer\.reuse: belongs to recipes of `millstream run`"):
        load_as(Ablation, str(written(tmp_path, recipe(tmp_path, models=models))))


@pytest.mark.parametrize("measure", ["blimp", "piqa"])
def test_terminal_and_page_say_whether_it_holds(measure: str) -> None:
    found = made.verdict(arms=("clean", "unfiltered"))
    found["gate"] = judged(Gate(against="unfiltered", better_on=(measure,)), found)
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        for one in tables(found, made.about()):
            console.print(one)
    says = "holds" if found["gate"]["holds"] else "does not hold"
    assert found["gate"]["holds"] == (measure == "blimp")
    last = capture.get().partition(f"gate, clean against unfiltered: {says}\n")[2]
    assert last.split()[:3] == ["decoder,", f"{measure}:", "better"]
    assert last.split()[-1] == ("yes" if found["gate"]["holds"] else "no")
    page = rendered(found, made.about(), "small")
    assert f"The gate {says}</h3>" in page
    assert found["gate"]["conditions"][0]["says"] in page
    del found["gate"]
    assert "The gate" not in rendered(found, made.about(), "small")


assert set(ARMS) == {"clean", "unfiltered", "rejects_50"}, "the arms that the mistakes name"
