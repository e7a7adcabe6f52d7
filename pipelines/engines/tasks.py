"""The work of the local engine's processes: rows from a base through fused stages into a sink.

A base yields batches (a split, a stored shard, one bucket of a shuffle); a sink takes them (a committed shard, or a
file of rows in the scratch folder that a later task reads). All are plain values and travel to the workers.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from corpus.errors import DataError
from corpus.parquet import read_batches
from corpus.plan import Group, Reduce
from corpus.schema import align
from corpus.shards import ShardWriter
from corpus.splits import SPLIT, Split
from corpus.stage import Opened, Stage, fuse
from corpus.storage import Folder
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
    """The columns of `schema` of a stored shard; the marks are null there."""

    stored: StoredShard
    schema: pa.Schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The shard's rows in order; DataError when they are not as many as were committed."""
        columns = [name for name in self.schema.names if name not in ("dropped_by", "drop_reason", "fault")]
        n_rows = 0
        for batch in read_batches(self.stored.path, columns):
            n_rows += batch.num_rows
            yield align(batch, self.schema)
        if n_rows != self.stored.rows:
            raise DataError(
                f"{self.stored.path} has {n_rows} rows, but its manifest says {self.stored.rows}; "
                f"run `millstream verify`"
            )


@dataclass(frozen=True)
class BucketBase:
    """One bucket of a shuffle, reduced or grouped."""

    files: tuple[str, ...]
    bucket: int
    node: Reduce | Group
    reads: pa.Schema
    schema: pa.Schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The bucket's rows, in (key, order)."""
        table = pa.Table.from_batches([_batch_of(file, self.bucket) for file in self.files], schema=self.reads)
        if isinstance(self.node, Reduce):
            done = reduced(table, self.node, self.schema)
        else:
            done = grouped(table, self.node.stage.key, self.node.stage.open(), self.schema)
        yield from done.to_batches(max_chunksize=BATCH_ROWS)


@dataclass(frozen=True)
class ComponentsBase:
    """All edges, as labels."""

    files: tuple[str, ...]
    schema: pa.Schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """One row per id, in (shard, row)."""
        edges = pa.Table.from_batches([_batch_of(file, 0) for file in self.files], schema=self.schema)
        yield from component_labels(edges).to_batches(max_chunksize=BATCH_ROWS)


@dataclass(frozen=True)
class AttachFrom:
    """The Attach node as a stage: verdict files, each sorted by (shard, row), joined to one shard's batches."""

    files: tuple[str, ...]
    writes: pa.Schema
    reasons: frozenset[str]
    name: ClassVar[str] = "attach"
    version: ClassVar[int] = 1
    reads: ClassVar[pa.Schema] = pa.schema([("shard", pa.int32()), ("row", pa.int64())])
    drops: ClassVar[frozenset[str]] = frozenset()
    rows: ClassVar[Literal["same"]] = "same"
    guarded: ClassVar[bool] = False

    def open(self) -> Opened:
        """Maps the verdict files; a shard's rows are found by bisection."""
        tables = [_mapped(file) for file in self.files]

        def join(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            shard = batch.column("shard")[0].as_py() if batch.num_rows else -1
            verdicts = pa.concat_tables([_of_shard(table, shard) for table in tables])
            schema = pa.schema([*batch.schema, *(f for f in self.writes if f.name not in batch.schema.names)])
            yield attached(batch, verdicts, schema)

        return join


def _of_shard(table: pa.Table, shard: int) -> pa.Table:
    shards = table.column("shard").to_numpy()
    first, last = np.searchsorted(shards, [shard, shard + 1])
    return table.slice(first, last - first)


class Sink(Protocol):
    """Where rows go."""

    def finished(self, number: int) -> bool: ...
    def write(self, number: int, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None: ...


@dataclass(frozen=True)
class StoreSink:
    """Shards of the artifact."""

    writer: ShardWriter

    def finished(self, number: int) -> bool:
        """Whether the shard is committed."""
        return self.writer.done(number) is not None

    def write(self, number: int, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
        """Writes and commits the shard."""
        self.writer.write(number, batches, schema)


@dataclass(frozen=True)
class RowsSink:
    """Arrow files in a scratch folder: cut into `n_buckets` batches by `key`, or one batch in the order of home."""

    folder: str
    key: str | None = None
    n_buckets: int = 1

    def file(self, number: int) -> str:
        """The path of a task's rows."""
        return str(Path(self.folder) / f"{number:05d}.arrow")

    def finished(self, number: int) -> bool:
        """Whether the rows are there."""
        return Path(self.file(number)).exists()

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
            folder.adopt(path, f"{number:05d}.arrow")


@dataclass(frozen=True)
class RowsTask:
    """Rows `number` of a phase: base, stages, sink."""

    name: str
    number: int
    base: Base
    stages: tuple[Stage, ...]
    sink: Sink

    def run(self, report: Callable[[int], None]) -> None:
        """Does the work unless it is done already."""
        if self.sink.finished(self.number):
            return
        step, schema = fuse(self.stages, self.base.schema)

        def told() -> Iterator[pa.RecordBatch]:
            for batch in self.base.batches():
                for out in step(batch):
                    report(out.num_rows)
                    yield out

        self.sink.write(self.number, told(), schema)


def _mapped(file: str) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(file)).read_all()


def _batch_of(file: str, number: int) -> pa.RecordBatch:
    return pa.ipc.open_file(pa.memory_map(file)).get_batch(number)


def pruned(schema: pa.Schema, stages: Sequence[Stage]) -> pa.Schema:
    """The columns that the stages need, where a projection among them makes the others needless."""
    for number, stage in enumerate(stages):
        if stage.rows == "project":
            wanted = {"id", "shard", "row", "dropped_by", "drop_reason", "fault"}
            wanted |= {field.name for earlier in stages[: number + 1] for field in earlier.reads}
            return pa.schema([field for field in schema if field.name in wanted])
    return schema
