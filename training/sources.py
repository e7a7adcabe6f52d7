"""What was read, by source: rows, tokens, and how often each source's text has been gone through.

    web   rows 812   tokens 790,112   epochs 0.41

A row counts for each source that it has a token of. `epochs` are tokens read over the source's tokens in the shards; a
pair's row of BERT reads a text once for each of its copies. Counts are integers, so those of ranks and of restarts add
up exactly. Legend: S sources, N documents of a shard, D documents of a row.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from corpus.errors import DataError
from tokenizer.shard import TokenShard, file_names
from training.objective import Ints, Rows
from training.rows import PackedRows

UNKNOWN = "unknown"
"""The source of documents that have none."""


@dataclass(frozen=True, eq=False)
class Sources:
    """The source of each document of the shards, by its place in `names`: one byte a document in memory.

    Limits: rows that are not packed are looked up in the documents' tables, which then stay in memory.
    """

    names: tuple[str, ...]
    codes: tuple[npt.NDArray[np.unsignedinteger[Any]], ...]
    tokens_S: Ints

    @classmethod
    def of(cls, shards: Sequence[TokenShard]) -> Self:
        """Read from the documents' tables, of which only the column of sources is touched."""
        read = [_column(shard) for shard in shards]
        names = sorted({name for known, _ in read for name in known})
        dtype = np.min_scalar_type(max(len(names) - 1, 0))
        codes = tuple(np.array([names.index(name) for name in known], dtype)[codes_N] for known, codes_N in read)
        tokens_S = np.zeros(len(names), np.int64)
        for shard, codes_N in zip(shards, codes, strict=True):
            np.add.at(tokens_S, codes_N, np.diff(shard.starts))
        return cls(tuple(names), codes, tokens_S)

    def nothing(self) -> Ints:
        """No rows and no tokens of any, [S, 2]."""
        return np.zeros((len(self.names), 2), np.int64)

    def counted(self, rows: Rows, which: Iterable[int]) -> Ints:
        """Rows and tokens of each source in some rows over the same shards, [S, 2]."""
        total = self.nothing()
        for i in which:
            tokens_S = self._row(rows, i)
            total[:, 0] += tokens_S > 0
            total[:, 1] += tokens_S
        return total

    def _row(self, rows: Rows, i: int) -> Ints:
        tokens_S = np.zeros(len(self.names), np.int64)
        if isinstance(rows, PackedRows):  # looks nothing up
            for shard, first, lengths_D in rows.packed.lengths(i):
                np.add.at(tokens_S, self.codes[shard][first : first + len(lengths_D)], lengths_D)
        else:
            for span in rows.documents(i):
                tokens_S[self.names.index(span.source or UNKNOWN)] += span.row_stop - span.row_start
        return tokens_S

    def measures(self, counts: Ints) -> dict[str, dict[str, float]]:
        """By source: rows, tokens and epochs."""
        return {
            name: {"rows": int(n_rows), "tokens": int(n_tokens), "epochs": float(n_tokens / max(in_all, 1))}
            for name, (n_rows, n_tokens), in_all in zip(self.names, counts, self.tokens_S, strict=True)
        }

    def state(self, counts: Ints) -> dict[str, list[int]]:
        """Plain numbers for a checkpoint."""
        return dict(zip(self.names, counts.tolist(), strict=True))

    def restored(self, state: Mapping[str, Sequence[int]]) -> Ints:
        """The counts that `state` told of."""
        return np.array([state[name] for name in self.names], np.int64).reshape(-1, 2)


def _column(shard: TokenShard) -> tuple[list[str], Ints]:
    """The sources' names, and for each document which one it is."""
    path = shard.folder / file_names(shard.part)[1]
    column = pq.read_table(path, columns=["source"])["source"].fill_null(UNKNOWN).combine_chunks().dictionary_encode()
    if len(column) != shard.n_documents:
        raise DataError(
            f"{path} has {len(column)} documents, and the index beside it {shard.n_documents}; write the part again"
        )
    return column.dictionary.to_pylist(), column.indices.to_numpy()
