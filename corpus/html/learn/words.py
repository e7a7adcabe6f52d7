"""Scores of the words in ancestors' names: logistic regression on hashed words, by AdaGrad (Duchi et al. 2011)."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.html import text as t
from corpus.html.layout import ELEMENT, PARENT, WORDS_FROM, WORDS_TO
from corpus.html.learn.examples import Example
from corpus.html.structure import TAG_WORDS

HASH_BITS: Final = 16
SCALE: Final = 64
"""A score of 64 is one unit of log-odds."""
LARGEST: Final = 3.0
"""Log-odds that one word may give at most: rare words are not to decide alone."""
RATE: Final = 0.15
DECAY: Final = 2e-4
EPOCHS: Final = 3
HEAVIEST: Final = np.float32(3)
"""A long block says no more of its ancestors' names than this."""


def word_scores(examples: Sequence[Example], weights: Sequence[NDArray[np.float32]]) -> NDArray[np.int16]:
    """Shape (2^16,): how much a word in a block's ancestors speaks for main text."""
    ends, words, shares, weight = [np.zeros(1, np.int64)], [], [], []
    n_words = 0
    for example, of_blocks in zip(examples, weights, strict=True):
        known = np.flatnonzero(of_blocks > 0).astype(np.int32)
        ends_here, found = _chains(
            example.page.found.blocks, example.page.layout.elements, example.page.layout.words, TAG_WORDS, known
        )
        ends.append(ends_here + n_words)
        n_words += len(found)
        words.append(found)
        shares.append(example.shares[known])
        weight.append(np.minimum(of_blocks[known], HEAVIEST) / np.float32(2))
    scores = np.zeros(1 << HASH_BITS, np.float32)
    squares = np.zeros(1 << HASH_BITS, np.float32)
    all_ends, all_words = np.concatenate(ends), np.concatenate(words) & np.uint32((1 << HASH_BITS) - 1)
    all_shares, all_weights = np.concatenate(shares), np.concatenate(weight)
    order = np.arange(len(all_shares))
    generator = np.random.default_rng(1)
    for _ in range(EPOCHS):
        generator.shuffle(order)
        _epoch(scores, squares, order, all_ends, all_words, all_shares, all_weights)
    return np.round(np.clip(scores, -LARGEST, LARGEST) * SCALE).astype(np.int16)


@njit(cache=True)
def _chains(blocks, elements, words, tag_words, known):  # type: ignore[no-untyped-def]
    """The words of the ancestors of these blocks, one block after the other, and where each block's end."""
    ends = np.empty(known.shape[0], np.int64)
    n = 0
    for fill in range(2):
        made = np.empty(n, np.uint32)
        n = 0
        for number in range(known.shape[0]):
            e = blocks[known[number], t.ELEMENT]
            while e > 0:
                if fill:
                    made[n] = tag_words[elements[e, ELEMENT]]
                n += 1
                for k in range(elements[e, WORDS_FROM], elements[e, WORDS_TO]):
                    if fill:
                        made[n] = words[k]
                    n += 1
                e = elements[e, PARENT]
            ends[number] = n
    return ends, made


@njit(cache=True)
def _epoch(scores, squares, order, ends, words, shares, weights):  # type: ignore[no-untyped-def]
    bias = np.float32(0)
    bias_squares = np.float32(0)
    for block in order:
        total = bias
        for k in range(ends[block], ends[block + 1]):
            total += scores[words[k]]
        error = (np.float32(1) / (np.float32(1) + np.exp(-total)) - shares[block]) * weights[block]
        for k in range(ends[block], ends[block + 1]):
            word = words[k]
            slope = error + np.float32(DECAY) * weights[block] * scores[word]
            squares[word] += slope * slope
            scores[word] -= np.float32(RATE) * slope / np.sqrt(squares[word] + np.float32(1e-3))
        bias_squares += error * error
        bias -= np.float32(RATE) * error / np.sqrt(bias_squares + np.float32(1e-3))
