"""What each block is in the page's outline: heading, item of a list, cell of a table, code, quotation."""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.html import text as t
from corpus.html.layout import BLOCK_OF, ELEMENT, PARENT
from corpus.html.tags import NUMBER

HEADING, LISTS, ITEM, ORDERED, ROW, CELL, TABLE, PRE, QUOTES, ALONE = range(10)
"""Columns: level of the heading it is in (0: none); lists it is in, and the innermost item (an element) and whether it
is numbered; its table's row, its cell and its table; its `pre`; quotations it is in; whether it is its cell's only
block. Elements are 0 where there is none."""

_H1: Final = NUMBER["h1"]
_H6: Final = NUMBER["h6"]
_LI: Final = NUMBER["li"]
_DD: Final = NUMBER["dd"]
_DT: Final = NUMBER["dt"]
_OL: Final = NUMBER["ol"]
_UL: Final = NUMBER["ul"]
_DL: Final = NUMBER["dl"]
_TR: Final = NUMBER["tr"]
_TD: Final = NUMBER["td"]
_TH: Final = NUMBER["th"]
_TABLE: Final = NUMBER["table"]
_PRE: Final = NUMBER["pre"]
_LISTING: Final = NUMBER["listing"]
_XMP: Final = NUMBER["xmp"]
_QUOTE: Final = NUMBER["blockquote"]


@njit(cache=True, nogil=True)
def outline(elements: NDArray[np.int32], blocks: NDArray[np.int32]) -> NDArray[np.int32]:
    """Shape (blocks, 10)."""
    of_element = np.zeros((elements.shape[0], ALONE), np.int32)
    for e in range(1, elements.shape[0]):
        tag = elements[e, ELEMENT]
        for k in range(ALONE):
            of_element[e, k] = of_element[elements[e, PARENT], k]
        if _H1 <= tag <= _H6:
            of_element[e, HEADING] = tag - _H1 + 1
        elif tag == _UL or tag == _OL or tag == _DL:
            of_element[e, LISTS] += 1
            of_element[e, ORDERED] = tag == _OL
        elif tag == _LI or tag == _DD or tag == _DT:
            of_element[e, ITEM] = e
        elif tag == _TABLE:  # what is around a table says nothing of its cells
            of_element[e, :] = 0
            of_element[e, TABLE] = e
        elif tag == _TR:
            of_element[e, ROW] = e
        elif tag == _TD or tag == _TH:
            of_element[e, CELL] = e
        elif tag == _PRE or tag == _LISTING or tag == _XMP:
            of_element[e, PRE] = e
        elif tag == _QUOTE:
            of_element[e, QUOTES] += 1
    in_cell = np.zeros(elements.shape[0], np.int32)
    made = np.empty((blocks.shape[0], ALONE + 1), np.int32)
    for b in range(blocks.shape[0]):
        e = elements[blocks[b, t.ELEMENT], BLOCK_OF]
        for k in range(ALONE):
            made[b, k] = of_element[e, k]
        in_cell[made[b, CELL]] += 1
    for b in range(blocks.shape[0]):
        made[b, ALONE] = made[b, CELL] > 0 and in_cell[made[b, CELL]] == 1
    return made
