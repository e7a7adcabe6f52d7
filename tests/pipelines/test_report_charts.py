"""The report's charts: text that stays text, colours of the page, the same bytes each time."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib as mpl
import pytest

from pipelines.report import charts, wording
from pipelines.report.corpora import Clusters, Comparison, Domains, Lengths
from pipelines.report.curve import BadStep, Curve, HeldOut
from pipelines.report.funnel import Level
from pipelines.report.learning import Cost
from pipelines.report.wording import label

DOMAINS = Domains(
    label="corpus/pages@dev", n_domains=3, rows=(("$\\frac{a}{$.example", 5), ("<b>&amp;</b>", 2), ("電.jp", 1))
)
LANGUAGES = Comparison(labels=("a@dev", "b@dev"), rows=(("en", (10, 5)), ("de", (3, 0))))
LENGTHS = (Lengths(label="a@dev", documents={3: 1, 9: 20}), Lengths(label="b@dev", documents={9: 12}))
CLUSTERS = Clusters(label="a@dev", stage="near_dedup", n_clusters=3, sizes=dict.fromkeys(range(2, 30), 1), largest=())
CURVE = Curve(
    label="c@dev", unit="nats per target", steps=(1, 2, 3), losses=(9.0, 8.0, 7.0), rates=(0.0, 1e-3, 5e-4),
    tokens=(10, 20, 30),
)  # fmt: skip
MEASURED = replace(
    CURVE, norms=(0.1, 2.0, 30.0), held_out=HeldOut(unit="bits per byte", steps=(1, 3), values=(2.0, 1.5)),
    bad=(BadStep(step=3, verdict="spike", loss=7.0, grad_norm=30.0, skipped=True, documents=(), more=0),),
)  # fmt: skip
LEVELS = (
    Level(name="records read", documents=1200, lost=0, size_bytes=None, lost_bytes=None),
    Level(name="c4", documents=1000, lost=200, size_bytes=5000, lost_bytes=700),
)
COST = Cost(
    label="corpus/pages@dev", started="2026-11-20T08:30:00+00:00", engine="local", workers=1, seconds=2.0,
    cpu_seconds=1.5, peak_rss=1, documents=10, commit=None, more=(),
)  # fmt: skip

DRAWN: dict[str, Callable[[], str]] = {
    "funnel": lambda: charts.funnel(LEVELS),
    "domains": lambda: charts.domains(DOMAINS),
    "languages": lambda: charts.languages(LANGUAGES, "b@dev"),
    "lengths": lambda: charts.lengths(LENGTHS),
    "sizes": lambda: charts.sizes(CLUSTERS),
    "training": lambda: charts.training(CURVE),
    "training, measured": lambda: charts.training(MEASURED),
    "bits": lambda: charts.bits([("trained", 1.5), ("bigram", 2.5)]),
    "costs": lambda: charts.costs([COST]),
}


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter("text")]


@pytest.mark.parametrize("name", DRAWN)
def test_a_chart_is_the_same_each_time_and_has_the_page_s_colours_only(name: str) -> None:
    svg = DRAWN[name]()
    assert svg == DRAWN[name]()
    root = ElementTree.fromstring(svg)
    styles = " ".join(element.get("style", "") for element in root.iter())
    assert "var(--" in styles
    assert "#" not in styles.replace("url(#", "")
    assert not {element.tag for element in root.iter()} - {
        "svg",
        "g",
        "path",
        "text",
        "defs",
        "use",
        "clipPath",
        "rect",
    }


def test_labels_are_shown_as_they_are() -> None:
    """No mathematics, no markup, letters that matplotlib's font lacks."""
    assert {"$\\frac{a}{$.example", "<b>&amp;</b>", "電.jp", "5", "2", "1"} == set(texts(charts.domains(DOMAINS)))


def test_the_funnel_says_what_is_left_and_what_was_lost() -> None:
    assert {"1,200", "1,000   −200", "5.00 kB   −700 B"} <= set(texts(charts.funnel(LEVELS)))


def test_sizes_beyond_the_first_are_added_up() -> None:
    said = texts(charts.sizes(CLUSTERS))
    assert "more" in said
    assert "16" in said  # 28 sizes less the 12 that have a bar


def test_drawing_leaves_no_setting_behind() -> None:
    before = dict(mpl.rcParams)
    charts.training(CURVE)
    assert dict(mpl.rcParams) == before


def test_bars_are_as_long_as_their_numbers() -> None:
    def bars(svg: str, paint: str) -> list[float]:
        rects = ElementTree.fromstring(svg).iter("rect")
        return [float(rect.attrib["width"]) for rect in rects if f"--{paint})" in rect.attrib["style"]]

    five, two, one = bars(charts.domains(DOMAINS), "main")
    assert (two / five, one / five) == (pytest.approx(0.4), pytest.approx(0.2))
    funnel = charts.funnel(LEVELS)
    read, c4, *_ = bars(funnel, "main")
    assert read == pytest.approx(c4 + bars(funnel, "lost")[1])
    assert charts.domains(replace(DOMAINS, rows=()))


