"""Tokens to elements and runs: which element every piece of text is in, and where blocks of text begin and end.

A tree is kept as an open-element stack, after the standard's rules for optional tags (13.1.2.4) and scopes (13.2.4.2),
without its repairs of misnested formatting and of text between a table's cells: those move no text. Text stays in the
page's order. Time is in proportion to the number of tokens times the nesting that is kept.

Kernels name a number by its row and column: a row as an array of its own costs as much as the rest of a step.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.html import tags
from corpus.html.lookup import FNV_OFFSET, step
from corpus.html.names import SEEDS, hides, words_of
from corpus.html.tags import BLOCK, CLOSES_LIKE, CLOSES_P, NUMBER, PROPERTIES, SCOPE, UNSEEN
from corpus.html.tokens import (
    BEGIN,
    CHARACTERS,
    CLOSE,
    EMPTY,
    END,
    FIRST,
    FROM,
    KIND,
    LAST,
    OPEN,
    TAG,
    TEXT,
    TO,
    WHICH,
    Tokens,
)

PARENT, ELEMENT, DEPTH, WORDS_FROM, WORDS_TO, FLAGS, SHAPE, BLOCK_OF, LINK_OF = range(9)
"""Columns of elements: parent, number of the name, depth, range of words, flags, a hash of name and classes, the
nearest block and the nearest link (themselves included; 0 where there is none). Element 0 is the page."""
IS_HIDDEN, IS_ARIA_HIDDEN, IS_UNSEEN, IS_PRE = 1, 2, 4, 8
"""Flags, each inherited."""
WHAT, SPAN_FROM, SPAN_TO, IN = range(4)
"""Columns of runs: what it is, its span in the page, its element."""
EDGE, RUN, VERBATIM, BREAK, MARK = range(5)
"""Runs: a block's border, text with character references, text without, a line break, a mark (which stands in
SPAN_FROM)."""
CODE_MARK, FORMULA_MARK = 1, 2
"""Marks around code and formulas in a line of text: control characters, which no text holds otherwise."""

MAX_DEPTH: Final = 512
"""Deeper elements are not opened, their text goes to the deepest that is: what Chrome does
(kMaximumHTMLParserDOMTreeDepth)."""
MAX_ELEMENTS: Final = 2**18
"""Then no further element is opened; the largest of 3,507 real pages has 9,473."""
MAX_WORDS: Final = 24
"""Words of one element's classes and names that count."""
MAX_VALUE: Final = 400
"""Bytes of one class attribute that are read."""

_A: Final = NUMBER["a"]
_ANNOTATION: Final = NUMBER["annotation"]
_BODY: Final = NUMBER["body"]
_BR: Final = NUMBER["br"]
_CODE: Final = NUMBER["code"]
_DD: Final = NUMBER["dd"]
_DL: Final = NUMBER["dl"]
_DT: Final = NUMBER["dt"]
_H1: Final = NUMBER["h1"]
_H6: Final = NUMBER["h6"]
_HEAD: Final = NUMBER["head"]
_HTML: Final = NUMBER["html"]
_LI: Final = NUMBER["li"]
_LISTING: Final = NUMBER["listing"]
_MATH: Final = NUMBER["math"]
_NOSCRIPT: Final = NUMBER["noscript"]
_OL: Final = NUMBER["ol"]
_OPTGROUP: Final = NUMBER["optgroup"]
_OPTION: Final = NUMBER["option"]
_P: Final = NUMBER["p"]
_PRE: Final = NUMBER["pre"]
_SELECT: Final = NUMBER["select"]
_TABLE: Final = NUMBER["table"]
_TBODY: Final = NUMBER["tbody"]
_TD: Final = NUMBER["td"]
_TFOOT: Final = NUMBER["tfoot"]
_TH: Final = NUMBER["th"]
_THEAD: Final = NUMBER["thead"]
_TR: Final = NUMBER["tr"]
_UL: Final = NUMBER["ul"]
_XMP: Final = NUMBER["xmp"]


@dataclass(frozen=True)
class Layout:
    """Elements, shape (n, 9), the hashes of their words, and runs, shape (m, 4), in the page's order."""

    elements: NDArray[np.int32]
    words: NDArray[np.uint32]
    runs: NDArray[np.int32]


def laid_out(page: NDArray[np.uint8], found: Tokens, properties: NDArray[np.uint8] = PROPERTIES) -> Layout:
    """Elements and runs of a page; `properties` says which elements are blocks and which are not seen."""
    tokens, attributes = found.tokens, found.attributes
    n_open = min(int(np.count_nonzero(tokens[:, KIND] == OPEN)) + 1, MAX_ELEMENTS)
    elements = np.empty((n_open, 9), np.int32)
    words = np.empty(n_open * MAX_WORDS, np.uint32)
    runs = np.empty((3 * len(tokens) + 1, 4), np.int32)
    n_elements, n_words, n_runs = _lay_out(page, tokens, attributes, properties, elements, words, runs)
    return Layout(elements[:n_elements], words[:n_words], runs[:n_runs])


