"""Small multiples: one panel for each measure, in rows, all of one size and each with an axis of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pipelines.report.drawing import GRID, INK, MUTED, drawn
from pipelines.report.wording import label

WIDTH, TITLE = 10.0, 0.5
"""Inches of a chart, and above each of its panels."""
CHARACTER = 0.078
"""Inches of a letter of a title, on the wide side."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Inches: what is free left of a row's first panel, beside and below each panel, and a panel's height."""

    columns: int
    height: float
    left: float
    beside: float
    foot: float = 0.5

    @property
    def width(self) -> float:
        return (WIDTH - self.left) / self.columns - self.beside

    def place(self, at: int, n: int) -> tuple[float, float, float, float]:
        """Where panel `at` of `n` stands, in inches: left, bottom, width, height."""
        row, column = divmod(at, self.columns)
        left = self.left + column * (self.width + self.beside)
        return left, (self.rows(n) - row) * self.outer - TITLE - self.height, self.width, self.height

    @property
    def outer(self) -> float:
        return TITLE + self.height + self.foot

    def rows(self, n: int) -> int:
        return -(-n // self.columns)


def panels(
    name: str, described: str, titles: Sequence[str], grid: Grid, draw_one: Callable[[Axes, int], None]
) -> Markup:
    """The chart; `draw_one` fills the panel of each title."""
    height = grid.rows(len(titles)) * grid.outer

    def draw(figure: Figure) -> None:
        for at, title in enumerate(titles):
            left, bottom, wide, high = grid.place(at, len(titles))
            axes = figure.add_axes((left / WIDTH, bottom / height, wide / WIDTH, high / height))
            axes.spines["left"].set_visible(False)
            axes.tick_params(length=0)
            draw_one(axes, at)
            axes.set_title(label(title, int(wide / CHARACTER)), loc="left", fontsize=10, color=INK, pad=20)

    return drawn(name, described, WIDTH, height, draw)


def noted(axes: Axes, said: str, *, right: bool = False) -> None:
    """A line in small grey letters under the title."""
    axes.annotate(
        said, (1 if right else 0, 1), (0, 7), xycoords="axes fraction", textcoords="offset points",
        ha="right" if right else "left", fontsize=8, color=MUTED,
    )  # fmt: skip


def scaled(axes: Axes, n: int = 4) -> None:
    """Few figures on the y axis, each with a line of the grid."""
    axes.yaxis.set_major_locator(MaxNLocator(n))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: plain(y)))
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def plain(value: float) -> str:
    """A figure of an axis. # -0.020000000000000004 -> −0.02"""
    return f"{round(value, 10):g}".replace("-", "−")


def apart(places: Sequence[float], gap: float) -> list[float]:
    """The places, moved as little as keeps them `gap` apart in their order and, while there is room, in 0 .. 1.

    # 0.5, 0.52 with gap 0.1 -> 0.46, 0.56

    Less `gap` for every place below them, they need only not fall: least squares, by pooling neighbours that do
    (Barlow et al. 1972, Statistical inference under order restrictions, chapter 1).
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    pools: list[tuple[float, int]] = []
    for rank, i in enumerate(order):
        mean, n = places[i] - rank * gap, 1
        while pools and pools[-1][0] > mean:
            other, more = pools.pop()
            mean, n = (mean * n + other * more) / (n + more), n + more
        pools.append((mean, n))
    room = max(0.0, 1 - (len(places) - 1) * gap)
    level = [min(max(mean, 0.0), room) for mean, n in pools for _ in range(n)]
    moved = {i: level[rank] + rank * gap for rank, i in enumerate(order)}
    return [moved[i] for i in range(len(places))]
