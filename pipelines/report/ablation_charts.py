"""The pictures of an ablation: differences to the baseline, doses, curves, and what a small budget would decide."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pipelines.report import ablation_curves
from pipelines.report.ablation_view import Architecture, Comparison, chance, figure, half, known, named, outcome
from pipelines.report.drawing import GRID, LOST, MAIN, MUTED, PALE
from pipelines.report.panels import Grid, noted, panels, plain, scaled
from pipelines.report.wording import label

ROW = 0.24
"""Inches of height that an arm takes in a forest plot."""
PAINTS = {"better": MAIN, "worse": LOST, "open": MUTED}

curves = ablation_curves.curves


def forest(found: Architecture, name: str) -> Markup:
    """For each measure every arm's difference to the baseline with its interval; right of zero is better, whichever way
    the measure counts."""
    measures = [one for one in found.heads if found.rows(one)]
    arms = found.rivals
    grid = Grid(columns=3, height=ROW * len(arms) + 0.1, left=1.75, beside=0.3, foot=0.55)

    def draw(axes: Axes, at: int) -> None:
        rows = {str(one["arm"]): one for one in found.rows(measures[at])}
        axes.axvline(0, color=MUTED, linewidth=0.8)
        for height, arm in enumerate(arms):
            if arm in rows:
                _difference(axes, rows[arm], height)
        first = at % grid.columns == 0
        axes.set_yticks(range(len(arms)), [label(arm, 24) if first else "" for arm in arms])
        axes.set_ylim(len(arms) - 0.4, -0.6)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: plain(x)))
        axes.grid(axis="x", color=GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        if found.better(measures[at]) == "lower":
            axes.invert_xaxis()
        noted(axes, "← worse")
        noted(axes, f"better than {label(found.baseline, 16)} →", right=True)

    return panels(name, f"Differences to {found.baseline}, {found.name}", [*map(named, measures)], grid, draw)


def _difference(axes: Axes, one: Comparison, height: int) -> None:
    paint = PAINTS[outcome(one)]
    if half(one["low"], one["high"]) is not None:
        axes.plot([one["low"], one["high"]], [height, height], color=paint, linewidth=1.6)
    if known(one["difference"]):
        style = "full" if one["found"] else "none"
        axes.plot(one["difference"], height, "o", color=paint, markersize=5, fillstyle=style)


def doses(found: Architecture, name: str) -> Markup:
    """For each measure what rejects mixed back in do to it: a dot for every seed, a line through the means, and the
    band in which the baseline lies by its seeds alone."""
    measures = _ordered(found, found.doses)
    grid = Grid(columns=3, height=1.7, left=0.55, beside=0.62, foot=0.6)

    def draw(axes: Axes, at: int) -> None:
        dose = found.doses[measures[at]]
        points = sorted(dose["points"], key=lambda point: point["share"])
        _noise(axes, found, measures[at], points[0])
        for point in points:
            axes.plot(
                [point["share"]] * len(point["values"]), point["values"], "o", color=MUTED, alpha=0.55, markersize=3
            )
        axes.plot([point["share"] for point in points], [point["mean"] for point in points], "o-", color=MAIN)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:g} %"))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel("of the rejects mixed back in")
        scaled(axes)
        axes.margins(y=0.12)
        noted(axes, _slope(dose, found.better(measures[at])))

    return panels(name, f"Measures by dose of rejects, {found.name}", [*map(named, measures)], grid, draw)


def _noise(axes: Axes, found: Architecture, measure: str, least: Mapping[str, Any]) -> None:
    sd = found.noise(measure).get("sd")
    if known(sd):
        axes.axhspan(least["mean"] - sd, least["mean"] + sd, color=PALE, alpha=0.35, linewidth=0)
    axes.axhline(least["mean"], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))


def _slope(dose: Mapping[str, Any], better: str) -> str:
    wanted = f"{better} is better; " if better else ""
    slope = figure(dose["slope"], half(dose["low"], dose["high"]), sign=True)
    return f"{wanted}{slope} for 10 %, p {chance(dose['p'])}"


def decisions(found: Architecture, name: str) -> Markup:
    """For each measure in how many pairs of arms a smaller budget puts the same one first as the whole budget does."""
    measures = _ordered(found, found.decisions)
    grid = Grid(columns=3, height=1.5, left=0.55, beside=0.62, foot=0.6)

    def draw(axes: Axes, at: int) -> None:
        points = sorted(found.decisions[measures[at]], key=lambda point: point["share"])
        axes.axhline(0.5, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        for key, paint in (("one_seed", MUTED), ("accuracy", MAIN)):
            told = [(point["share"], point[key]) for point in points if known(point[key])]
            shares, values = [x for x, _ in told], [y for _, y in told]
            axes.plot(shares, values, "o-", color=paint, linewidth=1.6, markersize=4, clip_on=False)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:g} %"))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel("of the tokens")
        scaled(axes)
        axes.set_yticks([0.25, 0.5, 0.75, 1.0], ["25 %", "50 %", "75 %", "100 %"])
        axes.set_ylim(min(0.4, axes.dataLim.y0), 1.0)
        noted(axes, f"{points[-1]['pairs']} pairs of arms")

    return panels(name, f"Decisions by budget, {found.name}", [*map(named, measures)], grid, draw)


def _ordered(found: Architecture, measured: Mapping[str, Any]) -> list[str]:
    """The measures, in the order of the page; parts of others are left to the table."""
    return [one for one in found.heads if measured.get(one)]
