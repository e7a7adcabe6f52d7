"""Blocks to a text: plain, or in Markdown (CommonMark, with the tables of GitHub's)."""

from itertools import groupby
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.html import text as t
from corpus.html.layout import CODE_MARK, FORMULA_MARK
from corpus.html.outline import ALONE, HEADING, ITEM, LISTS, ORDERED, PRE, QUOTES, ROW, TABLE
from corpus.html.text import NEWLINE, SPACE, TAB, Blocks

_CODE: Final = chr(CODE_MARK)
_FORMULA: Final = chr(FORMULA_MARK)
_NO_MARKS: Final = {CODE_MARK: None, FORMULA_MARK: None}


def without_permalinks(found: Blocks, outlined: NDArray[np.int32]) -> Blocks:
    """The blocks, headings less the pilcrow at their end, with which documentation links to them (Sphinx, MkDocs)."""
    blocks = found.blocks.copy()
    _cut_permalinks(found.text, outlined, blocks)
    return Blocks(blocks, found.text)


@njit(cache=True, nogil=True)
def _cut_permalinks(text, outlined, blocks):  # type: ignore[no-untyped-def]
    for b in range(blocks.shape[0]):
        begin, end = blocks[b, t.BEGIN], blocks[b, t.END]
        if outlined[b, HEADING] and end - begin > 2 and text[end - 2] == 0xC2 and text[end - 1] == 0xB6:  # UTF-8
            end -= 2
            while end > begin and _is_left_over(text, begin, end - 1):
                end -= 1
            if end > begin:
                blocks[b, t.END] = end


@njit(cache=True, nogil=True)
def _is_left_over(text, begin, at):  # type: ignore[no-untyped-def]
    """Whether the last byte of a text is a blank, or a mark that opens what did not come."""
    if text[at] < TAB:
        return at == begin or text[at - 1] <= SPACE
    return text[at] == SPACE or text[at] == NEWLINE


def plain(found: Blocks, outlined: NDArray[np.int32], taken: NDArray[np.bool_]) -> str:
    """A line a block, the cells of a table's row on one line with tabs between; code as the page has it."""
    into = np.empty(len(found.text) + 1, np.uint8)
    n = _plain(found.text, found.blocks, outlined, taken, into)
    return into[:n].tobytes().decode("utf-8", "replace")


@njit(cache=True, nogil=True)
def _plain(text, blocks, outlined, taken, into):  # type: ignore[no-untyped-def]
    n = 0
    before = -1
    for b in range(blocks.shape[0]):
        if not taken[b]:
            continue
        if before >= 0:
            is_row = outlined[b, ALONE] and outlined[before, ALONE] and outlined[b, ROW] == outlined[before, ROW]
            is_row = is_row and outlined[b, TABLE] == outlined[before, TABLE]  # cells may stand without a row
            into[n] = TAB if is_row else NEWLINE
            n += 1
        for k in range(blocks[b, t.BEGIN], blocks[b, t.END]):
            if text[k] != CODE_MARK and text[k] != FORMULA_MARK:
                into[n] = text[k]
                n += 1
        before = b
    return n


def markdown(found: Blocks, outlined: NDArray[np.int32], taken: NDArray[np.bool_]) -> str:
    """Headings, lists, tables, quotations, code and formulas marked up; other text as it is, without escapes.

    A table's first row is its head. Text in bold or italics is plain.
    """
    text = found.text.tobytes()
    places = np.flatnonzero(taken)
    spans = found.blocks[places][:, [t.BEGIN, t.END]].tolist()
    blocks = [
        (tuple(kind), text[begin:end].decode("utf-8", "replace"))
        for kind, (begin, end) in zip(outlined[places].tolist(), spans, strict=True)
    ]
    parts: list[str] = []
    items: set[int] = set()
    was_item = False
    for (table, pre), group in groupby(blocks, key=lambda block: _belongs(block[0])):
        if table:
            parts += ["\n\n" if parts else "", _table(list(group))]
        elif pre:
            parts += ["\n\n" if parts else "", _fenced([line for _, line in group])]
        else:
            for kind, line in group:
                is_item = kind[ITEM] > 0
                parts += [("\n" if is_item and was_item else "\n\n") if parts else "", _block(kind, line, items)]
                was_item = is_item
            continue
        was_item = False
    return "".join(parts)


def _belongs(kind: tuple[int, ...]) -> tuple[int, int]:
    """The table and the `pre` that a block is part of, 0 for none; a cell of several blocks is part of no table."""
    return kind[TABLE] if kind[ALONE] and not kind[PRE] else 0, kind[PRE]


def _block(kind: tuple[int, ...], line: str, items: set[int]) -> str:
    line = _inline(line)
    if kind[HEADING]:
        line = f"{'#' * kind[HEADING]} {' '.join(line.split())}"
    if kind[ITEM]:
        indent = "   " * max(kind[LISTS] - 1, 0)  # what is within "1. " is indented by three, within "- " it may be
        sign = "   " if kind[ITEM] in items else "1. " if kind[ORDERED] else "- "
        items.add(kind[ITEM])
        line = f"{indent}{sign}{line}"
    if kind[QUOTES]:
        line = "\n".join("> " * kind[QUOTES] + part for part in line.split("\n"))
    return line


def _table(cells: list[tuple[tuple[int, ...], str]]) -> str:
    rows = [[_cell(line) for _, line in row] for _, row in groupby(cells, key=lambda cell: cell[0][ROW])]
    width = max(map(len, rows))
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])


def _cell(line: str) -> str:
    return " ".join(_inline(line).replace("|", "\\|").split())


def _fenced(lines: list[str]) -> str:
    code = "\n".join(lines).translate(_NO_MARKS)
    fence = "```"
    while fence in code:
        fence += "`"
    return f"{fence}\n{code}\n{fence}"


def _inline(line: str) -> str:
    """Code and formulas in their marks, where a block holds both ends of each."""
    for mark, sign in ((_CODE, "`"), (_FORMULA, "$")):
        line = line.replace(mark, sign if line.count(mark) % 2 == 0 else "")
    return line
