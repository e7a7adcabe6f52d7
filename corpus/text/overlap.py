"""How much of an evaluation item stands in training texts: the share of its words that lie in n-grams found there.

A word is what `corpus.text.shingles` takes for one: case is folded in ASCII, and punctuation separates. An n-gram has
13 words, and an item of 8 to 12 words is one n-gram of its own length; the bounds are GPT-3's (Brown et al. 2020,
appendix C), which takes one length a task where we take one an item. Fewer than 8 words are too common to tell
anything. Counting the words covered, where GPT-3 calls an item dirty for one n-gram, is Llama 2's way (Touvron et al.
2023, appendix A.6).

What was found is one flag an n-gram, so that memory goes by the items and not by the training texts, and the findings
of several corpora or processes are joined by `|`. N-grams are compared by 64-bit hashes: of E distinct ones, with L
different lengths, T words of training text are expected to hit T * E * L / 2^64 that they do not hold: .003 for ten
billion words, a million n-grams and all six lengths.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from corpus.text.shingles import Hashes, shingles

MAX_WORDS, MIN_WORDS = 13, 8
"""Words of an n-gram, at most and at least."""
CLEAN_BELOW = 0.2
"""Llama 2's bound: an item is clean when less than a fifth of it is covered."""

Flags = NDArray[np.bool_]
Places = NDArray[np.int64]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd: Knuth's multiplier
_SLOTS = 32  # an opening, for two probes each: at most 1 place in 250 of other texts passes both, and is searched for


@dataclass(frozen=True, kw_only=True, eq=False)
class Grams:
    """The n-grams of N items: G in the order of the items, H distinct ones. Memory: up to 80 bytes an n-gram."""

    n_words_N: Places
    number_G: Places  # which of the distinct ones it is
    hashes_H: Hashes  # ascending
    lengths: tuple[int, ...]  # in words, that occur
    openings: Flags  # whether an n-gram may begin with 8 words whose hash has this slot

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Grams":
        """The n-grams of these items, a text an item."""
        encoded = [text.encode() for text in texts]
        data = np.frombuffer(b"".join(encoded), np.uint8)
        places, words = shingles([0, *accumulate(map(len, encoded))], data, 1)
        n_words = np.diff(places)
        first, length = _runs(n_words)
        lengths = tuple(np.unique(length).tolist())
        hashes = np.empty(first.size, np.uint64)
        for n in lengths:
            hashes[length == n] = _hashes(words, n, first[length == n])
        distinct, number = np.unique(hashes, return_inverse=True)
        openings = np.zeros(1 << (_SLOTS * distinct.size).bit_length(), np.bool_)
        for probe in (0, 1):
            openings[_slots(_hashes(words, MIN_WORDS, first), probe, openings.size)] = True
        return cls(n_words_N=n_words, number_G=number, hashes_H=distinct, lengths=lengths, openings=openings)

    @property
    def too_short(self) -> Flags:
        """The items of which nothing can be told."""
        return self.n_words_N < MIN_WORDS

    def found_in(self, offsets: ArrayLike, data: ArrayLike) -> Flags:
        """One flag a distinct n-gram: whether it occurs in one of these texts; none spans two of them.

        Texts as in `shingles`, best some MB at a time. Memory: some 20 bytes a byte of text at most.
        """
        places, words = shingles(offsets, data, 1)
        openings = _hashes(words, MIN_WORDS, np.arange(words.size - MIN_WORDS + 1))
        first = np.arange(openings.size)
        for probe in (0, 1):
            first = first[self.openings[_slots(openings[first], probe, self.openings.size)]]
        ends = places[np.searchsorted(places, first, side="right")]
        found = np.zeros(self.hashes_H.size, np.bool_)
        for n in self.lengths:
            hashes = _hashes(words, n, first[first + n <= ends])
            numbers = np.minimum(np.searchsorted(self.hashes_H, hashes), found.size - 1)
            found[numbers[self.hashes_H[numbers] == hashes]] = True
        return found

    def covered(self, found: Flags) -> NDArray[np.float64]:
        """The share of each item's words that lie in a found n-gram; nan for an item that is too short."""
        first, length = (places[found[self.number_G]] for places in _runs(self.n_words_N))
        ends = np.cumsum(self.n_words_N)
        n_words = int(self.n_words_N.sum())
        depth = np.cumsum(
            np.bincount(first, minlength=n_words + 1) - np.bincount(first + length, minlength=n_words + 1)
        )
        n_covered = np.concatenate([[0], np.cumsum(depth > 0)])
        shares = (n_covered[ends] - n_covered[ends - self.n_words_N]) / np.maximum(self.n_words_N, 1)
        return np.where(self.too_short, np.nan, shares)


def _runs(n_words_N: Places) -> tuple[Places, Places]:
    """The first word, counted over all items, and the length of each n-gram.

    Items of 14, 3 and 9 words  ->  [0, 1, 17], [13, 13, 9]
    """
    lengths = np.minimum(n_words_N, MAX_WORDS)
    counts = np.where(n_words_N < MIN_WORDS, 0, n_words_N - lengths + 1)
    skipped = np.cumsum(n_words_N) - n_words_N - (np.cumsum(counts) - counts)
    return np.arange(counts.sum()) + np.repeat(skipped, counts), np.repeat(lengths, counts)


def _slots(hashes: Hashes, probe: int, n_slots: int) -> Hashes:
    """The top bits of the hashes, or of other hashes made of them: two probes of a Bloom filter."""
    return (hashes * _FACTOR if probe else hashes) >> np.uint64(65 - n_slots.bit_length())


@njit(cache=True, nogil=True)
def _hashes(words: Hashes, n: int, first: Places) -> Hashes:
    """The hash of the n words from each of these on."""
    values = np.zeros(first.size, np.uint64)
    for at in range(first.size):
        for i in range(first[at], first[at] + n):
            values[at] = values[at] * _FACTOR + words[i]
    return values
