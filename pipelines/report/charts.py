"""The report's pictures. Each function takes plain numbers and gives an SVG element; labels stand by what they name."""

from collections.abc import Sequence
from itertools import chain
from itertools import count as count_from

from markupsafe import Markup

from pipelines.report.corpora import Clusters, Comparison, Domains, Lengths
from pipelines.report.curve import Curve
from pipelines.report.funnel import Level
from pipelines.report.learning import Cost
from pipelines.report.sheet import TEXT, Paint, Sheet
from pipelines.report.wording import count, label, power, seconds, size

WIDTH, BARS, THIRD = 720.0, 540.0, 230.0
"""Points (72 an inch); a chart of bars with their names needs less width than one with an axis."""
ROW = 22.0
"""Points of height that a row of bars takes; a pair of bars takes half as much again."""
THICK = 0.66
"""What of a row, or of a column, its bar fills."""
GAP = 5.0
"""Points between a bar and the words beside it."""
TOP_LANGUAGES, TOP_DOMAINS, TOP_SIZES = 12, 15, 12

Row = tuple[str, list[tuple[float, Paint, str]]]
"""A name, and for each of its bars the length, the paint and what is said beside it."""


def training(curve: Curve) -> Markup:
    """Loss, rate and what else was measured by step."""
    from pipelines.report import curve_chart  # matplotlib, half a second: a corpus' report needs none

    return curve_chart.training(curve)


def funnel(levels: Sequence[Level]) -> Markup:
    """What is left after each stage, and beside it what the stage took: documents on the left, bytes on the right."""
    sheet = Sheet(WIDTH, ROW * (len(levels) + 1))
    for at, level in enumerate(levels):
        _name(sheet, 122, ROW * (at + 1.5), label(level.name, 24))
    documents = [(x.documents, x.lost, count(x.documents), count(x.lost)) for x in levels]
    _losing(sheet, "documents", 122, 230, documents)
    known = ["" if x.size_bytes is None else size(x.size_bytes) for x in levels]
    both = [
        (x.size_bytes or 0, x.lost_bytes or 0, said, size(x.lost_bytes)) for x, said in zip(levels, known, strict=True)
    ]
    _losing(sheet, "bytes of text", 454, 158, both)
    return sheet.svg("What is left after each stage, in documents and in bytes")


def _losing(sheet: Sheet, title: str, x: float, width: float, rows: Sequence[tuple[int, int, str, str]]) -> None:
    """Under the title, bars of what is left with what was lost at their ends."""
    sheet.text(x, ROW / 2, title, "muted")
    scale = width / (max([left + lost for left, lost, *_ in rows], default=0) or 1)
    for at, (left, lost, said, said_lost) in enumerate(rows):
        y = ROW * (at + 1.5)
        sheet.bar(x, y - ROW * THICK / 2, left * scale, ROW * THICK, "main")
        sheet.bar(x + left * scale, y - ROW * THICK / 2, lost * scale, ROW * THICK, "lost")
        sheet.text(x + (left + lost) * scale + GAP, y, f"{said}   −{said_lost}" if lost else said)


def languages(found: Comparison, after: str) -> Markup:
    """Documents by language, in the first corpus and in the one that `after` names: a pale bar of what there was and a
    strong one of what is left; the first row says which is which."""
    at = found.labels.index(after)
    keys = [f"   {found.labels[0]}", f"   {after}"]
    rows: list[Row] = []
    for name, counts in found.rows[:TOP_LANGUAGES]:
        before, left = count(counts[0]) + keys[0], count(counts[at]) + keys[1]
        rows.append((label(name, 14), [(counts[0], "pale", before), (counts[at], "main", left)]))
        keys = ["", ""]
    return _rows(rows, 79, 302, "Documents by language")


def domains(found: Domains) -> Markup:
    """The domains with the most documents."""
    rows: list[Row] = [(label(name), [(n, "main", count(n))]) for name, n in found.rows[:TOP_DOMAINS]]
    return _rows(rows, 194, 280, f"Documents by domain, the first {len(rows)} of {found.n_domains}")


def bits(values: Sequence[tuple[str, float]]) -> Markup:
    """Bits per byte on held-out documents; fewer are better."""
    paints: list[Paint] = ["main" if name == "trained" else "pale" for name, _ in values]
    rows: list[Row] = [(label(name), [(n, paint, f"{n:.3f}")]) for (name, n), paint in zip(values, paints, strict=True)]
    return _rows(rows, 108, 324, "Bits per byte on held-out documents")


