"""Bars, lines and words as an SVG element that stands in the page, in the paints of the page's theme.

Written out, not drawn by a library: what a report of corpora shows are bars, and importing matplotlib for them takes
longer than the rest of the report.
"""

from dataclasses import dataclass, field
from typing import Literal

from markupsafe import Markup, escape

Paint = Literal["ink", "muted", "rule", "main", "pale", "lost"]
"""The page's CSS variables for light and dark."""

SMALLEST, LARGEST = 0.9, 1.4
"""Pixels of the screen for a point of a chart: with these, text of 9.5 points is 8.5 to 13 pixels high."""
TEXT, SMALL = 9.5, 9.0
"""Heights of text in points."""
_MIDDLE = 0.36
"""Of a text's height: how far below a row's middle its baseline is, for digits to stand in the middle."""


@dataclass(frozen=True)
class Sheet:
    """Takes shapes at points from its upper left corner, each over those before it."""

    width: float
    height: float
    _shapes: list[str] = field(default_factory=list)

    def bar(self, x: float, y: float, width: float, height: float, paint: Paint) -> None:
        """Fills a rectangle whose upper left corner is at (x, y)."""
        self._shapes.append(
            f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" style="fill: var(--{paint})"/>'
        )

    def text(
        self, x: float, y: float, said: str, paint: Paint = "ink", size: float = SMALL,
        anchor: Literal["start", "middle", "end"] = "start",
    ) -> None:  # fmt: skip
        """Words whose middle is at the height y."""
        style = f"fill: var(--{paint}); font-size: {size}px; text-anchor: {anchor}"
        self._shapes.append(f'<text x="{x:.2f}" y="{y + _MIDDLE * size:.2f}" style="{style}">{escape(said)}</text>')

    def svg(self, described: str) -> Markup:
        """The element."""
        size = f'viewBox="0 0 {self.width:g} {self.height:g}" style="{span(self.width)}"'
        return Markup(  # noqa: S704 - words are escaped where they come in
            f'<svg {size} class="chart" role="img" aria-label="{escape(described)}">{"".join(self._shapes)}</svg>'
        )


def span(points: float) -> str:
    """CSS for a chart of this width: it follows the window, within what can be read."""
    return f"min-width: {points * SMALLEST:.1f}px; max-width: {points * LARGEST:.1f}px"
