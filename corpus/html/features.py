"""What the model is asked about each block: whole numbers, named, and the same on every machine.

Shares are in 1/1024. Each family is one kernel and its names; a new one is a line in FAMILIES and one in `_ask`.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.html import structure as s
from corpus.html import text as t
from corpus.html.headings import NAMES as HEADING_NAMES
from corpus.html.headings import headings, title_words
from corpus.html.layout import BLOCK_OF, DEPTH, ELEMENT, FLAGS, PARENT, Layout
from corpus.html.repeats import NAMES as REPEAT_NAMES
from corpus.html.repeats import repeats
from corpus.html.shares import fitted, share
from corpus.html.text import Blocks

KINDS_OF_PAGES: Final = ("article", "forum", "product", "listing", "service", "documentation")


_OWN_NAMES = (
    "chars words chars_a_word link_share links mark_share commas digit_share capital_share non_ascii_share "
    "breaks ends_as begins_as"
).split()
_PLACE_NAMES = (
    "tag block_tag depth own block_own parent_own parent2_own parent3_own path_sum path_least path_most flags"
).split()
_CONTAINER_NAMES = [
    f"parent{n}_{what}"
    for n in range(1, 5)
    for what in ("chars", "link_share", "long_share", "chars_a_block", "blocks")
]
_POSITION_NAMES = (
    "index index_share chars_before chars_before_share long_before_share up_to_candidate candidate_below "
    "up_to_container container_below since_comments"
).split()
_PAGE_NAMES = [
    *(
        "page_chars page_link_share page_blocks page_paragraph_share page_long_blocks page_long_share page_h1 "
        "page_articles page_mains page_items candidate_share comments_share product_share"
    ).split(),
    *(f"page_is_{kind}" for kind in KINDS_OF_PAGES),
]
_NEIGHBOUR_NAMES = [
    f"{where}_{what}"
    for where in ("before", "after", "before2", "after2")
    for what in ("chars", "link_share", "path_sum", "ends_as", "tag")
]


@njit(cache=True, nogil=True)
def _begins_as(byte):  # type: ignore[no-untyped-def]
    """1 capital, 2 small letter, 3 digit, 4 beyond ASCII, 0 anything else."""
    if 65 <= byte <= 90:
        return 1
    if 97 <= byte <= 122:
        return 2
    if 48 <= byte <= 57:
        return 3
    return 4 if byte >= 128 else 0


@njit(cache=True, nogil=True)
def _own(into, blocks, text):  # type: ignore[no-untyped-def]
    for b in range(blocks.shape[0]):
        chars, words, last = blocks[b, t.CHARS], blocks[b, t.WORDS], blocks[b, t.LAST]
        into[0, b] = chars
        into[1, b] = words
        into[2, b] = 16 * chars // (words + 1)
        into[3, b] = share(blocks[b, t.LINK_CHARS], chars)
        into[4, b] = blocks[b, t.LINKS]
        into[5, b] = share(blocks[b, t.MARKS], chars)
        into[6, b] = blocks[b, t.COMMAS]
        into[7, b] = share(blocks[b, t.DIGITS], chars)
        into[8, b] = share(blocks[b, t.CAPITALS], chars)
        into[9, b] = share(blocks[b, t.NON_ASCII], chars)
        into[10, b] = blocks[b, t.BREAKS]
        into[11, b] = 1 if last == 46 or last == 33 or last == 63 else (2 if last == 58 else 0)
        into[12, b] = _begins_as(text[blocks[b, t.BEGIN]])


@njit(cache=True, nogil=True)
def _place(into, elements, places, blocks):  # type: ignore[no-untyped-def]
    for b in range(blocks.shape[0]):
        e = blocks[b, t.ELEMENT]
        block = elements[e, BLOCK_OF]
        into[0, b] = elements[e, ELEMENT]
        into[1, b] = elements[block, ELEMENT]
        into[2, b] = elements[e, DEPTH]
        into[3, b] = places[e, s.OWN]
        into[4, b] = places[block, s.OWN]
        for k in range(5, 8):
            block = elements[block, PARENT]
            into[k, b] = places[block, s.OWN]
        into[8, b] = places[e, s.PATH_SUM]
        into[9, b] = places[e, s.PATH_LEAST]
        into[10, b] = places[e, s.PATH_MOST]
        into[11, b] = elements[e, FLAGS]


@njit(cache=True, nogil=True)
def _bits(into, places, blocks, column):  # type: ignore[no-untyped-def]
    """Whether the kinds that this column has are among a block's ancestors."""
    for b in range(blocks.shape[0]):
        bits = places[blocks[b, t.ELEMENT], column]
        for k in range(into.shape[0]):
            into[k, b] = bits >> k & 1