def costs(found: Sequence[Cost]) -> Markup:
    """Seconds by the clock and of CPU for each artifact."""
    keys = [" by the clock", " of CPU"]
    rows: list[Row] = []
    for cost in found:
        clock, cpu = seconds(cost.seconds) + keys[0], seconds(cost.cpu_seconds) + keys[1]
        name = label(cost.label.partition("@")[0])
        rows.append((name, [(cost.seconds, "main", clock), (cost.cpu_seconds, "pale", cpu)]))
        keys = ["", ""]
    return _rows(rows, 108, 324, "Seconds that each artifact took")


def _rows(rows: Sequence[Row], left: float, width: float, described: str) -> Markup:
    """Bars that lie, with their names on the left, all to one scale; the bars of a row lie close."""
    n_bars = max((len(bars) for _, bars in rows), default=1)
    row = ROW * (1 + n_bars) / 2
    thick = ROW * (THICK if n_bars == 1 else 0.57)
    sheet = Sheet(BARS, row * len(rows) + 2)
    scale = width / (max((length for _, bars in rows for length, *_ in bars), default=0) or 1)
    for at, (name, bars) in enumerate(rows):
        middle = row * (at + 0.5)
        _name(sheet, left, middle, name)
        for nth, (length, paint, said) in enumerate(bars):
            y = middle + (nth - (len(bars) - 1) / 2) * thick * 1.06
            sheet.bar(left, y - thick / 2, length * scale, thick, paint)
            sheet.text(left + length * scale + GAP, y, said)
    return sheet.svg(described)


def _name(sheet: Sheet, left: float, y: float, said: str) -> None:
    sheet.text(left - GAP, y, said, size=TEXT, anchor="end")


def lengths(found: Sequence[Lengths]) -> Markup:
    """Documents by length, each corpus as steps over powers of two of bytes: the first pale, the last strong."""
    left, top, bottom, right = 43.0, 16.0, 170.0, 691.0
    sheet = Sheet(WIDTH, 209)
    bins = sorted({b for one in found for b in one.documents}) or [0]
    span = range(bins[0], bins[-1] + 1)
    column = (right - left) / len(span)
    most = max(chain.from_iterable(one.documents.values() for one in found), default=0) or 1
    scale = (bottom - top) / most
    for n in range(0, most + 1, _step(most)):
        sheet.bar(left, bottom - n * scale - 0.3, right - left, 0.6, "rule")
        _name(sheet, left, bottom - n * scale, count(n))
    paints: tuple[Paint, ...] = ("pale", "main") if len(found) > 1 else ("main",)
    for at, (one, paint) in enumerate(zip(found, paints, strict=True)):
        for b, n in sorted(one.documents.items()):
            sheet.bar(left + (b - span[0]) * column, bottom - n * scale, column * 0.92, n * scale, paint)
        sheet.text(right, top + 13 * at, one.label, "main" if paint == "main" else "muted", TEXT, "end")
    for b in span:
        sheet.text(left + (b - span[0]) * column, bottom + 11, power(b), "muted", anchor="middle")
    sheet.text((left + right) / 2, bottom + 28, "size of a document's text, at least", "muted", anchor="middle")
    return sheet.svg("Documents by length")


def _step(most: int) -> int:
    """The least of 1, 2, 5, 10, 20, ... that counts up to `most` in five steps or fewer."""
    rounds = (digit * int(10**zeros) for zeros in count_from(0) for digit in (1, 2, 5))
    return next(step for step in rounds if 5 * step >= most)


def sizes(found: Clusters) -> Markup:
    """How many clusters there are of each size."""
    rows = [(str(size), n) for size, n in list(found.sizes.items())[:TOP_SIZES]]
    rest = sum(n for _, n in list(found.sizes.items())[TOP_SIZES:])
    rows += [("more", rest)] if rest else []
    top, bottom = 22.0, 101.0
    sheet = Sheet(THIRD, 137)
    column = THIRD / max(len(rows), 5)
    scale = (bottom - top) / (max([n for _, n in rows], default=0) or 1)
    for at, (size_, n) in enumerate(rows):
        middle = column * (at + 0.5)
        sheet.bar(middle - column * THICK / 2, bottom - n * scale, column * THICK, n * scale, "main")
        sheet.text(middle, bottom - n * scale - 8, count(n), anchor="middle")
        sheet.text(middle, bottom + 10, size_, "muted", anchor="middle")
    sheet.text(THIRD / 2, bottom + 26, "documents in a cluster", "muted", anchor="middle")
    return sheet.svg(f"Clusters of {found.stage} by size")
