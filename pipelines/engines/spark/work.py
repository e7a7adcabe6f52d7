"""What executors do: tasks of the reference engine's own kind, called by their numbers through `mapInArrow`."""

import pickle
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from corpus.splits import Split
from corpus.stage import Stage, fuse
from pipelines.engines.engine import StoredShard, cost_since, cpu_seconds
from pipelines.engines.spark.columns import Batches, Step
from pipelines.engines.tasks import RowsTask, Sink, read_base
from pipelines.engines.versions import Environment, agree

DONE = pa.schema([("number", pa.int64()), ("cpu_seconds", pa.float64()), ("peak_rss", pa.int64())])


@dataclass(frozen=True)
class Shared:
    """What every task of a phase has: the driver's environment, to be agreed with before work, and counters of finished
    tasks and of documents."""

    driver: Environment
    tasks: Any
    documents: Any

    def begin(self) -> None:
        """ConfigError when this process is not like the driver."""
        agree(self.driver, socket.gethostname())


def shards_written(schema: pa.Schema, steps: tuple[Stage, ...], sink: Sink, name: str, shared: Shared) -> Step:
    """Pickled shards of an input in; each one's rows go through the stages into the sink, and DONE comes out."""

    def work(batches: Batches) -> Batches:
        shared.begin()
        for item in _items(batches):
            before = cpu_seconds()
            base = read_base(item, schema)
            RowsTask(f"{name}, shard {item.shard}", item.shard, base, steps, sink).run(shared.documents.add)
            shared.tasks.add(1)
            cost = cost_since(before)
            told = {"number": item.shard, "cpu_seconds": cost.cpu_seconds, "peak_rss": cost.peak_rss}
            yield pa.RecordBatch.from_pylist([told], schema=DONE)

    return work


def rows_read(schema: pa.Schema, steps: tuple[Stage, ...], shared: Shared) -> Step:
    """Pickled shards of an input in, their rows through the stages out."""

    def work(batches: Batches) -> Batches:
        shared.begin()
        for item in _items(batches):
            base = read_base(item, schema)
            step, _ = fuse(steps, base.schema)
            for batch in base.batches():
                for out in step(batch):
                    shared.documents.add(out.num_rows)
                    yield out

    return work


def rows_mapped(steps: tuple[Stage, ...], schema: pa.Schema, shared: Shared) -> Step:
    """Rows in, rows through the stages out."""

    def work(batches: Batches) -> Batches:
        shared.begin()
        step, _ = fuse(steps, schema)
        for batch in batches:
            yield from step(batch)

    return work


def _items(batches: Batches) -> Iterator[Split | StoredShard]:
    for batch in batches:
        for item in batch.column(0).to_pylist():
            yield pickle.loads(item)  # noqa: S301  the driver's own
