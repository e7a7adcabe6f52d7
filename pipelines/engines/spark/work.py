"""What executors do: tasks of the reference engine's own kind, called by their numbers through `mapInArrow`."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from corpus.stage import Stage, fuse
from pipelines.engines.engine import cost_since, cpu_seconds
from pipelines.engines.spark.columns import Batches, Step
from pipelines.engines.tasks import Base, RowsTask, Sink
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


def shards_written(bases: Any, steps: tuple[Stage, ...], sink: Sink, name: str, shared: Shared) -> Step:
    """Numbers in, `bases` being a broadcast of (number, base); writes each one's rows into the sink, and says DONE."""

    def work(batches: Batches) -> Batches:
        shared.begin()
        for number, base in _called(batches, bases):
            before = cpu_seconds()
            RowsTask(f"{name}, shard {number}", number, base, steps, sink).run(shared.documents.add)
            shared.tasks.add(1)
            cost = cost_since(before)
            columns = [[number], [cost.cpu_seconds], [cost.peak_rss]]
            yield pa.RecordBatch.from_arrays(
                [pa.array(c, f.type) for c, f in zip(columns, DONE, strict=True)], schema=DONE
            )

    return work


def rows_read(bases: Any, steps: tuple[Stage, ...], shared: Shared) -> Step:
    """Numbers in, the rows of their bases through the stages out."""

    def work(batches: Batches) -> Batches:
        shared.begin()
        for _, base in _called(batches, bases):
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


def _called(batches: Iterator[pa.RecordBatch], bases: Any) -> Iterator[tuple[int, Base]]:
    for batch in batches:
        for place in batch.column(0).to_pylist():
            yield bases.value[place]
