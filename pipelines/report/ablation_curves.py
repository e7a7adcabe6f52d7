"""Arms while they learn: beside each measure its difference to the baseline, where the arms come apart."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from pipelines.report.ablation_view import Architecture, known, named
from pipelines.report.drawing import INK, LOST, MAIN, MUTED, PALE
from pipelines.report.panels import Grid, apart, noted, panels, scaled
from pipelines.report.wording import label

LATE = 4
"""The axes hold what was measured after the first so many-th of the tokens: the start would flatten the rest."""
FEW = 4
"""So many arms are all drawn strongly and named."""
BETWEEN = 0.12
"""Of a panel's height, from one arm's name to the next."""
UNITS = ((1e9, " B"), (1e6, " M"), (1e3, " k"))

Points = Sequence[Mapping[str, Any]]
Lines = Mapping[str, Points]
Strong = Mapping[str, tuple[str, float]]


def curves(found: Architecture, name: str) -> Markup:
    """For each measure the arms against the tokens that they were trained on, with a band of one sd over seeds, and
    beside it their means less the baseline's."""
    measures = [measure for measure in found.heads if found.curves.get(measure)]
    grid = Grid(columns=2, height=1.8, left=0.6, beside=0.9)
    titles = [title for one in measures for title in (named(one), f"less that of {found.baseline}")]

    def draw(axes: Axes, at: int) -> None:
        measure = measures[at // 2]
        curves = found.curves[measure]
        lines: Lines = {arm: curves[arm] for arm in found.arms if arm in curves}
        strong = _strong(found, tuple(lines))
        if at % 2:
            lines = _gaps(lines, lines.get(found.baseline, ()))
        for arm in sorted(lines, key=lambda arm: arm in strong):  # the strong ones over the pale ones
            _curve(axes, lines[arm], *strong.get(arm, (PALE, 0.8)), band=strong.get(arm, (PALE, 0))[0] in (MAIN, LOST))
        better = found.better(measure)
        noted(axes, f"{better} is better" if better else "")
        _scales(axes, lines)
        if at % 2:
            _at_ends(axes, {arm: (lines[arm][-1]["mean"], strong[arm][0]) for arm in lines if arm in strong})

    return panels(name, f"Measures by tokens, {found.name}", titles, grid, draw)


def _gaps(lines: Lines, baseline: Points) -> Lines:
    """The lines less the baseline's, at the tokens where it has a mean."""
    at = {point["tokens"]: point["mean"] for point in baseline}
    less = {
        arm: [
            {"tokens": point["tokens"], "mean": point["mean"] - at[point["tokens"]], "sd": None}
            for point in points
            if point["tokens"] in at
        ]
        for arm, points in lines.items()
    }
    return {arm: points for arm, points in less.items() if points}


def _strong(found: Architecture, arms: Sequence[str]) -> Strong:
    """The arms that are drawn in colour and named, with paint and width of line."""
    dosed = {str(point["arm"]) for dose in found.doses.values() for point in dose["points"]}
    strong = {arm: (MUTED, 1.1) for arm in arms if arm in dosed or len(arms) <= FEW}
    first = ((found.unfiltered, LOST), (found.baseline, MAIN))
    return strong | {arm: (paint, 2.0) for arm, paint in first if arm is not None and arm in arms}


def _curve(axes: Axes, points: Points, paint: str, width: float, *, band: bool) -> None:
    tokens = [point["tokens"] for point in points]
    means = np.array([point["mean"] for point in points])
    axes.plot(tokens, means, color=paint, linewidth=width, marker="o" if len(points) == 1 else None)
    if band and all(known(point["sd"]) for point in points):
        sds = np.array([point["sd"] for point in points])
        axes.fill_between(tokens, means - sds, means + sds, color=paint, alpha=0.16, linewidth=0)


def _scales(axes: Axes, lines: Lines) -> None:
    """Sets the axes to what was measured after the first part of the tokens."""
    last = max((points[-1]["tokens"] for points in lines.values()), default=1)
    late = [point for points in lines.values() for point in points if point["tokens"] * LATE >= last]
    ends = [point["mean"] + sign * (point["sd"] if known(point["sd"]) else 0) for point in late for sign in (-1, 1)]
    low, high = min(ends, default=0), max(ends, default=0)
    room = 0.08 * (high - low) or 0.01 * abs(high) or 1.0
    axes.set_xscale("log")
    axes.set_xlim(min((point["tokens"] for point in late), default=1) * 0.999, last * 1.001)
    axes.set_ylim(low - room, high + room)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=6))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _tokens(x)))
    axes.set_xlabel("tokens, log scale")
    scaled(axes)


def _at_ends(axes: Axes, ends: Mapping[str, tuple[float, str]]) -> None:
    """The arms' names beside their lines' ends, none upon another."""
    low, high = axes.get_ylim()
    heights = apart([(mean - low) / (high - low) for mean, _ in ends.values()], BETWEEN)
    for (arm, (_, paint)), height in zip(ends.items(), heights, strict=True):
        axes.annotate(
            label(arm, 16), (1, height), (6, 0), xycoords="axes fraction", textcoords="offset points",
            va="center_baseline", fontsize=9, color=INK if paint == MUTED else paint, annotation_clip=False,
        )  # fmt: skip


def _tokens(value: float) -> str:
    """# 65_000_000 -> 65 M"""
    return next((f"{value / unit:g}{letter}" for unit, letter in UNITS if value >= unit), f"{value:g}")
