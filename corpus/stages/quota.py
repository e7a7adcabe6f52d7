"""How often each document of a mixture occurs: the quota of its source, filled in the order of a seeded draw."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from corpus.schema import HOME
from corpus.stage import Opened
from corpus.text.hashing import shares
from corpus.text.mixing import copies

SIZES = pa.schema([*(HOME.field(name) for name in ("id", "shard", "row", "source")), ("n_bytes", pa.int64())])


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What a quota needs of a document: who, where, whose, how long."""

    name: ClassVar[str] = "sizes"
    version: ClassVar[int] = 1
    reads: ClassVar[pa.Schema] = SIZES
    writes: ClassVar[pa.Schema] = SIZES
    drops: ClassVar[frozenset[str]] = frozenset()
    reasons: ClassVar[frozenset[str]] = frozenset()
    rows: ClassVar[Literal["project"]] = "project"
    guarded: ClassVar[bool] = False

    def open(self) -> Opened:
        def sizes(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            yield batch.select(SIZES.names)

        return sizes


@dataclass(frozen=True, kw_only=True)
class FillQuota:
    """The number of copies of each document; `quotas` are (source, bytes). A source without a quota gives nothing.

    Limit: a source's documents are held in memory together, about 100 bytes each.
    """

    quotas: tuple[tuple[str, int], ...]
    seed: int

    name: ClassVar[str] = "fill_quota"
    version: ClassVar[int] = 1
    key: ClassVar[str] = "source"
    reads: ClassVar[pa.Schema] = SIZES
    emits: ClassVar[pa.Schema] = pa.schema([("shard", pa.int32()), ("row", pa.int64()), ("copies", pa.int32())])

    def open(self) -> Callable[[pa.Table], pa.Table]:
        quotas = dict(self.quotas)

        def filled(table: pa.Table) -> pa.Table:
            parts = [self.emits.empty_table()]
            for source in table.column("source").unique().to_pylist():
                rows = table.filter(pc.equal(table.column("source"), source))
                draws = shares(rows.column("id").to_pylist(), f"mixture {self.seed}")
                n = copies(rows.column("n_bytes").to_numpy(), draws, quotas.get(source, 0))
                parts.append(rows.select(["shard", "row"]).append_column("copies", pa.array(n, pa.int32())))
            return pa.concat_tables(parts)

        return filled
