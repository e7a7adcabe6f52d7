"""The report's pictures. Each function takes plain numbers and gives an SVG element; labels stand by what they name."""

from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pipelines.report import curve_chart
from pipelines.report.corpora import Clusters, Comparison, Domains, Lengths
from pipelines.report.drawing import GRID, LOST, MAIN, MUTED, PALE, drawn, label
from pipelines.report.funnel import Level
from pipelines.report.learning import Cost
from pipelines.report.wording import count, power, seconds, size

WIDTH, BARS, THIRD = 10.0, 7.5, 3.2
"""Inches; a chart of bars with their names needs less width than one with an axis."""
ROW = 0.3
"""Inches of height that a bar takes."""
TOP_LANGUAGES, TOP_DOMAINS, TOP_SIZES = 12, 15, 12

training = curve_chart.training


def funnel(levels: Sequence[Level]) -> Markup:
    """What is left after each stage, and beside it what the stage took: documents on the left, bytes on the right."""
    height = ROW * len(levels) + 0.45

    def draw(figure: Figure) -> None:
        left, right = _column(figure, 1.7, 3.2), _column(figure, 6.3, 2.2)
        names = [label(level.name, 24) for level in levels]
        _losing(left, "documents", [(x.documents, x.lost, f"{count(x.documents)}", count(x.lost)) for x in levels])
        _names(left, names)
        both = [(x.size_bytes or 0, x.lost_bytes or 0, _known(x), size(x.lost_bytes)) for x in levels]
        _losing(right, "bytes of text", both)
        right.set_ylim(left.get_ylim())

    return drawn("funnel", "What is left after each stage, in documents and in bytes", WIDTH, height, draw)


def _known(level: Level) -> str:
    return "" if level.size_bytes is None else size(level.size_bytes)


def _losing(axes: Axes, title: str, rows: Sequence[tuple[int, int, str, str]]) -> None:
    """Bars of what is left with what was lost at their ends."""
    widest = max([left + lost for left, lost, *_ in rows] or [1]) or 1
    axes.set_xlim(0, widest)
    axes.set_title(title, loc="left", fontsize=9, color=MUTED, pad=4)
    for at, (left, lost, said, said_lost) in enumerate(rows):
        axes.barh(at, left, height=0.66, color=MAIN)
        axes.barh(at, lost, left=left, height=0.66, color=LOST)
        note = f"{said}   −{said_lost}" if lost else said
        axes.annotate(note, (left + lost, at), (6, 0), textcoords="offset points", va="center_baseline", fontsize=9)


def languages(found: Comparison, after: str) -> Markup:
    """Documents by language, in the first corpus and in the one that `after` names."""
    at = found.labels.index(after)
    rows = [(name, counts[0], counts[at]) for name, counts in found.rows[:TOP_LANGUAGES]]
    return _paired("languages", "Documents by language", rows, (found.labels[0], after))


def _paired(name: str, described: str, rows: Sequence[tuple[str, int, int]], keys: tuple[str, str]) -> Markup:
    """For each row a pale bar of what there was and a strong one of what is left; the first row says which is which."""
    height = 1.5 * ROW * len(rows) + 0.15
    widest = max([n for _, *pair in rows for n in pair] or [1]) or 1

    def draw(figure: Figure) -> None:
        axes = _column(figure, 1.1, 4.2, top=0.05)
        axes.set_xlim(0, widest)
        for at, (_, before, after) in enumerate(rows):
            for shift, n, paint, key in ((-0.2, before, PALE, keys[0]), (0.2, after, MAIN, keys[1])):
                axes.barh(at + shift, n, height=0.38, color=paint)
                said = f"{count(n)}   {key}" if at == 0 else count(n)
                _beside(axes, said, n, at + shift)
        _names(axes, [label(row[0], 14) for row in rows])

    return drawn(name, described, BARS, height, draw)


def domains(found: Domains) -> Markup:
    """The domains with the most documents."""
    rows = found.rows[:TOP_DOMAINS]
    height = ROW * len(rows) + 0.1

    def draw(figure: Figure) -> None:
        axes = _column(figure, 2.7, 3.9, top=0.05)
        axes.set_xlim(0, max(n for _, n in rows))
        for at, (_, n) in enumerate(rows):
            axes.barh(at, n, height=0.66, color=MAIN)
            _beside(axes, count(n), n, at)
        _names(axes, [label(name) for name, _ in rows])

    return drawn("domains", f"Documents by domain, the first {len(rows)} of {found.n_domains}", BARS, height, draw)


