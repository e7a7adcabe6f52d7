"""What the model is asked about each block: whole numbers, named, and the same on every machine.

Shares are in 1/1024. Each family is one kernel and its names; a new one is a line in FAMILIES and one in `_ask`.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.html import structure as s
from corpus.html import text as t
from corpus.html.layout import BLOCK_OF, DEPTH, ELEMENT, FLAGS, PARENT, SHAPE, Layout
from corpus.html.lookup import FNV_OFFSET, FNV_PRIME, step
from corpus.html.text import Blocks

KINDS_OF_PAGES: Final = ("article", "forum", "product", "listing", "service", "documentation")
NEVER: Final = 999
"""Blocks since something that has not come yet."""
MAX_TITLE_WORDS: Final = 64
MAX_HEADING: Final = 220
"""Characters of a block that may repeat the title."""

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
_REPEAT_NAMES = (
    "path_blocks path_chars path_link_share path_share shape_blocks shape_chars shape_link_share same_text"
).split()
_HEADING_NAMES = ("since_heading heading_level since_h1 chars_since_heading share_in_title share_of_title").split()
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


@njit(cache=True, nogil=True, inline="always")
def _share(part, whole):  # type: ignore[no-untyped-def]
    """Exact: a quotient of whole numbers under 2^53 is never rounded up to a whole number (IEEE 754); and quicker."""
    return np.int32(1024.0 * part / (whole + 1.0))


@njit(cache=True, nogil=True)
def fitted(numbers):  # type: ignore[no-untyped-def]
    """The numbers in 16 bits, in which trees compare twice as many at once; those beyond are the last within."""
    made = np.empty(numbers.shape, np.int16)
    for k in range(numbers.shape[0]):
        for b in range(numbers.shape[1]):
            made[k, b] = min(max(numbers[k, b], -32_768), 32_767)
    return made


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
        into[3, b] = _share(blocks[b, t.LINK_CHARS], chars)
        into[4, b] = blocks[b, t.LINKS]
        into[5, b] = _share(blocks[b, t.MARKS], chars)
        into[6, b] = blocks[b, t.COMMAS]
        into[7, b] = _share(blocks[b, t.DIGITS], chars)
        into[8, b] = _share(blocks[b, t.CAPITALS], chars)
        into[9, b] = _share(blocks[b, t.NON_ASCII], chars)
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
            into[k + 1, b] = _share(held[e, s.LINK_CHARS], held[e, s.CHARS])
            into[k + 2, b] = _share(held[e, s.LONG_CHARS], held[0, s.LONG_CHARS])
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
        into[1, b] = _share(b, blocks.shape[0])
        into[2, b] = before
        into[3, b] = _share(before, held[0, s.CHARS])
        into[4, b] = _share(long_before, held[0, s.LONG_CHARS])
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
def _slot(keys, key):  # type: ignore[no-untyped-def]
    """Where a key stands in an open hash table, or shall."""
    key = np.uint32(key)  # shifts of 32 bits are of 64 in numba
    mask = np.uint32(keys.shape[0] - 1)
    place = (key * np.uint32(2654435761)) >> np.uint32(8) & mask
    while keys[place] != 0 and keys[place] != key:
        place = (place + np.uint32(1)) & mask
    keys[place] = key
    return place


@njit(cache=True, nogil=True)
def _text_hash(text, begin, end):  # type: ignore[no-untyped-def]
    """FNV-1a's step on four bytes at once, and a shift that mixes its upper half into the lower one."""
    value = FNV_OFFSET
    at = begin
    while at + 4 <= end:
        four = text[at] | np.uint32(text[at + 1]) << 8 | np.uint32(text[at + 2]) << 16 | np.uint32(text[at + 3]) << 24
        value = np.uint32((value ^ np.uint32(four)) * FNV_PRIME)
        value ^= value >> np.uint32(15)
        at += 4
    while at < end:
        value = step(value, text[at])
        at += 1
    return value


@njit(cache=True, nogil=True)
def _repeats(into, elements, places, held, blocks, text):  # type: ignore[no-untyped-def]
    size = 16
    while size < 6 * blocks.shape[0]:
        size *= 2
    keys = np.zeros(size, np.uint32)
    sums = np.zeros((size, 3), np.int32)
    slots = np.empty((3, blocks.shape[0]), np.uint32)
    for b in range(blocks.shape[0]):
        block = elements[blocks[b, t.ELEMENT], BLOCK_OF]
        value = _text_hash(text, blocks[b, t.BEGIN], blocks[b, t.END])
        shape = np.uint32(elements[block, SHAPE]) * np.uint32(31) + np.uint32(elements[elements[block, PARENT], SHAPE])
        slots[0, b] = _slot(keys, np.uint32(places[block, s.PATH]) << np.uint32(2) | np.uint32(1))
        slots[1, b] = _slot(keys, shape << np.uint32(2) | np.uint32(2))
        slots[2, b] = _slot(keys, value << np.uint32(2) | np.uint32(3))
        for kind in range(3):
            sums[slots[kind, b], 0] += 1
            sums[slots[kind, b], 1] += blocks[b, t.CHARS]
            sums[slots[kind, b], 2] += blocks[b, t.LINK_CHARS]
    for b in range(blocks.shape[0]):
        path, shape, same = slots[0, b], slots[1, b], slots[2, b]
        into[0, b] = sums[path, 0]
        into[1, b] = sums[path, 1] // sums[path, 0]
        into[2, b] = _share(sums[path, 2], sums[path, 1])
        into[3, b] = _share(sums[path, 1], held[0, s.CHARS])
        into[4, b] = sums[shape, 0]
        into[5, b] = sums[shape, 1] // sums[shape, 0]
        into[6, b] = _share(sums[shape, 2], sums[shape, 1])
        into[7, b] = sums[same, 0]


