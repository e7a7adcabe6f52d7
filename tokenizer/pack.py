"""Rows of equal length over token shards: arithmetic on positions, so tokens are stored once for every row length.

The shards in the order given are one long text, and row i has its tokens i * L .. (i + 1) * L - 1 and `overlap` more,
which are also the first of row i + 1. What predicts the next token takes one more, the target of its last input:

    tokens [5 9 2 7 7 2 4], L = 3    overlap 1  ->  rows [5 9 2 7], [7 7 2 4]; the tail [4] is a target only
                                     overlap 0  ->  rows [5 9 2], [7 7 2]; the tail is [4]

Every token is among the first L of exactly one row, save the tail, for which no full row is left: the last
`overlap` to L + overlap - 1 tokens. Nothing needs to be stored for this but the row length; `record` is what an
artifact says in `pack.json`. Legend: S = L + overlap tokens of a row, N rows, D documents in a row.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from corpus.errors import ConfigError
from tokenizer.marking import SENTENCE_END, WORD_START
from tokenizer.shard import TokenShard

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Span(NamedTuple):
    """A piece of a document: tokens row_start .. row_stop - 1 of a row are the document's from `first_token` on."""

    part: int
    document: int
    id: str | None
    source: str | None
    url: str | None
    copy: int | None
    row_start: int
    row_stop: int
    first_token: int


class RowMarks(NamedTuple):
    """Which tokens of a row begin a word, and which end a sentence."""

    word_starts_S: Bools
    sentence_ends_S: Bools


class Packed:
    """Rows of `row_len` tokens and `overlap` more over shards of one vocabulary, one row every `row_len` tokens."""

    def __init__(self, shards: Sequence[TokenShard], row_len: int, overlap: int = 1) -> None:
        if row_len < 1 or overlap < 0:
            raise ConfigError(f"row_len {row_len}, overlap {overlap}: a row needs at least one token of its own")
        if len({shard.vocab_size for shard in shards}) > 1:
            raise ConfigError(f"shards of several vocabularies: {sorted({s.vocab_size for s in shards})} entries")
        self.shards = tuple(shards)
        self.row_len = row_len
        self.overlap = overlap
        self._starts = np.concatenate([[0], np.cumsum([len(shard.tokens) for shard in shards], dtype=np.int64)])
        self.n_tokens = int(self._starts[-1])
        self._n_rows = max(self.n_tokens - overlap, 0) // row_len

    def __len__(self) -> int:
        return self._n_rows

    def record(self) -> dict[str, int]:
        """What `pack.json` holds; n_tokens = row_len * n_rows + n_tail_tokens."""
        return {
            "row_len": self.row_len,
            "n_rows": len(self),
            "n_tokens": self.n_tokens,
            "n_tail_tokens": self.n_tokens - self.row_len * len(self),
            "n_shards": len(self.shards),
        }

    def row(self, i: int) -> Ints:
        """The row_len + overlap tokens of row i."""
        tokens_S: Ints = self.rows([i])[0]
        return tokens_S

    def rows(self, indices_N: Sequence[int] | Ints) -> Ints:
        """The tokens of many rows, [N, row_len + overlap]. A copy for each row: gathering by index arrays is slower."""
        tokens_NS = np.empty((len(indices_N), self.row_len + self.overlap), np.int64)
        for tokens_S, i in zip(tokens_NS, indices_N, strict=True):
            for shard, start, at, stop in self._pieces(int(i)):
                tokens_S[at:stop] = self.shards[shard].tokens[start : start + stop - at]
        return tokens_NS

    def marks(self, i: int) -> RowMarks:
        """Where words begin and sentences end in row i; DataError where a shard was written without marks."""
        marks_S = np.concatenate(
            [self.shards[shard].marks[start : start + stop - at] for shard, start, at, stop in self._pieces(i)]
        )
        return RowMarks((marks_S & WORD_START).astype(np.bool_), (marks_S & SENTENCE_END).astype(np.bool_))

    def segments(self, i: int) -> Ints:
        """Which document of row i each of its tokens belongs to, counted from 1; an eod belongs to the one it ends.

        [5 9 2 | 7 7 2 | 4]  ->  [1 1 1 2 2 2 3]
        """
        lengths = [np.diff(edges) for *_, edges in self._documents(i)]
        lengths_D = np.concatenate(lengths)
        return np.repeat(np.arange(1, len(lengths_D) + 1), lengths_D)

    def documents(self, i: int) -> list[Span]:
        """Where the tokens of row i come from, in order: the pieces of documents that it is made of."""
        spans = []
        for shard, first, start, at, edges in self._documents(i):
            origins = self.shards[shard].origins.slice(first, len(edges) - 1).to_pylist()
            for k, origin in enumerate(origins):
                within = max(start - int(self.shards[shard].starts[first + k]), 0)
                span = Span(
                    part=self.shards[shard].part,
                    document=first + k,
                    **{name: origin[name] for name in ("id", "source", "url", "copy")},
                    row_start=at + int(edges[k]),
                    row_stop=at + int(edges[k + 1]),
                    first_token=within,
                )
                spans.append(span)
        return spans

    def lengths(self, i: int) -> Iterator[tuple[int, int, Ints]]:
        """How many of the row_len tokens of row i, `overlap` not counted, are of which documents: for each shard that
        it touches the shard's number, the first document, and the tokens of that one and of each that follows."""
        for shard, first, _, at, edges in self._documents(i):
            yield shard, first, np.diff(np.minimum(at + edges, self.row_len))

    def _pieces(self, i: int) -> Iterator[tuple[int, int, int, int]]:
        """(shard, first token in it, row_start, row_stop) of the shards that row i touches."""
        if not 0 <= i < self._n_rows:
            raise IndexError(f"row {i} of {self._n_rows}")
        begin, end = i * self.row_len, (i + 1) * self.row_len + self.overlap
        shard = int(self._starts.searchsorted(begin, "right")) - 1
        at = begin
        while at < end:
            stop = min(end, int(self._starts[shard + 1]))
            if stop > at:
                yield shard, at - int(self._starts[shard]), at - begin, stop - begin
            at, shard = max(at, stop), shard + 1

    def _documents(self, i: int) -> Iterator[tuple[int, int, int, int, Ints]]:
        """(shard, first document, first token, row_start, edges of the documents counted from row_start)."""
        for shard, start, at, stop in self._pieces(i):
            starts_N1 = self.shards[shard].starts
            first = int(starts_N1.searchsorted(start, "right")) - 1
            last = int(starts_N1.searchsorted(start + stop - at, "left"))
            edges = np.clip(starts_N1[first : last + 1] - start, 0, stop - at)
            yield shard, first, start, at, edges
