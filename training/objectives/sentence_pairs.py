"""Rows of two texts, of which the second follows the first or is another document's (BERT, create_pretraining_data.py).

A document is cut into chunks of whole sentences. The first 1 to k - 1 of a chunk's k sentences are A. B is the rest of
the chunk, or, with probability 0.5 and always where k = 1, as many sentences from a random place of another document;
the rest of the chunk then goes back and begins the next. What is too long loses tokens.

    document a b c d, chunk a b c  ->  (a | b c), next chunk d; or (a | x y), next chunk b c d

Legend: N sentences of all shards, D documents, P pairs, S tokens of a row.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from corpus.errors import ConfigError
from tokenizer.pack import Span
from tokenizer.shard import TokenShard
from training.objective import Ints, Row
from training.objectives.sentences import Sentences, sentences, word_starts

SHORT = 0.1  # the share of documents cut into shorter chunks: short_seq_prob
OTHER = 0.5  # how often B is another document's though the chunk has a rest
TRIES = 10  # to find another document than one's own
DRAWN = 1 << 16  # random numbers at a time


class Pair(NamedTuple):
    """A and B by their first token in the shards end to end and their length, and whether B follows A."""

    a: int
    a_len: int
    b: int
    b_len: int
    follows: bool


class SentencePairs:
    """Pairs of up to `max_len` tokens: `copies` passes over the documents, each cut and paired anew (dupe_factor, 10).

    Limits: all pairs are made when first asked for, by one process, about 10 microseconds and 40 bytes each.
    """

    def __init__(
        self, shards: Sequence[TokenShard], max_len: int, *, seed: int, copies: int, pad: int, words: bool = False
    ) -> None:
        if max_len < 2:
            raise ConfigError(f"pairs of {max_len} tokens: two texts need at least 2; raise row_len")
        self.shards = tuple(shards)
        self.max_len = max_len
        self.seed = seed
        self.copies = copies
        self.pad = pad
        self.words = words
        self._starts = np.cumsum([0, *(len(shard.tokens) for shard in shards)])

    def __len__(self) -> int:
        return len(self.pairs)

    def pair(self, i: int) -> Pair:
        """Pair i."""
        a, a_len, b, b_len, follows = self.pairs[i].tolist()
        return Pair(a, a_len, b, b_len, bool(follows))

    def row(self, i: int) -> Row:
        """A and B, segments 1 and 2, then padding up to max_len, segment 0; with `words`, where words begin."""
        pair = self.pair(i)
        tokens_S, segments_S = np.full(self.max_len, self.pad, np.int64), np.zeros(self.max_len, np.int64)
        starts_S = np.zeros(self.max_len, np.bool_) if self.words else None
        at = 0
        for segment, (start, length) in enumerate(((pair.a, pair.a_len), (pair.b, pair.b_len)), 1):
            number, within = self._place(start)
            shard, place = self.shards[number], slice(within, within + length)
            tokens_S[at : at + length] = shard.tokens[place]
            segments_S[at : at + length] = segment
            if starts_S is not None:
                starts_S[at : at + length] = word_starts(shard, place)
            at += length
        return Row(tokens_S, segments_S, starts_S, pair=(pair.a_len, pair.follows))

    def documents(self, i: int) -> list[Span]:
        """Where A and B come from."""
        pair = self.pair(i)
        return [self._span(pair.a, 0, pair.a_len), self._span(pair.b, pair.a_len, pair.a_len + pair.b_len)]

    @cached_property
    def pairs(self) -> Ints:
        """All pairs [P, 5], copy after copy in the order of the documents; training shuffles them. None of fewer than
        two documents with text."""
        text = sentences(self.shards)
        if text.n_documents < 2:
            return np.empty((0, 5), np.int64)
        rng = np.random.default_rng(self.seed)
        u = _uniforms(rng)
        found = (
            pair
            for _ in range(self.copies)
            for document in range(text.n_documents)
            for pair in document_pairs(text, document, self.max_len, u)
        )
        return truncated(np.fromiter(found, np.dtype((np.int64, 5))), self.max_len, rng)

    def _place(self, start: int) -> tuple[int, int]:
        shard = int(self._starts.searchsorted(start, "right")) - 1
        return shard, start - int(self._starts[shard])

    def _span(self, start: int, row_start: int, row_stop: int) -> Span:
        number, within = self._place(start)
        shard = self.shards[number]
        document = int(shard.starts.searchsorted(within, "right")) - 1
        origin = shard.origins.slice(document, 1).to_pylist()[0]
        return Span(
            part=shard.part,
            document=document,
            **{name: origin[name] for name in ("id", "source", "url", "copy")},
            row_start=row_start,
            row_stop=row_stop,
            first_token=within - int(shard.starts[document]),
        )


def document_pairs(text: Sentences, document: int, max_len: int, u: Iterator[float]) -> Iterator[Pair]:
    """The pairs of one document, not yet truncated: of about max_len tokens, in a tenth of the documents of fewer."""
    target = _integer(u, 2, max_len) if next(u) < SHORT else max_len
    starts, stops = text.of(document)
    at, n = 0, len(starts)
    while at < n:
        end = min(bisect_left(stops, starts[at] + target, at) + 1, n)
        split = at + (_integer(u, 1, end - at - 1) if end - at > 1 else 1)
        a, a_len = starts[at], stops[split - 1] - starts[at]
        if split == end or next(u) < OTHER:
            yield Pair(a, a_len, *_elsewhere(text, document, target - a_len, u), follows=False)
            at = split
        else:
            yield Pair(a, a_len, starts[split], stops[end - 1] - starts[split], follows=True)
            at = end


def _elsewhere(text: Sentences, document: int, length: int, u: Iterator[float]) -> tuple[int, int]:
    """Start and length of sentences of another document, from a random one on until they have `length` tokens."""
    for _ in range(TRIES):
        other = _integer(u, 0, text.n_documents - 1)
        if other != document:
            break
    begin, end = text.first_D[other : other + 2].tolist()
    first = _integer(u, begin, end - 1)
    start = int(text.starts_N[first])
    last = first + int(text.stops_N[first : end - 1].searchsorted(start + length))
    return start, int(text.stops_N[last]) - start


def truncated(pairs: Ints, max_len: int, rng: np.random.Generator) -> Ints:
    """Pairs [P, 5] of up to max_len tokens: token after token goes from the longer text, of equal ones from B, at its
    front or its back as a coin falls."""
    a, a_len, b, b_len, follows = pairs.T
    excess = np.maximum(a_len + b_len - max_len, 0)
    longer = np.minimum(excess, np.abs(a_len - b_len))
    cut_a = (excess - longer) // 2 + np.where(a_len > b_len, longer, 0)
    cut_b = excess - cut_a
    front_a, front_b = rng.binomial((cut_a, cut_b), 0.5)
    return np.stack((a + front_a, a_len - cut_a, b + front_b, b_len - cut_b, follows), axis=1)


def _uniforms(rng: np.random.Generator) -> Iterator[float]:
    while True:
        yield from rng.random(DRAWN).tolist()


def _integer(u: Iterator[float], low: int, high: int) -> int:
    """low to high, both included."""
    return low + int(next(u) * (high - low + 1))
