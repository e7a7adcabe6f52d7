"""How often a block's like comes in the page: on the same path, in elements named alike, with the same text."""

from typing import Final

import numpy as np
from numba import njit

from corpus.html import structure as s
from corpus.html import text as t
from corpus.html.layout import BLOCK_OF, PARENT, SHAPE
from corpus.html.lookup import FNV_OFFSET, FNV_PRIME, step
from corpus.html.shares import share

NAMES: Final = (
    "path_blocks path_chars path_link_share path_share shape_blocks shape_chars shape_link_share same_text"
).split()


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
def repeats(into, elements, places, held, blocks, text):  # type: ignore[no-untyped-def]
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
        into[2, b] = share(sums[path, 2], sums[path, 1])
        into[3, b] = share(sums[path, 1], held[0, s.CHARS])
        into[4, b] = sums[shape, 0]
        into[5, b] = sums[shape, 1] // sums[shape, 0]
        into[6, b] = share(sums[shape, 2], sums[shape, 1])
        into[7, b] = sums[same, 0]
