"""From "this row's group begins with that document" to verdicts that fly home."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from corpus.plan import EDGE, LABELLED
from corpus.stage import Opened

VERDICT = pa.schema(
    [
        ("shard", pa.int32()),
        ("row", pa.int64()),
        ("dropped_by", pa.string()),
        ("drop_reason", pa.string()),
        ("duplicate_of", pa.string()),
        ("cluster_size", pa.int64()),
    ]
)
"""duplicate_of is the id of the document that stays in its stead; cluster_size counts all that are one, it included."""


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """A verdict for every row whose `first` is another document; the firsts survive."""

    name: str
    reason: str
    version: ClassVar[int] = 2
    reads: ClassVar[pa.Schema] = LABELLED
    writes: ClassVar[pa.Schema] = VERDICT
    drops: ClassVar[frozenset[str]] = frozenset()
    rows: ClassVar[Literal["project"]] = "project"
    guarded: ClassVar[bool] = False

    @property
    def reasons(self) -> frozenset[str]:
        """The one that it was given."""
        return frozenset({self.reason})

    def open(self) -> Opened:
        def verdicts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            lost = batch.filter(pc.not_equal(batch.column("id"), batch.column("first")))
            words = [pa.array([word] * lost.num_rows, pa.string()) for word in (self.name, self.reason)]
            columns = [lost.column("shard"), lost.column("row"), *words, lost.column("first"), lost.column("n")]
            yield pa.RecordBatch.from_arrays(columns, schema=VERDICT)

        return verdicts


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Rows of keys that more than one row has, as edges: a document alone in its bucket has no neighbour."""

    name: ClassVar[str] = "shared_keys"
    version: ClassVar[int] = 1
    reads: ClassVar[pa.Schema] = LABELLED
    writes: ClassVar[pa.Schema] = EDGE
    drops: ClassVar[frozenset[str]] = frozenset()
    reasons: ClassVar[frozenset[str]] = frozenset()
    rows: ClassVar[Literal["project"]] = "project"
    guarded: ClassVar[bool] = False

    def open(self) -> Opened:
        def edges(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            yield batch.filter(pc.greater(batch.column("n"), 1)).select(EDGE.names)

        return edges
