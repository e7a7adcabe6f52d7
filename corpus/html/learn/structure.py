"""What a bag of words misses: do code, tables, lists and formulas come out in a form that can still be read?

Only what stands in the gold text is asked for, so that what an extractor rightly leaves out costs it nothing; where the
gold has the words in another shape, that does not matter. Texts are compared with runs of blanks as one.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from resiliparse.parse.html import HTMLTree

MIN_CHARS = 4
"""Of a line of code: shorter ones ("}", "end") stand in any gold by chance."""
MIN_ITEM_CHARS = 12
"""Of a list's item, for the same reason: "Home", "Contact"."""
_BEGINS_CHARS = 20
"""Of an item or of the line that should begin with it: enough to tell one from another."""

_BULLET = re.compile(r"(?:[-*+•‣◦▪·–]|\d{1,3}[.)])\s+")
_TEX = re.compile(r"\$\$(.+?)\$\$|\\\((.+?)\\\)|\\\[(.+?)\\\]|\$([^$\n]+)\$", re.DOTALL)
_COMMAND = re.compile(r"\\[A-Za-z]{2}")
_DISPLAYED = re.compile(r"\{\\(?:displaystyle|textstyle)(.*)\}", re.DOTALL)


@dataclass(frozen=True)
class Structure:
    """The parts of a page that should come out: lines of code as they are (each with and without what its block is
    indented by), rows of at least two filled cells, items of lists, TeX without blanks."""

    code: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    items: tuple[str, ...] = ()
    formulas: tuple[str, ...] = ()


def structure(html: str, gold: str) -> Structure:
    """The parts of the page that the gold text has.

    A formula that the page gives as TeX (`annotation`, `alttext`) always counts: gold texts rarely have one, and a
    page's margins do not either. TeX between dollars or \\( \\) counts where it stands in the gold.
    Limits: lines that `br` alone breaks are one line; tables with tables inside are layout and do not count.
    """
    body: Any = HTMLTree.parse(html).document
    known = _flat(gold)
    blocks = (pre.text.expandtabs(4) for pre in body.query_selector_all("pre"))
    lines = ((raw, bare) for block in blocks for raw, bare in zip(*_both_ways(block), strict=True))
    rows = (_cells(row) for row in body.query_selector_all("tr") if row.query_selector("table") is None)
    lists = (
        [item for item in _items(part) if len(item) >= MIN_ITEM_CHARS] for part in body.query_selector_all("ul, ol")
    )
    return Structure(
        code=tuple(line for line in lines if len(line[0].strip()) >= MIN_CHARS and _flat(line[0]) in known),
        rows=tuple(row for row in rows if len(row) > 1 and all(cell in known for cell in row)),
        items=tuple(item for items in lists for item in _of_main_text(items, known)),
        formulas=tuple(dict.fromkeys([*_given(body), *_written(gold)])),
    )


def structure_scores(parts: Structure, found: str) -> dict[str, float]:
    """Shares in 0 to 1 of what came out, without those of which the page has nothing.

    code      lines that come out as a line of their own with their indentation
    cells     table cells that come out
    rows      table rows whose cells come out in order on one line
    items     list items that begin a line, with or without a bullet
    formulas  that come out as TeX
    """
    known, bare = _flat(found), "".join(found.split())
    whole = {line.rstrip().expandtabs(4) for line in found.split("\n")}
    lines = [line for line in map(_flat, found.split("\n")) if line]
    begins = [_BULLET.sub("", line, count=1)[:_BEGINS_CHARS] for line in lines]
    cells = [cell for row in parts.rows for cell in row]
    shares = {
        "code": _share(raw in whole or out in whole for raw, out in parts.code),
        "cells": _share(cell in known for cell in cells),
        "rows": _share(any(_in_order(row, line) for line in lines) for row in parts.rows),
        "items": _share(_begins(item, begins) for item in parts.items),
        "formulas": _share(tex in bare for tex in parts.formulas),
    }
    return {name: share for name, share in shares.items() if share is not None}


def _flat(text: str) -> str:
    return " ".join(text.split())


def _both_ways(block: str) -> tuple[Sequence[str], Sequence[str]]:
    """The block's lines as they are, and without the indentation that all of them have."""
    raw, bare = ([line.rstrip() for line in text.split("\n")] for text in (block, dedent(block)))
    return raw, bare


def _cells(row: Any) -> tuple[str, ...]:
    texts = (_flat(cell.text) for cell in row.child_nodes if cell.tag in {"td", "th"})
    return tuple(text for text in texts if text)


def _items(part: Any) -> list[str]:
    """The items of one list, without those that hold a list."""
    return [_flat(item.text) for item in part.child_nodes if item.tag == "li" and item.query_selector("li") is None]


def _of_main_text(items: Sequence[str], gold: str) -> list[str]:
    """The items that the gold has, if those are most: a list of headlines has that of its own page by chance."""
    known = [item for item in items if item in gold]
    return known if 2 * len(known) > len(items) else []


def _given(body: Any) -> list[str]:
    noted = [note.text for note in body.query_selector_all('annotation[encoding="application/x-tex"]')]
    named = [formula.getattr("alttext") for formula in body.query_selector_all("math[alttext]")]
    return [tex for tex in map(_bare_tex, [*noted, *named]) if tex]


def _written(gold: str) -> list[str]:
    found = ("".join(match.groups(default="")) for match in _TEX.finditer(gold))
    return [_bare_tex(tex) for tex in found if _COMMAND.search(tex)]


def _bare_tex(tex: str) -> str:
    """The formula without blanks and without the braces that MediaWiki sets around it."""
    shown = _DISPLAYED.fullmatch(tex.strip())
    return "".join((shown[1] if shown else tex).split())


def _in_order(cells: Sequence[str], line: str) -> bool:
    at = 0
    for cell in cells:
        at = line.find(cell, at)
        if at < 0:
            return False
        at += len(cell)
    return True


def _begins(item: str, begins: Sequence[str]) -> bool:
    return any(begin.startswith(item[:_BEGINS_CHARS]) for begin in begins)


def _share(hits: Iterable[bool]) -> float | None:
    each = list(hits)
    return sum(each) / len(each) if each else None
