"""An ablation's page: safe and whole, its verdict that of the numbers, what is better on the right."""

import copy
import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import build_ablation_verdict as made
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_report_page import HOSTILE, LOADING, Page

from pipelines.ablation import verdict as real
from pipelines.report import ablation_charts
from pipelines.report.ablation import rendered
from pipelines.report.ablation_view import architectures, between, chance, figure, heads, named, outcome, rival
from pipelines.report.panels import apart
from training.evaluation.results import CellResult, Scores

ALL = ["verdict", "t5", "doses", "differences", "curves", "decisions", "table", "arms", "contamination", "reading"]
FEW = ("bits_per_byte/clean", "blimp", "blimp/ellipsis")
THREE = ("decoder", "encoder", "encoder-decoder")


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return made.verdict()


@pytest.fixture(scope="module")
def page(whole: dict[str, Any]) -> Page:
    return Page(rendered(whole, made.about(), "c4_vs_unfiltered"))


def said(page: Page) -> str:
    return " ".join(page.said.split())


def sections(page: Page) -> list[str]:
    return [attrs["id"] for name, attrs in page.elements if name == "section"]


def renamed(record: Any, old: str, new: str) -> Any:
    """The record with a word in all its names and texts replaced."""
    return json.loads(json.dumps(record).replace(old, json.dumps(new)[1:-1]))


def test_the_page_answers_in_order(page: Page) -> None:
    assert page.open == []
    assert sections(page) == ALL
    assert said(page).index("clean is better than unfiltered on") < said(page).index("C4 (Raffel et al. 2020, table 8)")


def test_words_from_outside_make_no_element_and_no_attribute(page: Page) -> None:
    """Names of arms, measures, corpora and reasons, sentences and the title."""
    verdict, about = made.verdict(measures=FEW), made.about()
    for word in ("wet_tier", "no_badwords", "ellipsis", "better by", "Raffel", "bad_words", "What", "decoder"):
        verdict, about = renamed(verdict, word, HOSTILE), renamed(about, word, HOSTILE)
    hostile = Page(rendered(verdict, about, HOSTILE))
    assert hostile.open == []
    names = {name for name, _ in hostile.elements}
    assert names <= {name for name, _ in page.elements}
    assert not names & LOADING
    assert not {name for _, attrs in hostile.elements for name in attrs if name.startswith("on")}
    assert hostile.said.count("<script>alert(1)</script>") > 20
    for name, attrs in hostile.elements:
        assert "src" not in attrs, name
        assert attrs.get("href", "#").startswith("#"), name


