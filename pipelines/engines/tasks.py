"""The work of a phased engine's tasks: rows from a base through fused stages into a sink.

A base yields batches (a split, a stored shard, one bucket of a shuffle); a sink takes them (a committed shard, or a
file of rows in the scratch folder that a later task reads). All are plain values and travel to the workers.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from corpus.errors import DataError
from corpus.parquet import read_batches
from corpus.plan import Attach, Group, Reduce, schema_of, stages
from corpus.schema import align, without
from corpus.shards import ShardWriter
from corpus.splits import SPLIT, Split
from corpus.stage import Opened, Stage, fuse
from corpus.storage import TEMPORARY, Folder
from corpus.wide import attached, bucketed, component_labels, grouped, reduced
from pipelines.engines.engine import StoredShard

BATCH_ROWS = 8192


class Base(Protocol):
    """Where rows come from."""

    @property
    def schema(self) -> pa.Schema: ...
    def batches(self) -> Iterator[pa.RecordBatch]: ...


@dataclass(frozen=True)
class SplitBase:
    """A raw split, as the one row that its reader stage takes."""

    split: Split
    schema: pa.Schema = SPLIT

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The row."""
        yield self.split.batch()


@dataclass(frozen=True)
class StoredBase:
    """The columns of `schema` of stored documents; the marks are null there."""

    stored: StoredShard
    schema: pa.Schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The documents in order; DataError when a file has not as many as were committed."""
        columns = [name for name in self.schema.names if name not in ("dropped_by", "drop_reason", "fault")]
        for file in self.stored.files:
            n_rows = 0
            for batch in read_batches(file.path, columns, file.size):
                n_rows += batch.num_rows
                yield align(batch, self.schema)
            if n_rows != file.rows:
                raise DataError(
                    f"{file.path} has {n_rows} rows, but its manifest says {file.rows}; run `millstream verify`"
                )


def read_base(item: Split | StoredShard, schema: pa.Schema) -> Base:
    """Where the rows of an input's shard come from."""
    return SplitBase(item) if isinstance(item, Split) else StoredBase(item, schema)


@dataclass(frozen=True)
class BucketBase:
    """One bucket of a shuffle, reduced or grouped."""

    rows: "ScratchRows"
    bucket: int
    node: Reduce | Group
    reads: pa.Schema
    schema: pa.Schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The bucket's rows, in (key, order)."""
        table = self.rows.bucket(self.bucket, self.reads)
        if isinstance(self.node, Reduce):
            done = reduced(table, self.node, self.schema)
        else:
            done = grouped(table, self.node.stage.key, self.node.stage.open(), self.schema)
        yield from done.to_batches(max_chunksize=BATCH_ROWS)


@dataclass(frozen=True)
class ComponentsBase:
    """All edges, as labels."""

    rows: "ScratchRows"
    reads: pa.Schema
    schema: pa.Schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """One row per document, in (shard, row)."""
        yield from component_labels(self.rows.bucket(0, self.reads)).to_batches(max_chunksize=BATCH_ROWS)


class Verdicts(Protocol):
    """Rows with a home, found by it; a plain value that travels to the workers."""

    def of_homes(self, first: int, last: int) -> pa.Table:
        """The rows of documents whose home is one of the shards from `first` to `last`."""