@njit(cache=True, nogil=True)
def _containers(into, elements, held, blocks):  # type: ignore[no-untyped-def]
    for b in range(blocks.shape[0]):
        e = elements[blocks[b, t.ELEMENT], BLOCK_OF]
        for k in range(0, into.shape[0], 5):
            e = elements[e, PARENT]
            into[k, b] = held[e, s.CHARS]
            into[k + 1, b] = share(held[e, s.LINK_CHARS], held[e, s.CHARS])
            into[k + 2, b] = share(held[e, s.LONG_CHARS], held[0, s.LONG_CHARS])
            into[k + 3, b] = held[e, s.CHARS] // (held[e, s.N_BLOCKS] + 1)
            into[k + 4, b] = held[e, s.N_BLOCKS]


@njit(cache=True, nogil=True)
def _up(elements, e, among):  # type: ignore[no-untyped-def]
    """How many elements up the first is that is among these, and which."""
    steps = 0
    while not among[e]:
        e = elements[e, PARENT]
        steps += 1
    return steps, e


@njit(cache=True, nogil=True)
def _position(into, elements, places, held, blocks, candidate):  # type: ignore[no-untyped-def]
    container = s.container(elements, held)
    above_candidate, above_container = s.ancestors(elements, candidate), s.ancestors(elements, container)
    before = long_before = 0
    comments = -1
    for b in range(blocks.shape[0]):
        e, chars = blocks[b, t.ELEMENT], blocks[b, t.CHARS]
        into[0, b] = b
        into[1, b] = share(b, blocks.shape[0])
        into[2, b] = before
        into[3, b] = share(before, held[0, s.CHARS])
        into[4, b] = share(long_before, held[0, s.LONG_CHARS])
        steps, at = _up(elements, e, above_candidate)
        into[5, b] = steps
        into[6, b] = elements[candidate, DEPTH] - elements[at, DEPTH]
        steps, at = _up(elements, e, above_container)
        into[7, b] = steps
        into[8, b] = elements[container, DEPTH] - elements[at, DEPTH]
        if comments < 0 and places[e, s.WORD_BITS] & s.COMMENTS:
            comments = b
        into[9, b] = b - comments if comments >= 0 else -1
        before += chars
        if chars >= s.LONG_BLOCK and blocks[b, t.LINK_CHARS] * 3 < chars:
            long_before += chars


@njit(cache=True, nogil=True)
def _page(into, elements, places, held, blocks, candidate, kinds):  # type: ignore[no-untyped-def]
    paragraphs = n_long = comments = product = h1 = articles = mains = items = 0
    for b in range(blocks.shape[0]):
        e, chars, links = blocks[b, t.ELEMENT], blocks[b, t.CHARS], blocks[b, t.LINK_CHARS]
        paragraphs += chars if places[e, s.TAG_BITS] & s.PARAGRAPH else 0
        n_long += chars >= s.LONG_BLOCK and links * 3 < chars
        if links * 2 < chars:
            comments += chars if places[e, s.WORD_BITS] & s.COMMENTS else 0
            product += chars if places[e, s.WORD_BITS] & s.PRODUCT else 0
    for e in range(elements.shape[0]):
        bits = places[e, s.OWN_TAG_BITS]
        h1 += bits & s.H1 != 0
        articles += bits & s.ARTICLE != 0
        mains += bits & s.MAIN != 0
        items += bits & s.ITEM != 0
    chars = held[0, s.CHARS]
    into[0, :] = chars
    into[1, :] = share(held[0, s.LINK_CHARS], chars)
    into[2, :] = blocks.shape[0]
    into[3, :] = share(paragraphs, chars)
    into[4, :] = n_long
    into[5, :] = share(held[0, s.LONG_CHARS], chars)
    into[6, :] = h1
    into[7, :] = articles
    into[8, :] = mains
    into[9, :] = items
    into[10, :] = share(held[candidate, s.CHARS], chars)
    into[11, :] = share(comments, chars)
    into[12, :] = share(product, chars)
    for k in range(kinds.shape[0]):
        into[13 + k, :] = kinds[k]


