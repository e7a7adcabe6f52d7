"""Key rows of a new corpus and of earlier ones, told apart, and verdicts for what the earlier ones have already."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from corpus.schema import with_columns
from corpus.stage import Opened
from corpus.stages.keys import PLACE

SNAPSHOT = pa.schema([("snapshot", pa.string())])
FIRST_SEEN = pa.schema([*PLACE, *SNAPSHOT, ("first", pa.string()), ("seen_in", pa.string())])
"""A key row, and the first document with its key: of the earlier corpora where one has it, for null sorts last."""

SEEN = pa.schema(
    [
        ("shard", pa.int32()),
        ("row", pa.int64()),
        ("dropped_by", pa.string()),
        ("drop_reason", pa.string()),
        ("seen_as", pa.string()),
    ]
)
"""seen_as is id@version of the earlier document. An id alone would not do: archives of the same name in two snapshots
give the same ids."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Key rows with the corpus that they are of, null for the new one, and without the order inside it."""

    of: str | None

    name: ClassVar[str] = "snapshot"
    version: ClassVar[int] = 1
    reads: ClassVar[pa.Schema] = PLACE
    writes: ClassVar[pa.Schema] = SNAPSHOT
    drops: ClassVar[frozenset[str]] = frozenset({"order"})
    reasons: ClassVar[frozenset[str]] = frozenset()
    rows: ClassVar[Literal["same"]] = "same"
    guarded: ClassVar[bool] = False

    def open(self) -> Opened:
        def told(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            yield with_columns(batch, {"snapshot": pa.array([self.of] * batch.num_rows, pa.string())})

        return told


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A verdict for every row of the new corpus whose key an earlier one has. Rows of earlier documents end here: their
    homes are in other shards than those that the verdicts fly to."""

    reason: str

    name: ClassVar[str] = "against"
    version: ClassVar[int] = 1
    reads: ClassVar[pa.Schema] = FIRST_SEEN
    writes: ClassVar[pa.Schema] = SEEN
    drops: ClassVar[frozenset[str]] = frozenset()
    rows: ClassVar[Literal["project"]] = "project"
    guarded: ClassVar[bool] = False

    @property
    def reasons(self) -> frozenset[str]:
        """The one that it was given."""
        return frozenset({self.reason})

    def open(self) -> Opened:
        def verdicts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            is_new, is_seen = pc.is_null(batch.column("snapshot")), pc.is_valid(batch.column("seen_in"))
            lost = batch.filter(pc.and_(is_new, is_seen))
            words = [pa.array([word] * lost.num_rows, pa.string()) for word in (self.name, self.reason)]
            seen_as = pc.binary_join_element_wise(lost.column("first"), lost.column("seen_in"), "@")
            columns = [lost.column("shard"), lost.column("row"), *words, seen_as]
            yield pa.RecordBatch.from_arrays(columns, schema=SEEN)

        return verdicts