@pytest.mark.parametrize("names", [("decoder",), THREE])
def test_ids_are_used_once_and_links_lead_somewhere(names: tuple[str, ...]) -> None:
    verdict = made.verdict(names, arms=("clean", "clean_50", "unfiltered"), measures=FEW)
    html = rendered(verdict, made.about(("clean",)), "try")
    found = Page(html)
    ids = [attrs["id"] for _, attrs in found.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {attrs["href"][1:] for _, attrs in found.elements if "href" in attrs} <= set(ids)
    charts = [attrs for name, attrs in found.elements if name == "svg"]
    assert len(charts) == 4 * len(names)
    assert {name for name in THREE if f"<h3>{name}</h3>" in html} == (set(names) if len(names) > 1 else set())


def test_what_there_is_not_is_left_out() -> None:
    verdict = made.verdict(arms=("clean", "other"), measures=FEW[:1], seeds=1)
    for key in ("doses", "curves", "controls", "decisions", "t5"):
        del verdict[key]
    least = Page(rendered(verdict, {}, "least"))
    assert sections(least) == ["verdict", "differences", "table", "reading"]
    assert "between clean and other a difference was shown on none of 1 measure." in said(least)


@pytest.mark.parametrize("missing", [None, {}])
def test_an_empty_part_is_a_missing_part(missing: dict[str, Any] | None) -> None:
    verdict = made.verdict(measures=FEW) | dict.fromkeys(("doses", "curves", "decisions"), missing)
    assert not {"doses", "curves", "decisions"} & set(sections(Page(rendered(verdict, {}, "try"))))


def test_the_verdict_is_that_of_the_comparisons(whole: dict[str, Any], page: Page) -> None:
    told = {
        one["measure"]: one
        for one in whole["comparisons"]
        if one["arm"] == "unfiltered" and one["measure"][:6] != "blimp/"
    }
    del told["arc-easy/norm"]
    winners = [one["says"].split()[0] for one in told.values() if one["found"]]
    better, worse = winners.count("clean"), winners.count("unfiltered")
    assert (better, worse) == (5, 1)
    words = (
        f"clean is better than unfiltered on {better} of 9 measures and worse on {worse}; on 3 no difference was shown."
    )
    assert words in said(page)
    for measure, one in told.items():
        assert f"{named(measure)} {one['says']}" in said(page)


def test_t5_s_row_stands_beside_ours(page: Page) -> None:
    """The gaps of the published rows: 83.28 - 81.46 and so on."""
    assert "83.28 81.46 +1.82 80.88 78.78 +2.10 71.36 68.04 +3.32" in said(page)
    assert "61.20 60.05 +1.15 – – – 52.44 52.90 −0.46" in said(page)


def test_the_table_has_every_comparison(whole: dict[str, Any], page: Page) -> None:
    cells = [attrs.get("title", "") for name, attrs in page.elements if name == "td"]
    for one in whole["comparisons"]:
        assert str(one["difference"]) in cells
        assert str(one["mean"]) in cells
    marks = [attrs.get("class") for name, attrs in page.elements if name == "td"]
    assert marks.count("open") == sum(not one["found"] for one in whole["comparisons"])
    assert page.said.count("no difference shown") > marks.count("open")
    assert "sd of seeds" in page.said


def test_arms_corpora_and_contamination_are_told(page: Page) -> None:
    for words in (
        "What wet_tier is, in one sentence. corpora/wet_tier, corpora/more 12,345 6,543,210 1.25",
        "39,000 12,345 31.7 % 31.2 MB too few sentences 20,000 · other language 6,000 · bad words 655",
        "blimp 6,700 3 0.0 % 5,100 76.1 %",
        "13 of its words stand in a row",
    ):
        assert words in said(page)


def test_numbers_that_cannot_be_told_are_dashes(whole: dict[str, Any]) -> None:
    """No bounds, no p, no spread: a verdict may hold null for any of them."""
    verdict = copy.deepcopy(whole)
    for one in verdict["comparisons"]:
        one.update(dict.fromkeys(("low", "high", "p", "p_holm", "effect_sd", "smallest_effect", "sd", "baseline_sd")))
    for dose in verdict["doses"]["decoder"].values():
        dose.update(dict.fromkeys(("slope", "low", "high", "p")))
        dose["points"][1]["mean"] = None
    for by_arm in verdict["curves"]["decoder"].values():
        by_arm["clean"][3]["sd"] = by_arm["unfiltered"][2]["mean"] = None
    html = rendered(verdict, made.about(), "try")
    assert "nan" not in Page(html).said
    assert "None" not in html


def test_a_page_does_not_depend_on_when_it_is_made() -> None:
    verdict = made.verdict(measures=FEW)
    assert rendered(verdict, made.about(), "try") == rendered(verdict, made.about(), "try")


def test_a_verdict_of_real_cells_is_shown() -> None:
    """From scores by item to the page: arm raw truly costs 0.1 bits per byte."""
    rng = np.random.default_rng(3)

    def cell(seed: int, more: float) -> CellResult:
        bits = Scores(tuple("abcdef"), 100 * (1 + more + 0.01 * seed + 0.001 * rng.normal(size=6)), np.full(6, 100.0))
        coin = Scores(tuple("abcdefgh"), rng.integers(0, 2, 8).astype(float), np.ones(8))
        curve = [(tokens, "bits_per_byte/clean", 1 + more + 1e3 / tokens) for tokens in (1000, 2000, 4000)]
        return CellResult({"bits_per_byte/clean": bits, "piqa": coin}, curve)

    harm = {"clean": 0.0, "half": 0.05, "unfiltered": 0.1}
    cells = {("decoder", arm, seed): cell(seed, more) for arm, more in harm.items() for seed in range(4)}
    verdict = real.verdict(
        cells, arms=tuple(harm), baseline="clean", unfiltered="unfiltered", doses={0.5: "half"}, controls={}, suites={}
    )
    found = Page(rendered(verdict, {}, "real"))
    assert "clean is better than unfiltered on 1 of 2 measures; on 1 no difference was shown." in said(found)
    assert sections(found) == [one for one in ALL if one not in ("arms", "contamination")]
    assert "bits per byte, clean clean better by 0." in said(found)


def hand_made(better: str, difference: float, arm: str) -> dict[str, Any]:
    return {
        "architecture": "decoder", "measure": f"in_{better}", "better": better, "arm": arm, "baseline": "clean",
        "mean": 1 + difference, "baseline_mean": 1.0, "sd": 0.1, "baseline_sd": 0.1, "difference": difference,
        "low": difference - 0.1, "high": difference + 0.1, "p": 0.001, "p_holm": 0.002, "effect_sd": 1.0,
        "smallest_effect": 0.1, "seeds": 3, "items": 9, "found": True, "says": "",
    }  # fmt: skip


def marks(svg: str, paint: str) -> list[float]:
    """Where from left to right the marks of a colour stand."""
    return [
        float(mark.attrib["x"]) for mark in ElementTree.fromstring(svg).iter("use") if paint in mark.attrib["style"]
    ]


@pytest.mark.parametrize(("better", "sign"), [("lower", -1), ("higher", 1)])
def test_better_is_right_and_worse_left_in_a_forest(better: str, sign: int) -> None:
    rows = [hand_made(better, sign * 0.5, "good"), hand_made(better, -sign * 0.5, "bad")]
    assert [outcome(one) for one in rows] == ["better", "worse"]
    verdict = {"baseline": "clean", "arms": ["clean", "good", "bad"], "architectures": ["decoder"], "comparisons": rows}
    svg = ablation_charts.forest(architectures(verdict)[0], "forest")
    (good,), (bad,) = marks(svg, "--main"), marks(svg, "--lost")
    assert bad < good
    assert {"good", "bad", "← worse", "better than clean →"} <= set(texts(svg))


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter("text")]


