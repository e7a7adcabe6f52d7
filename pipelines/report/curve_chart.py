"""The picture of a training: panels over the same steps, loss on top and the learning rate below."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from pipelines.report.curve import Curve
from pipelines.report.drawing import GRID, INK, LOST, MAIN, MUTED, PALE, drawn
from pipelines.report.wording import count

WIDTH, LEFT, RIGHT = 10.0, 0.6, 1.0
TITLE, FOOT = 0.35, 0.5
LOSS, HELD_OUT, NORM, RATE = 2.15, 0.9, 0.8, 0.55
"""Inches: what is free at the sides, above each panel and below the last, and the panels' heights."""
MEANS = 1000
"""Points of the running mean, about one a pixel of the screen."""
DECADE = 10
"""Gradient norms of which the largest is so many times the smallest stand on a log scale."""

Panel = tuple[float, Callable[[Axes, Curve], None]]


def training(curve: Curve) -> Markup:
    """Loss over steps with marks where steps were bad, what there is of held-out measure and gradient norm, and the
    learning rate."""
    panels: list[Panel] = [(LOSS, _loss), (RATE, _rate)]
    if curve.norms:
        panels.insert(1, (NORM, _norm))
    if curve.held_out:
        panels.insert(1, (HELD_OUT, _held_out))
    height = sum(TITLE + panel for panel, _ in panels) + FOOT

    def draw(figure: Figure) -> None:
        top = height
        for panel, draw_panel in panels:
            top -= TITLE + panel
            axes = figure.add_axes((LEFT / WIDTH, top / height, 1 - (LEFT + RIGHT) / WIDTH, panel / height))
            axes.set_xlim(0, curve.steps[-1])
            axes.grid(axis="y", color=GRID, linewidth=0.6)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.tick_params(labelbottom=False)
            draw_panel(axes, curve)
        axes.tick_params(labelbottom=True)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: count(x)))
        axes.set_xlabel(f"step   ({count(curve.tokens[-1])} tokens after step {count(curve.steps[-1])})")

    return drawn("training", "Training by step: loss, learning rate and what else was measured", WIDTH, height, draw)


def _loss(axes: Axes, curve: Curve) -> None:
    at, mean = _running(curve.losses)
    axes.plot(curve.steps, curve.losses, color=PALE, linewidth=1.1)
    axes.plot([curve.steps[i] for i in at], mean, color=MAIN, linewidth=2)
    _titled(axes, f"loss, {curve.unit}")
    _at_end(axes, curve, mean[-1], f"{mean[-1]:.2f}")
    if curve.bad:
        steps = [one.step for one in curve.bad]
        # on the upper edge, for a loss that is no number has no height
        axes.plot(steps, [1.0] * len(steps), "v", color=LOST, transform=axes.get_xaxis_transform(), clip_on=False)
        axes.set_title("▼ bad step", loc="right", fontsize=9, color=LOST)


def _held_out(axes: Axes, curve: Curve) -> None:
    assert curve.held_out is not None
    axes.plot(curve.held_out.steps, curve.held_out.values, "o-", color=MAIN, linewidth=1.2, markersize=4, clip_on=False)
    axes.margins(y=0.15)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    _titled(axes, f"on held-out documents, {curve.held_out.unit}")
    _at_end(axes, curve, curve.held_out.values[-1], f"{curve.held_out.values[-1]:.3f}")


def _norm(axes: Axes, curve: Curve) -> None:
    axes.plot(curve.steps, curve.norms, color=MUTED, linewidth=1.1)
    _titled(axes, "gradient norm")
    drawable = [norm for norm in curve.norms if 0 < norm < math.inf]
    if drawable and max(drawable) >= DECADE * min(drawable):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(numticks=4))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_title("log scale", loc="right", fontsize=9, color=MUTED)
    else:
        axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    _at_end(axes, curve, curve.norms[-1], f"{curve.norms[-1]:.2g}", INK)


def _rate(axes: Axes, curve: Curve) -> None:
    highest = max(curve.rates)
    axes.plot(curve.steps, curve.rates, color=MUTED, linewidth=1.4)
    axes.set_ylim(bottom=0)
    axes.set_yticks([0, highest], ["0", f"{highest:.1e}"])
    _titled(axes, "learning rate")
    _at_end(axes, curve, curve.rates[-1], f"{curve.rates[-1]:.1e}", INK)


def _titled(axes: Axes, said: str) -> None:
    axes.set_title(said, loc="left", fontsize=9, color=MUTED)


def _running(values: Sequence[float]) -> tuple[list[int], list[float]]:
    """Places, and for each the mean of the twentieth of all values that ends there, so that the last is known when it
    is reached; of those that are finite."""
    window = max(1, len(values) // 20)
    at = np.unique(np.linspace(0, len(values) - 1, min(len(values), MEANS)).astype(int)).tolist()
    parts = (np.array(values[max(0, i + 1 - window) : i + 1]) for i in at)
    finite = (part[np.isfinite(part)] for part in parts)
    return at, [float(part.mean()) if len(part) else math.nan for part in finite]


def _at_end(axes: Axes, curve: Curve, y: float, said: str, paint: str = MAIN) -> None:
    """What the last value is, beside it."""
    if math.isfinite(y):
        axes.annotate(
            said, (curve.steps[-1], y), (6, 0), textcoords="offset points", va="center_baseline", color=paint,
            annotation_clip=False,
        )  # fmt: skip
