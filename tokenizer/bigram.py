"""An interpolated token bigram: what a model must beat, since it knows nothing but the last token.

    p(w | h) = (c(h, w) + t(h) * p(w)) / (c(h) + t(h))        c counts, t(h) distinct tokens seen after h
    p(w)     = (c(w) + t * 1 / V) / (n + t)                   n tokens, t distinct tokens, V vocabulary

Witten-Bell smoothing: Witten and Bell 1991, method C, in the recursive form of Chen and Goodman 1999. It has no
parameter to tune and gives every token of the vocabulary some probability. Legend: T tokens, P distinct pairs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from corpus.errors import ConfigError, DataError

Ints = npt.NDArray[np.int64]
Table = tuple[Ints, Ints]  # distinct keys in order, and how often each came

CHUNK_TOKENS = 1 << 23  # sorted at a time: 64 MB of keys


@dataclass(frozen=True, kw_only=True, eq=False)
class Bigram:
    """`pairs` [P] are h * V + w in order. Limits: 16 bytes a distinct pair, all in memory."""

    vocab_size: int
    pairs: Ints
    counts: Ints
    followers: Ints
    distinct: Ints
    unigram: npt.NDArray[np.float64]

    @classmethod
    def fit(cls, texts: Iterable[npt.NDArray[Any]], vocab_size: int) -> Self:
        """The model of flat token arrays, such as `shard.tokens`, which begin where a document does.

        Pairs across the end of a document count: what follows an eod is how documents begin.
        """
        if vocab_size < 1:
            raise ConfigError(f"a vocabulary of {vocab_size} entries")
        unigrams_V = np.zeros(vocab_size, np.int64)
        table: Table = (np.empty(0, np.int64), np.empty(0, np.int64))
        for chunk_T, n_new in _chunks(texts):
            _check(chunk_T, vocab_size)
            unigrams_V += np.bincount(chunk_T[-n_new:], minlength=vocab_size)
            keys, counts = np.unique(chunk_T[:-1] * vocab_size + chunk_T[1:], return_counts=True)
            table = _merged(table, (keys, counts.astype(np.int64)))
        pairs_P, counts_P = table
        firsts_P = pairs_P // vocab_size
        return cls(
            vocab_size=vocab_size,
            pairs=pairs_P,
            counts=counts_P,
            followers=np.bincount(firsts_P, counts_P, vocab_size).astype(np.int64),
            distinct=np.bincount(firsts_P, minlength=vocab_size).astype(np.int64),
            unigram=_unigram(unigrams_V),
        )

    def token_bits(self, tokens_T: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """-log2 p of each token but the first, which is context only; put an eod before the start of a document."""
        tokens_T = np.asarray(tokens_T, np.int64)
        _check(tokens_T, self.vocab_size)
        before_T, after_T = tokens_T[:-1], tokens_T[1:]
        weight_T = self.distinct[before_T]
        seen_T = self.followers[before_T] + weight_T
        unigram_T = self.unigram[after_T]
        mixed_T = self._count(before_T * self.vocab_size + after_T) + weight_T * unigram_T
        # a context that was never seen has no weight of its own
        p_T = np.where(seen_T > 0, mixed_T / np.maximum(seen_T, 1), unigram_T)
        bits_T: npt.NDArray[np.float64] = -np.log2(p_T)
        return bits_T

    def bits(self, tokens_T: npt.NDArray[Any]) -> float:
        """Total bits of all tokens but the first; over the bytes of the text this is bits per byte."""
        return float(self.token_bits(tokens_T).sum())

    def _count(self, keys_T: Ints) -> Ints:
        if not self.pairs.size:
            return np.zeros_like(keys_T)
        at_T = np.minimum(self.pairs.searchsorted(keys_T), self.pairs.size - 1)
        counts_T: Ints = np.where(self.pairs[at_T] == keys_T, self.counts[at_T], 0)
        return counts_T


def _unigram(counts_V: Ints) -> npt.NDArray[np.float64]:
    """p(w), Witten-Bell against the uniform distribution; uniform where nothing was counted."""
    distinct, total, size = np.count_nonzero(counts_V), counts_V.sum(), len(counts_V)
    if total == 0:
        return np.full(size, 1 / size)
    probabilities_V: npt.NDArray[np.float64] = (counts_V + distinct / size) / (total + distinct)
    return probabilities_V


def _chunks(texts: Iterable[npt.NDArray[Any]]) -> Iterable[tuple[Ints, int]]:
    """(tokens, how many of them are new): after the first chunk of a text, one token before it comes again."""
    for tokens_T in texts:
        for start in range(0, len(tokens_T), CHUNK_TOKENS):
            chunk_T = tokens_T[max(start - 1, 0) : start + CHUNK_TOKENS].astype(np.int64)
            yield chunk_T, len(chunk_T) - (start > 0)


def _check(tokens_T: Ints, vocab_size: int) -> None:
    if tokens_T.size and not (tokens_T.min() >= 0 and tokens_T.max() < vocab_size):
        raise DataError(
            f"tokens reach from {tokens_T.min()} to {tokens_T.max()}; the vocabulary has {vocab_size} entries"
        )


def _merged(one: Table, other: Table) -> Table:
    """The sum of two tables. A stable sort takes two sorted runs in linear time."""
    keys = np.concatenate([one[0], other[0]])
    order = keys.argsort(kind="stable")
    keys, counts = keys[order], np.concatenate([one[1], other[1]])[order]
    firsts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if keys.size else np.empty(0, np.int64)
    return keys[firsts], np.add.reduceat(counts, firsts) if keys.size else counts