def test_every_seed_of_a_dose_is_a_dot() -> None:
    verdict = made.verdict(measures=("blimp",), seeds=4)
    svg = ablation_charts.doses(architectures(verdict)[0], "doses")
    assert len(marks(svg, "--muted")) == 4 * 5
    shares = sorted(marks(svg, "--main"))  # 0, 10, 25, 50 and 100 percent
    assert [(x - shares[0]) / (shares[-1] - shares[0]) for x in shares] == pytest.approx(
        [0, 0.1, 0.25, 0.5, 1], abs=1e-3
    )


def test_curves_name_baseline_doses_and_unfiltered_and_of_few_arms_all() -> None:
    many = texts(ablation_charts.curves(architectures(made.verdict(measures=("blimp",)))[0], "curves"))
    assert {"clean", "clean_10", "clean_25", "clean_50", "unfiltered", "less that of clean"} <= set(many)
    assert not {"wet_tier", *made.RULES} & set(many)
    few = made.verdict(measures=("blimp",), arms=("clean", "wet_tier", "no_dedup"))
    assert {"clean", "wet_tier", "no_dedup"} <= set(texts(ablation_charts.curves(architectures(few)[0], "curves")))


def test_parts_of_measures_are_no_measures() -> None:
    measures = ["piqa", "blimp/ellipsis", "blimp", "arc-easy", "arc-easy/norm", "finetune/cola", "bits_per_byte/raw"]
    assert heads(measures) == ("bits_per_byte/raw", "blimp", "piqa", "arc-easy", "finetune/cola")


@pytest.mark.parametrize(
    ("arms", "expected"),
    [
        (["clean", "other", "unfiltered"], "unfiltered"),
        (["clean", "other"], "other"),
        (["clean", "a", "b"], None),
    ],
)
def test_the_verdict_is_about_the_unfiltered_arm_or_the_only_other(arms: list[str], expected: str | None) -> None:
    assert rival({"arms": arms, "baseline": "clean"}) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (figure(1.23456, 0.0123), "1.235"),
        (figure(-1.23456, 0.0123, sign=True), "−1.235"),
        (figure(0.5, 0.00049), "0.50000"),
        (figure(50_123.4, 19.0), "50,123"),
        (figure(-0.0001, 0.02, sign=True), "+0.000"),
        (figure(0.123456), "0.1235"),
        (figure(0.0, 0.0), "0.000"),
        (figure(None, 0.1), "–"),
        (figure(float("nan")), "–"),
        (figure(1.0, float("inf")), "1.000"),
        (between(-0.0421, -0.0199), "−0.042 .. −0.020"),
        (between(None, 1.0), "–"),
        (chance(0.00004), "< 0.001"),
        (chance(0.0132), "0.013"),
        (chance(1.0), "1.00"),
        (chance(None), "–"),
    ],
)
def test_figures_have_the_digits_that_they_can_bear(words: str, expected: str) -> None:
    assert words == expected


@given(st.lists(st.floats(-0.5, 1.5), max_size=9), st.floats(0.01, 0.1))
def test_names_at_the_ends_of_lines_keep_their_order_and_their_distance(places: list[float], gap: float) -> None:
    moved = apart(places, gap)
    order = sorted(range(len(places)), key=lambda i: places[i])
    for below, above in pairwise(order):
        assert moved[above] - moved[below] >= gap - 1e-9
    assert all(-1e-9 <= one <= 1 + 1e-9 for one in moved)
    assert apart(moved, gap) == pytest.approx(moved)


def test_two_names_in_one_place_move_as_far_each() -> None:
    assert apart([0.5, 0.52], 0.1) == pytest.approx([0.46, 0.56])
    assert apart([0.9, 0.2], 0.1) == [0.9, 0.2]


def test_a_chart_has_the_page_s_colours_only() -> None:
    found = architectures(made.verdict(measures=FEW))[0]
    drawn: Mapping[str, str] = {
        kind: getattr(ablation_charts, kind)(found, kind) for kind in ("forest", "doses", "curves", "decisions")
    }
    for kind, svg in drawn.items():
        styles = " ".join(element.get("style", "") for element in ElementTree.fromstring(svg).iter())
        assert "var(--" in styles, kind
        assert "#" not in styles.replace("url(#", ""), kind