@pytest.mark.parametrize(("most", "step"), [(1, 1), (5, 1), (6, 2), (11, 5), (25, 5), (26, 10), (2_733, 1_000)])
def test_an_axis_has_few_round_numbers(most: int, step: int) -> None:
    said = texts(charts.lengths([Lengths(label="a@dev", documents={9: most})]))
    assert [one for one in said if one[0].isdecimal() and "B" not in one] == [
        f"{n:,}" for n in range(0, most + 1, step)
    ]


def test_a_report_of_corpora_needs_no_matplotlib() -> None:
    code = "import sys, pipelines.report.page; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_training_of_one_step_has_a_curve() -> None:
    one = replace(CURVE, steps=(1,), losses=(9.0,), rates=(1e-3,), tokens=(10,))
    assert "9.00" in texts(charts.training(one))


def test_training_is_drawn_with_what_was_measured_and_no_more() -> None:
    more = {"on held-out documents, bits per byte", "1.500", "gradient norm", "log scale", "30", "▼ bad step"}
    assert more <= set(texts(charts.training(MEASURED)))
    assert not more & set(texts(charts.training(CURVE)))


def places(svg: str, paint: str) -> list[float]:
    """Where from left to right the marks of a colour stand."""
    return [
        float(mark.attrib["x"]) for mark in ElementTree.fromstring(svg).iter("use") if paint in mark.attrib["style"]
    ]


def test_points_and_marks_stand_at_their_steps() -> None:
    svg = charts.training(MEASURED)
    first, last = places(svg, "--main")
    assert places(svg, "--lost") == [last]
    assert first < last


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 0.0])
@pytest.mark.parametrize("n", [1, 3])
def test_a_training_that_is_no_number_is_drawn(wrong: float, n: int) -> None:
    """At its end, or from its first step."""
    losses, norms = ((*values[: 3 - n], *(wrong,) * n) for values in (CURVE.losses, MEASURED.norms))
    said = texts(charts.training(replace(MEASURED, losses=losses, norms=norms)))
    assert {"gradient norm", "▼ bad step"} <= set(said)
    assert not {"nan", "inf"} & set(said)


def test_the_running_mean_is_that_of_a_twentieth() -> None:
    """Of 40 steps the last two; of 20,000 the last thousand, less those that are no number."""
    said = [
        texts(charts.training(replace(CURVE, steps=steps, losses=losses, rates=(1e-3,) * len(steps), tokens=steps)))
        for steps, losses in (
            (tuple(range(1, 41)), (*(9.0,) * 38, 4.0, 5.0)),
            (tuple(range(1, 20_001)), (*(9.0,) * 19_000, *(2.0, 2.5, float("nan"), 3.0) * 250)),
        )
    ]
    assert "4.50" in said[0]
    assert "2.50" in said[1]


@pytest.mark.parametrize("n", [1, 2, 3, 5, 40])
def test_steps_are_whole_and_said_once(n: int) -> None:
    steps = tuple(range(1, n + 1))
    said = texts(charts.training(replace(CURVE, steps=steps, losses=(9.5,) * n, rates=(1e-3,) * n, tokens=steps)))
    ticks = said[: said.index(next(one for one in said if one.startswith("step ")))]
    ticks = [one for one in ticks if one.isdecimal() and one != "9"]
    assert len(ticks) == len(set(ticks)) >= 2
    assert "loss, nats per target" in said


def test_a_long_label_keeps_its_ends_and_invisible_signs_show() -> None:
    assert label("a" * 40 + ".example") == "a" * 23 + "…" + "aa.example"
    assert label("a\x00b\u202ec") == "a\ufffdb\ufffdc"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (wording.count(1234567), "1,234,567"),
        (wording.count(None), "–"),
        (wording.size(999), "999 B"),
        (wording.size(999_900), "1.00 MB"),
        (wording.size(0), "0 B"),
        (wording.size(12_345_678), "12.3 MB"),
        (wording.share(1, 3), "33.3 %"),
        (wording.share(1, 0), "–"),
        (wording.seconds(75.4), "1 min 15 s"),
        (wording.seconds(59.96), "1 min 0 s"),
        (wording.seconds(7260), "2 h 1 min"),
        (wording.power(11), "2 KiB"),
        (wording.power(9), "512 B"),
        (wording.value(0.5), "0.5"),
        (wording.value(0.171, "fragment_share"), "17.1 %"),
        (wording.value([1, "a"]), '[1, "a"]'),
    ],
)
def test_numbers_as_people_read_them(said: str, expected: str) -> None:
    assert said == expected


def test_long_json_is_cut_and_says_where_the_rest_is() -> None:
    assert wording.pretty(list(range(10_000))).endswith("more characters, in manifest.json")
