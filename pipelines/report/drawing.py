"""From a matplotlib figure to an SVG element that stands in the page: text stays text, colours follow the page's theme.

Charts are drawn in paints that are not colours yet: each stands for a CSS variable that the page sets for light and
dark. The same figure gives the same bytes.
"""

import io
import re
import warnings
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

from pipelines.report.sheet import span

INK, MUTED, GRID, MAIN, PALE, LOST = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--rule)",
    MAIN: "var(--main)",
    PALE: "var(--pale)",
    LOST: "var(--lost)",
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text as text: it can be searched, copied and read aloud
    "svg.hashsalt": "millstream",
    "text.parse_math": False,  # a "$" in a domain's name is a "$"
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.labelsize": 9,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9.5,
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
}


def drawn(name: str, described: str, width: float, height: float, draw: Callable[[Figure], None]) -> Markup:
    """The <svg> of what `draw` puts on a figure of so many inches; `name` is the page's only chart of that name."""
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # its own font only measures: the page's fonts draw, and know the letters that it lacks
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        figure = Figure(figsize=(width, height))
        draw(figure)
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return Markup(_finished(out.getvalue(), name, described))  # noqa: S704 - an XML writer has escaped what is in it


def _finished(svg: bytes, name: str, described: str) -> str:
    """As HTML takes it: no namespaces, ids that no other chart has, no style rules for the whole page, a size that
    follows the window."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - matplotlib's own output
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(key): _rewritten(_local(key), value, name) for key, value in element.attrib.items()}
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag in ("metadata", "style")]:
            parent.remove(child)
    points = float(root.attrib["viewBox"].split()[2])
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "class": "chart",
        "style": span(points),
        "role": "img",
        "aria-label": described,
    }
    return ElementTree.tostring(root, encoding="unicode")


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _rewritten(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return value.replace("#", f"#{name}-", 1)
    if key == "style":
        value = re.sub(r"#0[1-6]0[1-6]0[1-6]", lambda found: _VARIABLES.get(found[0], found[0]), value)
    return value.replace("url(#", f"url(#{name}-")