@njit(cache=True, nogil=True)
def _next_word(text, at, end):  # type: ignore[no-untyped-def]
    """The hash of the next word in lower case, and where it ends; 0 where none is left."""
    value = FNV_OFFSET
    begun = False
    while at < end:
        byte = text[at]
        if 97 <= (byte | 32) <= 122 or 48 <= byte <= 57 or byte >= 128:
            value = step(value, byte | 32 if byte < 128 else byte)
            begun = True
        elif begun:
            return value, at
        at += 1
    return (value if begun else np.uint32(0)), at


@njit(cache=True, nogil=True)
def _title_words(title):  # type: ignore[no-untyped-def]
    found = np.empty(MAX_TITLE_WORDS, np.uint32)
    n, at = 0, 0
    while n < MAX_TITLE_WORDS:
        word, at = _next_word(title, at, title.shape[0])
        if word == 0:
            break
        found[n] = word
        n += 1
    return found[:n]


@njit(cache=True, nogil=True)
def _headings(into, places, blocks, text, title):  # type: ignore[no-untyped-def]
    heading = h1 = -1
    level = since = 0
    for b in range(blocks.shape[0]):
        bits, chars = places[blocks[b, t.ELEMENT], s.TAG_BITS], blocks[b, t.CHARS]
        into[0, b] = b - heading if heading >= 0 else NEVER
        into[1, b] = level
        into[2, b] = b - h1 if h1 >= 0 else -1
        into[3, b] = since
        in_title = of_title = -1
        if title.shape[0] and chars < MAX_HEADING:
            n_words = n_found = 0
            at = blocks[b, t.BEGIN]
            while True:
                word, at = _next_word(text, at, blocks[b, t.END])
                if word == 0:
                    break
                n_words += 1
                for k in range(title.shape[0]):
                    if title[k] == word:
                        n_found += 1
                        break
            in_title, of_title = _share(n_found, n_words), _share(n_found, title.shape[0])
        into[4, b] = in_title
        into[5, b] = of_title
        if bits & s.HEADINGS:
            heading, since = b, 0
            level = 1 if bits & s.H1 else (2 if bits & s.H2_H3 else 3)
            if level == 1 and (h1 < 0 or in_title > 512):
                h1 = b
        else:
            since += chars


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
    into[1, :] = _share(held[0, s.LINK_CHARS], chars)
    into[2, :] = blocks.shape[0]
    into[3, :] = _share(paragraphs, chars)
    into[4, :] = n_long
    into[5, :] = _share(held[0, s.LONG_CHARS], chars)
    into[6, :] = h1
    into[7, :] = articles
    into[8, :] = mains
    into[9, :] = items
    into[10, :] = _share(held[candidate, s.CHARS], chars)
    into[11, :] = _share(comments, chars)
    into[12, :] = _share(product, chars)
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
                into[5 * k + 1, b] = _share(blocks[there, t.LINK_CHARS], blocks[there, t.CHARS])
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
    _REPEAT_NAMES,
    _HEADING_NAMES,
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
    titled = _title_words(title)
    made = np.empty((_ENDS[-1], blocks.shape[0]), np.int32)
    _own(made[: _ENDS[0]], blocks, text)
    _place(made[_ENDS[0] : _ENDS[1]], elements, places, blocks)
    _bits(made[_ENDS[1] : _ENDS[2]], places, blocks, s.TAG_BITS)
    _bits(made[_ENDS[2] : _ENDS[3]], places, blocks, s.WORD_BITS)
    _containers(made[_ENDS[3] : _ENDS[4]], elements, held, blocks)
    _position(made[_ENDS[4] : _ENDS[5]], elements, places, held, blocks, candidate)
    _repeats(made[_ENDS[5] : _ENDS[6]], elements, places, held, blocks, text)
    _headings(made[_ENDS[6] : _ENDS[7]], places, blocks, text, titled)
    _page(made[_ENDS[7] : _ENDS[8]], elements, places, held, blocks, candidate, kinds)
    _neighbours(made[_ENDS[8] : _ENDS[9]], elements, places, blocks)
    return fitted(made)