@njit(cache=True, nogil=True, inline="always")
def _is_heading(tag):  # type: ignore[no-untyped-def]
    return _H1 <= tag <= _H6


@njit(cache=True, nogil=True)
def _stops(above, tag, properties):  # type: ignore[no-untyped-def]
    """Whether an end tag (or the start tag that implies it) looks for its element no further up than this one."""
    if tag == _LI:
        return above == _UL or above == _OL or (properties[above] & SCOPE) != 0
    if tag == _DD or tag == _DT:
        return above == _DL or (properties[above] & SCOPE) != 0
    if tag == _TD or tag == _TH:
        return above == _TABLE or above == _TR
    if tag == _TR or tag == _TBODY or tag == _THEAD or tag == _TFOOT or tag == _TABLE:
        return above == _TABLE
    if tag == _OPTION or tag == _OPTGROUP:
        return above == _SELECT or (properties[above] & SCOPE) != 0
    if properties[tag] & BLOCK or tag == _A:
        return (properties[above] & SCOPE) != 0
    return (properties[above] & (SCOPE | BLOCK)) != 0


@njit(cache=True, nogil=True)
def _alike(tag, other):  # type: ignore[no-untyped-def]
    """Whether the start tag of one ends the other."""
    if tag == other:
        return True
    if tag == _DD or tag == _DT:
        return other == _DD or other == _DT
    if tag == _TD or tag == _TH:
        return other == _TD or other == _TH
    if tag == _TBODY or tag == _THEAD or tag == _TFOOT:
        return other == _TBODY or other == _THEAD or other == _TFOOT
    return False


@njit(cache=True, nogil=True)
def _without(stack, n_open, elements, tag, properties, by_start):  # type: ignore[no-untyped-def]
    """How many elements stay open when the nearest one of this name is closed; all where none is in scope."""
    at = n_open - 1
    while at > 0:
        above = elements[stack[at], ELEMENT]
        if above == tag or (by_start and _alike(tag, above)):
            return at
        if _stops(above, tag, properties):
            return n_open
        at -= 1
    return n_open


@njit(cache=True, nogil=True)
def _without_p(stack, n_open, elements, properties):  # type: ignore[no-untyped-def]
    """How many elements stay open when a start tag ends the paragraph that is open."""
    at = n_open - 1
    while at > 0:
        above = elements[stack[at], ELEMENT]
        if above == _P:
            return at
        if properties[above] & BLOCK:
            return n_open
        at -= 1
    return n_open


@njit(cache=True, nogil=True)
def _left_open(stack, n_open, elements, tag, properties):  # type: ignore[no-untyped-def]
    """How many elements stay open when a start tag of this name comes."""
    if properties[tag] & CLOSES_P:
        n_open = _without_p(stack, n_open, elements, properties)
    if _is_heading(tag) and _is_heading(elements[stack[n_open - 1], ELEMENT]):
        n_open -= 1
    if properties[tag] & CLOSES_LIKE:
        n_open = _without(stack, n_open, elements, tag, properties, True)
    return n_open


@njit(cache=True, nogil=True)
def _formula(page, tokens, attributes, at, runs, n_runs, block):  # type: ignore[no-untyped-def]
    """TeX of a formula whose start tag is here: the number of runs, the token of its end tag, whether there is TeX.

    In <annotation encoding="application/x-tex"> (MathJax, KaTeX, Wikipedia) or math's alttext (LaTeXML).
    """
    end = at + 1
    tex = -1
    while end < tokens.shape[0] and not (tokens[end, KIND] == CLOSE and tokens[end, TAG] == _MATH):
        if tex < 0 and tokens[end, KIND] == OPEN and tokens[end, TAG] == _ANNOTATION:
            for k in range(tokens[end, FIRST], tokens[end, LAST]):
                if attributes[k, WHICH] == tags.ENCODING:
                    last = attributes[k, TO]
                    if last - attributes[k, FROM] >= 3 and page[last - 3] == 116 and page[last - 1] == 120:  # "t.x"
                        tex = end
        end += 1
    if end == tokens.shape[0]:
        return n_runs, end, False
    begin = last = 0
    if tex >= 0 and tokens[tex + 1, KIND] == TEXT:
        begin, last = tokens[tex + 1, BEGIN], tokens[tex + 1, END]
    else:
        for k in range(tokens[at, FIRST], tokens[at, LAST]):
            if attributes[k, WHICH] == tags.ALTTEXT:
                begin, last = attributes[k, FROM], attributes[k, TO]
    if begin == last:
        return n_runs, end, False
    n_runs = _run(runs, n_runs, MARK, FORMULA_MARK, 0, block)
    n_runs = _run(runs, n_runs, RUN, begin, last, block)
    n_runs = _run(runs, n_runs, MARK, FORMULA_MARK, 0, block)
    return n_runs, end, True


@njit(cache=True, nogil=True)
def _run(runs, n_runs, what, begin, end, element):  # type: ignore[no-untyped-def]
    runs[n_runs, WHAT] = what
    runs[n_runs, SPAN_FROM] = begin
    runs[n_runs, SPAN_TO] = end
    runs[n_runs, IN] = element
    return n_runs + 1