def lengths(found: Sequence[Lengths]) -> Markup:
    """Documents by length, each corpus as steps over powers of two of bytes: the first pale, the last strong."""
    bins = sorted({bits for one in found for bits in one.documents})
    span = range(bins[0], bins[-1] + 1) if bins else range(1)

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((0.06, 0.16, 0.9, 0.74))
        for one, paint in zip(found, (PALE, MAIN) if len(found) > 1 else (MAIN,), strict=True):
            axes.bar(list(span), [one.documents.get(b, 0) for b in span], width=0.92, align="edge", color=paint)
        for at, (one, paint) in enumerate(zip(found, (MUTED, MAIN) if len(found) > 1 else (MAIN,), strict=True)):
            axes.text(0.995, 0.97 - 0.08 * at, one.label, transform=axes.transAxes, ha="right", va="top", color=paint)
        axes.set_xticks(list(span), [power(b) for b in span])
        axes.set_xlabel("size of a document's text, at least")
        _counted(axes)

    return drawn("lengths", "Documents by length", WIDTH, 2.9, draw)


def sizes(found: Clusters) -> Markup:
    """How many clusters there are of each size."""
    rows = [(str(size), n) for size, n in list(found.sizes.items())[:TOP_SIZES]]
    rest = sum(n for _, n in list(found.sizes.items())[TOP_SIZES:])
    rows += [("more", rest)] if rest else []

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((0.02, 0.26, 0.96, 0.58))
        axes.bar([size for size, _ in rows], [n for _, n in rows], width=0.66, color=MAIN)
        for at, (_, n) in enumerate(rows):
            axes.annotate(count(n), (at, n), (0, 3), textcoords="offset points", ha="center", fontsize=9)
        axes.set_xlim(-0.6, max(len(rows), 5) - 0.4)
        axes.set_xlabel("documents in a cluster")
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.tick_params(length=0)

    return drawn(f"sizes-{found.stage}", f"Clusters of {found.stage} by size", THIRD, 1.9, draw)


def bits(values: Sequence[tuple[str, float]]) -> Markup:
    """Bits per byte on held-out documents; fewer are better."""
    height = ROW * len(values) + 0.15

    def draw(figure: Figure) -> None:
        axes = _column(figure, 1.5, 4.5, top=0.05)
        axes.set_xlim(0, max(n for _, n in values))
        for at, (name, n) in enumerate(values):
            axes.barh(at, n, height=0.66, color=MAIN if name == "trained" else PALE)
            _beside(axes, f"{n:.3f}", n, at)
        _names(axes, [label(name) for name, _ in values])

    return drawn("bits", "Bits per byte on held-out documents", BARS, height, draw)


def costs(found: Sequence[Cost]) -> Markup:
    """Seconds by the clock and of CPU for each artifact."""
    rows = [(cost.label.partition("@")[0], cost.seconds, cost.cpu_seconds) for cost in found]
    height = 1.5 * ROW * len(rows) + 0.15

    def draw(figure: Figure) -> None:
        axes = _column(figure, 1.5, 4.5, top=0.05)
        axes.set_xlim(0, max(max(pair) for _, *pair in rows) or 1)
        for at, (_, clock, cpu) in enumerate(rows):
            for shift, n, paint, key in ((-0.2, clock, MAIN, "by the clock"), (0.2, cpu, PALE, "of CPU")):
                axes.barh(at + shift, n, height=0.38, color=paint)
                _beside(axes, f"{seconds(n)} {key}" if at == 0 else seconds(n), n, at + shift)
        _names(axes, [label(name) for name, *_ in rows])

    return drawn("costs", "Seconds that each artifact took", BARS, height, draw)


def _column(figure: Figure, left: float, width: float, top: float = 0.35) -> Axes:
    """Axes for horizontal bars, the first on top, with nothing drawn around them; all in inches, `top` is left free."""
    whole, height = figure.get_size_inches()
    axes = figure.add_axes((left / whole, 0.05 / height, width / whole, 1 - (top + 0.05) / height))
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.invert_yaxis()
    return axes


def _names(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.45, -0.55)


def _beside(axes: Axes, said: str, x: float, y: float) -> None:
    axes.annotate(said, (x, y), (6, 0), textcoords="offset points", va="center_baseline", fontsize=9)


def _counted(axes: Axes) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: count(y)))
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines["left"].set_visible(False)