@njit(cache=True, nogil=True)
def _neighbours(into, elements, places, blocks):  # type: ignore[no-untyped-def]
    n = blocks.shape[0]
    for b in range(n):
        for k in range(4):
            there = b + (-1 if k == 0 else 1 if k == 1 else -2 if k == 2 else 2)
            if 0 <= there < n:
                last = blocks[there, t.LAST]
                into[5 * k, b] = blocks[there, t.CHARS]
                into[5 * k + 1, b] = share(blocks[there, t.LINK_CHARS], blocks[there, t.CHARS])
                into[5 * k + 2, b] = places[blocks[there, t.ELEMENT], s.PATH_SUM]
                into[5 * k + 3, b] = 1 if last == 46 or last == 33 or last == 63 else (2 if last == 58 else 0)
                into[5 * k + 4, b] = elements[elements[blocks[there, t.ELEMENT], BLOCK_OF], ELEMENT]
            else:
                into[5 * k : 5 * k + 5, b] = -1


FAMILIES: Final = (
    _OWN_NAMES,
    _PLACE_NAMES,
    [f"in_{kind}" for kind in s.TAG_KINDS],
    [f"in_{kind}_words" for kind in s.WORD_KINDS],
    _CONTAINER_NAMES,
    _POSITION_NAMES,
    REPEAT_NAMES,
    HEADING_NAMES,
    _PAGE_NAMES,
    _NEIGHBOUR_NAMES,
)
NAMES: Final = tuple(name for names in FAMILIES for name in names)
_ENDS: Final = tuple(np.cumsum([len(names) for names in FAMILIES]).tolist())


def features_of(
    layout: Layout,
    found: Blocks,
    title: NDArray[np.uint8],
    scores: NDArray[np.int16],
    kinds: NDArray[np.int16],
) -> NDArray[np.int16]:
    """Shape (features, blocks): the numbers that NAMES names, a row each; what 16 bits do not hold is the last that
    they do.

    `scores` has one for each hash of a word of the ancestors' names, `kinds` the weights of such words for each kind of
    page (see `corpus.html.model`).
    """
    made: NDArray[np.int16] = _ask(layout.elements, layout.words, found.blocks, found.text, title, scores, kinds)
    return made


@njit(cache=True, nogil=True)
def _ask(elements, words, blocks, text, title, scores, kind_weights):  # type: ignore[no-untyped-def]
    places = s.places(elements, words, scores, s.TAG_WORDS, s.TAG_KIND_OF, s.WORD_KIND_OF)
    held = s.holdings(elements, blocks)
    kinds = s.page_kinds(words, kind_weights)
    candidate = s.best_candidate(held)
    titled = title_words(title)
    made = np.empty((_ENDS[-1], blocks.shape[0]), np.int32)
    _own(made[: _ENDS[0]], blocks, text)
    _place(made[_ENDS[0] : _ENDS[1]], elements, places, blocks)
    _bits(made[_ENDS[1] : _ENDS[2]], places, blocks, s.TAG_BITS)
    _bits(made[_ENDS[2] : _ENDS[3]], places, blocks, s.WORD_BITS)
    _containers(made[_ENDS[3] : _ENDS[4]], elements, held, blocks)
    _position(made[_ENDS[4] : _ENDS[5]], elements, places, held, blocks, candidate)
    repeats(made[_ENDS[5] : _ENDS[6]], elements, places, held, blocks, text)
    headings(made[_ENDS[6] : _ENDS[7]], places, blocks, text, titled)
    _page(made[_ENDS[7] : _ENDS[8]], elements, places, held, blocks, candidate, kinds)
    _neighbours(made[_ENDS[8] : _ENDS[9]], elements, places, blocks)
    return fitted(made)
