"""The verdict on made-up experiments whose right answer is known, as data that JSON can hold."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from corpus.errors import ConfigError, DataError
from pipelines.ablation.verdict import verdict
from training.evaluation.results import CellResult, Scores
from training.evaluation.statistics import holm

ARMS = ("unfiltered", "clean", "put_back_10", "put_back_50")
WORSE = {"clean": 0.0, "put_back_10": 0.01, "put_back_50": 0.05, "unfiltered": 0.1}
SEEDS = (1, 2, 3, 4, 5)
DOSES = {0.1: "put_back_10", 0.5: "put_back_50"}
CONTROLS = {"decoder": {"untrained": {"blimp": 0.5}, "bigram": {"blimp": 0.55}}}
SUITES = {"finetune/cola": "glue", "finetune/rte": "glue", "finetune/cb": "superglue"}

Cells = dict[tuple[str, str, int], CellResult]


def cell(arm: str, seed: int) -> CellResult:
    """Bits per byte and BLiMP grow worse with the rejects; fine-tuning is the same everywhere, but for the seed."""
    rng = np.random.default_rng(seed)
    n_bytes = rng.integers(100, 1000, 40).astype(float)
    bits = 2 + WORSE[arm] + 0.001 * np.random.default_rng([seed, ARMS.index(arm)]).normal()
    tuned = 0.6 + 0.01 * np.random.default_rng([ARMS.index(arm), seed]).normal()
    items = tuple(map(str, range(40)))
    return CellResult(
        measures={
            "bits_per_byte/clean": Scores(items, n_bytes * (bits + 0.1 * np.linspace(-1, 1, 40)), n_bytes),
            "blimp": Scores(("all",), np.array([2.8 - bits]), np.ones(1)),
            "finetune/cola": Scores(("all",), np.array([tuned]), np.ones(1)),
            "finetune/rte": Scores(("all",), np.array([tuned + 0.1]), np.ones(1)),
        },
        curve=[(tokens, "bits_per_byte/clean", bits + 100 / tokens) for tokens in (50, 100, 200)],
    )


def cells(architectures: tuple[str, ...] = ("decoder",), seeds: tuple[int, ...] = SEEDS) -> Cells:
    return {(name, arm, seed): cell(arm, seed) for name in architectures for arm in ARMS for seed in seeds}


def made(of: Cells, arms: tuple[str, ...] = ARMS, doses: Mapping[float, str] = DOSES) -> dict[str, Any]:
    unfiltered = "unfiltered" if "unfiltered" in arms else None
    found = verdict(
        of, arms=arms, baseline="clean", unfiltered=unfiltered, doses=doses, controls=CONTROLS, suites=SUITES
    )
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


def one(found: dict[str, Any], measure: str, arm: str = "unfiltered") -> dict[str, Any]:
    (record,) = (r for r in found["comparisons"] if (r["measure"], r["arm"]) == (measure, arm))
    return record


def test_lower_and_higher_are_both_told_as_better() -> None:
    found = made(cells())
    for measure, better, sign in (("bits_per_byte/clean", "lower", 1), ("blimp", "higher", -1)):
        record = one(found, measure)
        assert (record["better"], record["found"]) == (better, True)
        assert record["difference"] == pytest.approx(sign * 0.1, abs=0.003)
        assert record["low"] < record["difference"] < record["high"]
        least, most = sorted(abs(record[bound]) for bound in ("low", "high"))
        assert record["says"] == f"clean better by {abs(record['difference']):.3g} ({least:.3g} .. {most:.3g})"
        assert 0 < least < abs(record["difference"]) < most


def test_an_arm_that_wins_is_named() -> None:
    swapped = {"clean": "unfiltered", "unfiltered": "clean"}
    of = {(name, swapped.get(arm, arm), seed): result for (name, arm, seed), result in cells().items()}
    found = made(of)
    assert one(found, "bits_per_byte/clean")["says"].startswith("unfiltered better by 0.")
    assert one(found, "blimp")["says"].startswith("unfiltered better by 0.")


def test_where_nothing_is_found_stands_what_would_have_been() -> None:
    record = one(made(cells()), "finetune/cola")
    assert not record["found"]
    assert record["p_holm"] >= 0.05
    assert abs(record["difference"]) < record["smallest_effect"]
    assert record["says"] == f"no difference shown; one of {record['smallest_effect']:.3g} or more would have been"


def test_means_and_deviations_are_those_of_the_seeds() -> None:
    found = made(cells())
    values = [cell("unfiltered", seed).measures["blimp"].value for seed in SEEDS]
    mean, sd = pytest.approx(np.mean(values)), pytest.approx(np.std(values, ddof=1))
    assert found["means"]["decoder"]["blimp"]["unfiltered"] == {"mean": mean, "sd": sd, "values": pytest.approx(values)}
    record = one(found, "blimp")
    assert (record["mean"], record["sd"], record["seeds"], record["items"]) == (mean, sd, 5, 1)
    assert record["effect_sd"] == pytest.approx(record["difference"] / record["baseline_sd"])
    assert one(found, "bits_per_byte/clean")["items"] == 40


def test_the_question_the_other_arms_and_parts_are_families_of_their_own() -> None:
    both = {
        at: CellResult({**made_of.measures, "blimp/ellipsis": made_of.measures["blimp"]}, made_of.curve)
        for at, made_of in cells(("decoder", "encoder")).items()
    }
    records = [r for r in made(both)["comparisons"] if r["architecture"] == "decoder"]
    asked = [r for r in records if r["arm"] == "unfiltered" and r["measure"] != "blimp/ellipsis"]
    others = [r for r in records if r["arm"] != "unfiltered" and r["measure"] != "blimp/ellipsis"]
    parts = [r for r in records if r["measure"] == "blimp/ellipsis"]
    assert [len(asked), len(others), len(parts)] == [4, 8, 3]
    for family in (asked, others, parts):
        assert [r["p_holm"] for r in family] == pytest.approx(holm([r["p"] for r in family]))


def test_fine_tuning_may_have_fewer_arms_and_seeds_and_is_a_family_of_its_own() -> None:
    tuned = {
        at: CellResult({"finetune/cola": of.measures["finetune/cola"]}, ())
        for at, of in cells().items()
        if at[1] in ("clean", "unfiltered") and at[2] in SEEDS[:3]
    }
    untuned = {at: CellResult({"blimp": of.measures["blimp"]}, of.curve) for at, of in cells().items()}
    found = verdict(
        untuned, tuned, arms=ARMS, baseline="clean", unfiltered="unfiltered", doses={}, controls={}, suites=SUITES
    )
    record = one(found, "finetune/cola")
    assert (record["seeds"], record["p_holm"]) == (3, record["p"])
    assert one(found, "blimp")["seeds"] == 5
    assert set(found["means"]["decoder"]) == {"blimp", "finetune/cola"}
    assert found["t5"][1]["clean"]["glue"] == pytest.approx(100 * record["baseline_mean"])


def test_the_baseline_comes_first_and_is_the_dose_of_nothing() -> None:
    found = made(cells())
    assert found["arms"] == ["clean", "unfiltered", "put_back_10", "put_back_50"]
    dose = found["doses"]["decoder"]["bits_per_byte/clean"]
    assert [(point["share"], point["arm"]) for point in dose["points"]] == [
        (0.0, "clean"), (0.1, "put_back_10"), (0.5, "put_back_50"),
    ]  # fmt: skip
    assert dose["slope"] == pytest.approx(0.01, abs=0.001)  # 0.05 bits at half of the rejects
    assert dose["monotone"]
    assert dose["p"] < 0.001


def test_curves_and_decisions_share_their_points() -> None:
    found = made(cells())
    curve = found["curves"]["decoder"]["bits_per_byte/clean"]
    decisions = found["decisions"]["decoder"]["bits_per_byte/clean"]
    assert list(curve) == found["arms"]
    assert [point["tokens"] for point in curve["clean"]] == [point["tokens"] for point in decisions] == [50, 100, 200]
    assert curve["clean"][0]["mean"] == pytest.approx(curve["clean"][2]["mean"] + 1.5)
    assert [point["share"] for point in decisions] == [0.25, 0.5, 1.0]
    assert decisions[-1] == {"tokens": 200, "share": 1.0, "accuracy": 1.0, "one_seed": 1.0, "pairs": 6}


def test_only_points_that_all_trainings_have_are_told() -> None:
    of = cells()
    whole = of["decoder", "clean", 3]
    of["decoder", "clean", 3] = CellResult(whole.measures, whole.curve[1:])
    curve = made(of)["curves"]["decoder"]["bits_per_byte/clean"]
    assert [point["tokens"] for point in curve["unfiltered"]] == [100, 200]


def test_controls_stand_beside_the_noise_of_the_baseline() -> None:
    controls = made(cells(("decoder", "encoder")))["controls"]
    assert controls["decoder"]["bigram"] == {"blimp": 0.55}
    assert controls["encoder"]["untrained"] == controls["encoder"]["bigram"] == {}
    values = [cell("clean", seed).measures["blimp"].value for seed in SEEDS]
    assert controls["decoder"]["noise"]["blimp"]["largest"] == pytest.approx(max(values) - min(values))


def test_the_row_for_t5_is_in_percent_and_says_what_was_not_measured() -> None:
    paper, here = made(cells())["t5"]
    assert paper["clean"]["glue"] == 83.28
    assert here["row"] == "here, decoder"
    tuned = [cell("unfiltered", seed).measures["finetune/cola"].value for seed in SEEDS]
    assert here["unfiltered"] == {"glue": pytest.approx(100 * np.mean(tuned) + 5), "squad": None, "superglue": None}


def test_one_seed_is_judged_by_items_where_there_are_some() -> None:
    found = made(cells(seeds=(1,)))
    record = one(found, "blimp")
    assert (record["low"], record["smallest_effect"], record["sd"], record["p"]) == (None, None, None, 1.0)
    assert record["says"] == ("no difference shown; none could have been, since seeds and items do not tell the error")
    assert found["controls"]["decoder"]["noise"]["blimp"] == {"sd": None, "median": None, "largest": None}
    assert found["doses"]["decoder"]["blimp"]["p"] == 1.0


def test_one_arm_alone_is_no_comparison() -> None:
    of = {key: result for key, result in cells().items() if key[1] == "clean"}
    found = made(of, arms=("clean",), doses={})
    assert (found["comparisons"], found["doses"]["decoder"], found["decisions"]["decoder"]) == ([], {}, {})
    assert found["t5"][1]["unfiltered"]["glue"] is None


def test_what_is_missing_is_named() -> None:
    of = cells()
    del of["decoder", "unfiltered", 2]
    with pytest.raises(DataError, match="no verdict without decoder on unfiltered with seed 2; train"):
        made(of)
    of["decoder", "unfiltered", 2] = CellResult({"blimp": cell("clean", 1).measures["blimp"]}, [])
    with pytest.raises(DataError, match="bits_per_byte/clean of decoder on unfiltered with seed 2;"):
        made(of)


def test_other_items_are_not_compared() -> None:
    of = cells()
    result = of["decoder", "put_back_10", 4]
    bits = result.measures["bits_per_byte/clean"]
    other = Scores(bits.items[::-1], bits.values, bits.weights)
    of["decoder", "put_back_10", 4] = CellResult({**result.measures, "bits_per_byte/clean": other}, result.curve)
    with pytest.raises(DataError, match="items of bits_per_byte/clean that decoder on clean with seed 1 has for"):
        made(of)


def test_a_dose_that_is_no_arm_is_named() -> None:
    with pytest.raises(ConfigError, match='"put_back_25" is no arm; arms here: unfiltered, clean'):
        made(cells(), doses={0.25: "put_back_25"})
