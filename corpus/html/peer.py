"""A second look at each block, for tier `best`: what the trees of `fast` think, and what trafilatura takes.

A word of the page is found where one of the five words in a row that it is part of stand in trafilatura's text. Such
runs go on from block to block, so that a short block counts beside what was taken and not wherever its words happen to
be. Everything is whole numbers; shares are in 1/1024. Work is trafilatura's and that of sorting the words.
"""

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.html import text as t
from corpus.html.choose import chosen
from corpus.html.headings import NEVER
from corpus.html.layout import BLOCK_OF, PARENT, SHAPE, Layout
from corpus.html.lookup import FNV_OFFSET, step
from corpus.html.shares import fitted
from corpus.html.structure import LONG_BLOCK
from corpus.html.text import Blocks

NAMES: Final = (
    *("odds", "before_odds", "after_odds", "peer_overlap"),
    *("agreed", "parent_agreed", "parent2_agreed", "before_agreed", "after_agreed", "shape_agreed"),
    *("since_agreed", "until_agreed", "agreed_before_share", "long_agreed", "peer_share", "peer_found"),
)
"""Log-odds of the block and of those beside it; F1 of what `fast` and trafilatura take. Then shares of words that are
found: of the block, what is in its parent and grandparent, the blocks before and after it, all blocks whose elements
are named alike; blocks since and until one that is found; the share of all found words that stand before the block; and
of the page: the share of its prose that is found, how much of the page trafilatura's text is, and how much of that text
the page has. Plain sizes of the page are left out: with them the trees do worse on sets that they were not taught."""
RUN: Final = 5
"""Words in a row: as many as a shingle of near-duplicate detection has (corpus.text.minhash)."""
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
"""Knuth's, for hashes of runs (The Art of Computer Programming, 6.4)."""


def second_look(
    layout: Layout, found: Blocks, odds: NDArray[np.int32], probability: NDArray[np.int32], peer: str
) -> NDArray[np.int16]:
    """Shape (features, blocks): the numbers that NAMES names, a row each.

    `odds` are those of the trees of `fast`, `probability` the same in 1/65536; `peer` is what `peer_text` gives.
    """
    words = found.blocks[:, t.WORDS]
    agreed = _agreement(layout, found, peer)
    ours, theirs = chosen(probability, words), agreed[0] > 512
    overlap = _shares(2 * words[ours & theirs].sum(), words[ours].sum() + words[theirs].sum())
    rows = (odds, *_beside(odds), overlap, *agreed)
    made: NDArray[np.int16] = fitted(np.stack([np.broadcast_to(row, len(words)) for row in rows]))
    return made


def _agreement(layout: Layout, found: Blocks, peer: str) -> tuple[NDArray[np.int64], ...]:
    """The features from `agreed` on."""
    elements, blocks = layout.elements, found.blocks
    hashes, places = _words(found.text)
    of_peer, _ = _words(np.frombuffer(peer.encode("utf-8", "replace"), np.uint8))
    ends = np.searchsorted(places, blocks[:, [t.BEGIN, t.END]])
    lengths = ends[:, 1] - ends[:, 0]
    before = np.concatenate([[0], np.cumsum(_in_runs(hashes, of_peer))])[ends]
    hits = before[:, 1] - before[:, 0]
    own = elements[blocks[:, t.ELEMENT], BLOCK_OF]
    parents = elements[own, PARENT]
    alike = np.unique(elements[own, SHAPE].astype(np.int64) << 32 | elements[parents, SHAPE], return_inverse=True)[1]
    in_subtree = _shares(*_subtrees(elements, own, np.stack([hits, lengths])))
    is_prose = (blocks[:, t.CHARS] >= LONG_BLOCK) & (3 * blocks[:, t.LINK_CHARS] < blocks[:, t.CHARS])
    is_found = 2 * hits > lengths
    shares = _shares(hits, lengths)
    return (
        shares,
        in_subtree[parents],
        in_subtree[elements[parents, PARENT]],
        *_beside(shares),
        _shares(np.bincount(alike, hits)[alike], np.bincount(alike, lengths)[alike]),
        _since(is_found),
        _since(is_found[::-1])[::-1],
        _shares(before[:, 0], hits.sum()),
        _shares((hits * is_prose).sum(), (lengths * is_prose).sum()),
        _shares(len(of_peer), lengths.sum()),
        _shares(hits.sum(), len(of_peer)),
    )


def _beside(row: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """What the blocks before and after each have; 0 at the page's ends."""
    padded = np.concatenate([[0], row, [0]])
    return padded[:-2], padded[2:]


def _shares(part: Any, whole: Any) -> NDArray[np.int64]:
    return 1024 * np.asarray(part, np.int64) // (np.asarray(whole, np.int64) + 1)


def _in_runs(words: NDArray[np.uint32], others: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Which words are in a run of RUN words that stands among the others too."""
    runs = np.isin(_runs(words), _runs(others))
    found = np.zeros(len(words), np.bool_)
    for place in range(RUN):
        found[place : place + len(runs)] |= runs
    return found


def _runs(words: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """A hash of each run of RUN words, of 64 bits."""
    n = max(len(words) - RUN + 1, 0)
    made = np.zeros(n, np.uint64)
    for place in range(RUN):
        made = made * _MULTIPLIER + words[place : place + n]
    return made


def _since(is_found: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Blocks since the last that is found, itself included; NEVER before the first."""
    places = np.arange(len(is_found))
    last = np.maximum.accumulate(np.where(is_found, places, -1))
    return np.where(last >= 0, places - last, NEVER)


def _words(text: NDArray[np.uint8]) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """A hash of each word of a text in UTF-8, and where it begins."""
    hashes, places = np.empty(len(text) + 1, np.uint32), np.empty(len(text) + 1, np.int32)
    n = _cut(text, hashes, places)
    return hashes[:n], places[:n]


@njit(cache=True, nogil=True)
def _cut(text, hashes, places):  # type: ignore[no-untyped-def]
    """Letters and digits in lower case are words together; every character of U+3000 to U+9FFF is a word by itself."""
    n = at = 0
    is_in_word = False
    while at < text.shape[0]:
        byte = text[at]
        length = 3 if 0xE3 <= byte <= 0xE9 else 1
        if length == 3 or not (97 <= (byte | 32) <= 122 or 48 <= byte <= 57 or byte >= 128):
            n += is_in_word
            is_in_word = False
        if length == 3 or 97 <= (byte | 32) <= 122 or 48 <= byte <= 57 or byte >= 128:
            if not is_in_word:
                hashes[n] = FNV_OFFSET
                places[n] = at
            is_in_word = length == 1
            for k in range(at, min(at + length, text.shape[0])):
                hashes[n] = step(hashes[n], text[k] | 32 if text[k] < 128 else text[k])
            n += length == 3
        at += length
    return n + is_in_word


@njit(cache=True, nogil=True)
def _subtrees(elements, own, of_blocks):  # type: ignore[no-untyped-def]
    """What the blocks of each element's subtree have together; shape (2, elements)."""
    sums = np.zeros((2, elements.shape[0]), np.int64)
    for b in range(own.shape[0]):
        sums[:, own[b]] += of_blocks[:, b]
    for e in range(elements.shape[0] - 1, 0, -1):
        sums[:, elements[e, PARENT]] += sums[:, e]
    return sums