@dataclass(frozen=True)
class AttachFrom:
    """The Attach node as a stage: verdicts, wherever they lie, joined to batches of documents."""

    verdicts: Verdicts
    writes: pa.Schema
    reasons: frozenset[str]
    name: ClassVar[str] = "attach"
    version: ClassVar[int] = 1
    reads: ClassVar[pa.Schema] = pa.schema([("shard", pa.int32()), ("row", pa.int64())])
    drops: ClassVar[frozenset[str]] = frozenset()
    rows: ClassVar[Literal["same"]] = "same"
    guarded: ClassVar[bool] = False

    def open(self) -> Opened:
        """The verdicts of the home shards at hand are read once."""
        held: dict[tuple[int, int], pa.Table] = {}

        def join(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            homes = pc.min_max(batch.column("shard")).as_py()
            span = (homes["min"], homes["max"]) if batch.num_rows else (0, -1)
            if span not in held:
                held.clear()
                held[span] = self.verdicts.of_homes(*span)
            schema = pa.schema([*batch.schema, *(f for f in self.writes if f.name not in batch.schema.names)])
            yield attached(batch, held[span], schema)

        return join


def attaching(node: Attach, verdicts: Verdicts) -> AttachFrom:
    """The node as a stage, its verdicts having been found."""
    columns = without(schema_of(node.verdicts), {"shard", "row"})
    reasons = {reason for stage in stages(node.verdicts) for reason in getattr(stage, "reasons", ())}
    return AttachFrom(verdicts, columns, frozenset(reasons))


class Sink(Protocol):
    """Where rows go."""

    def finished(self) -> frozenset[int]: ...
    def write(self, number: int, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None: ...


@dataclass(frozen=True)
class StoreSink:
    """Shards of the artifact."""

    writer: ShardWriter

    def finished(self) -> frozenset[int]:
        """The shards that are committed."""
        return self.writer.committed()

    def write(self, number: int, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
        """Writes and commits the shard."""
        self.writer.write(number, batches, schema)


@dataclass(frozen=True)
class RowsSink:
    """Arrow files in a scratch folder: cut into `n_buckets` batches by `key`, or one batch in the order of home."""

    folder: str
    key: str | None = None
    n_buckets: int = 1

    def file(self, number: int) -> Path:
        """The path of a task's rows."""
        return Path(self.folder) / _rows_name(number)

    def finished(self) -> frozenset[int]:
        """The tasks whose rows are there."""
        names = (name for name in Folder(self.folder).names() if name.endswith(ROWS))
        return frozenset(int(name.removesuffix(ROWS)) for name in names if not name.startswith(TEMPORARY))

    def write(self, number: int, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
        """Writes the rows whole or not at all."""
        rows = pa.Table.from_batches(list(batches), schema=schema)
        if self.key is None and {"shard", "row"} <= set(schema.names):
            rows = rows.sort_by([("shard", "ascending"), ("row", "ascending")])
        batch = pa.RecordBatch.from_arrays([c.combine_chunks() for c in rows.columns], schema=schema)
        parts = bucketed(batch, self.key, self.n_buckets) if self.key else [batch]
        folder = Folder(self.folder)
        with folder.scratch() as path:
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
                for part in parts:
                    writer.write_batch(part)
            folder.adopt(path, _rows_name(number))


@dataclass(frozen=True)
class ScratchRows:
    """The rows that the tasks of these numbers left in a sink. Files are open one at a time, however many there are."""

    sink: RowsSink
    numbers: tuple[int, ...]

    def bucket(self, number: int, schema: pa.Schema) -> pa.Table:
        """The rows of a bucket, of all tasks."""
        batches = []
        for task in self.numbers:
            with pa.OSFile(str(self.sink.file(task))) as file, pa.ipc.open_file(file) as reader:
                batches.append(reader.get_batch(number))
        return pa.Table.from_batches(batches, schema=schema)

    def of_homes(self, first: int, last: int) -> pa.Table:
        """The rows of documents whose home is one of the shards from `first` to `last`."""
        return pa.concat_tables([_between(self.sink.file(task), first, last) for task in self.numbers])


def _between(file: Path, first: int, last: int) -> pa.Table:
    with pa.memory_map(str(file)) as source, pa.ipc.open_file(source) as reader:
        rows = reader.get_batch(0)
        start, end = np.searchsorted(rows.column("shard").to_numpy(), [first, last + 1])
        return pa.Table.from_batches([rows.take(pa.array(np.arange(start, end)))])  # a copy: the file is closed


ROWS = ".arrow"


def _rows_name(number: int) -> str:
    return f"{number:05d}{ROWS}"


@dataclass(frozen=True)
class RowsTask:
    """Rows `number` of a phase: base, stages, sink."""

    name: str
    number: int
    base: Base
    stages: tuple[Stage, ...]
    sink: Sink

    def run(self, report: Callable[[int], None]) -> None:
        """Does the work."""
        step, schema = fuse(self.stages, self.base.schema)

        def told() -> Iterator[pa.RecordBatch]:
            for batch in self.base.batches():
                for out in step(batch):
                    report(out.num_rows)
                    yield out

        self.sink.write(self.number, told(), schema)


def pruned(schema: pa.Schema, stages: Sequence[Stage]) -> pa.Schema:
    """The columns that the stages need, where a projection among them makes the others needless."""
    for number, stage in enumerate(stages):
        if stage.rows == "project":
            wanted = {"id", "shard", "row", "dropped_by", "drop_reason", "fault"}
            wanted |= {field.name for earlier in stages[: number + 1] for field in earlier.reads}
            return pa.schema([field for field in schema if field.name in wanted])
    return schema