@njit(cache=True, nogil=True)
def _open(page, tokens, at, attributes, properties, elements, n_elements, parent, words, n_words):  # type: ignore[no-untyped-def]
    """Fills the row of an element that begins; gives the number of words there are now."""
    tag = tokens[at, TAG]
    flags = elements[parent, FLAGS]
    shape = step(FNV_OFFSET, tag)
    first = n_words
    for k in range(tokens[at, FIRST], tokens[at, LAST]):
        which, begin, end = attributes[k, WHICH], attributes[k, FROM], attributes[k, TO]
        if which <= tags.ROLE:
            end = min(end, begin + MAX_VALUE)
            n_words, value = words_of(page, begin, end, SEEDS[which], words, n_words, first + MAX_WORDS)
            if which == tags.CLASS:
                shape ^= value
        elif which == tags.HIDDEN:
            flags |= IS_HIDDEN
        elif which == tags.STYLE:
            if hides(page, begin, min(end, begin + MAX_VALUE)):
                flags |= IS_HIDDEN
        elif which == tags.ARIA_HIDDEN and end > begin and page[begin] | 32 == 116:  # "true"
            flags |= IS_ARIA_HIDDEN
    if properties[tag] & UNSEEN:
        flags |= IS_UNSEEN
    if tag == _PRE or tag == _LISTING or tag == _XMP:
        flags |= IS_PRE
    elements[n_elements, PARENT] = parent
    elements[n_elements, ELEMENT] = tag
    elements[n_elements, DEPTH] = elements[parent, DEPTH] + 1
    elements[n_elements, WORDS_FROM] = first
    elements[n_elements, WORDS_TO] = n_words
    elements[n_elements, FLAGS] = flags
    elements[n_elements, SHAPE] = np.int32(shape & np.uint32(0x7FFFFFFF))
    elements[n_elements, BLOCK_OF] = n_elements if properties[tag] & BLOCK else elements[parent, BLOCK_OF]
    elements[n_elements, LINK_OF] = n_elements if tag == _A else elements[parent, LINK_OF]
    return n_words


@njit(cache=True, nogil=True)
def _lay_out(page, tokens, attributes, properties, elements, words, runs):  # type: ignore[no-untyped-def]
    n_words = n_runs = 0
    n_elements = n_open = 1
    stack = np.zeros(MAX_DEPTH, np.int32)
    elements[0, :] = 0
    has_body = False
    looked_to = 0  # an end tag is looked for once, however many formulas begin before it
    drawn = -1  # where a formula is drawn that has been told as TeX
    at = -1
    while at + 1 < tokens.shape[0]:
        at += 1
        kind, tag = tokens[at, KIND], tokens[at, TAG]
        current = stack[n_open - 1]
        if kind == TEXT or kind == CHARACTERS:
            if elements[current, FLAGS] & IS_UNSEEN == 0 and tag != _NOSCRIPT:
                what = RUN if kind == TEXT else VERBATIM
                n_runs = _run(runs, n_runs, what, tokens[at, BEGIN], tokens[at, END], current)
            continue
        if tag == _BR:
            n_runs = _run(runs, n_runs, BREAK, 0, 0, current)
            continue
        if properties[tag] & BLOCK:
            n_runs = _run(runs, n_runs, EDGE, 0, 0, current)
        if kind == EMPTY or tag == _HEAD:
            continue
        if kind == CLOSE:
            if tag == _CODE and elements[current, ELEMENT] == _CODE:
                n_runs = _run(runs, n_runs, MARK, CODE_MARK, 0, current)
            if tag != _BODY and tag != _HTML:
                n_open = _without(stack, n_open, elements, tag, properties, False)
            continue
        if (tag == _HTML and n_open > 1) or (tag == _BODY and has_body):
            continue
        if tag == _MATH and at >= looked_to and elements[current, FLAGS] & IS_UNSEEN == 0:
            n_runs, looked_to, told = _formula(page, tokens, attributes, at, runs, n_runs, elements[current, BLOCK_OF])
            if told:
                drawn = elements[current, PARENT]
                at = looked_to
                continue
        has_body = has_body or tag == _BODY
        n_open = _left_open(stack, n_open, elements, tag, properties)
        if n_open == MAX_DEPTH or n_elements == elements.shape[0]:
            continue
        current = stack[n_open - 1]
        n_words = _open(page, tokens, at, attributes, properties, elements, n_elements, current, words, n_words)
        if current == drawn and elements[n_elements, FLAGS] & IS_ARIA_HIDDEN:
            elements[n_elements, FLAGS] |= IS_UNSEEN
        stack[n_open] = n_elements
        n_open += 1
        n_elements += 1
        if tag == _CODE:
            n_runs = _run(runs, n_runs, MARK, CODE_MARK, 0, current)
    return n_elements, n_words, _run(runs, n_runs, EDGE, 0, 0, 0)
