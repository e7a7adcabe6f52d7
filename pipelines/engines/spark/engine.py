"""The Spark engine: shards are tasks of `mapInArrow`, Spark shuffles key rows, verdicts come home as small files.

Documents are read and written by fsspec inside the tasks, so object stores need no jars. Rows between phases lie beside
the artifact, in run/scratch, on the same store: a driver that is started again goes on from them, and an executor that
is lost takes nothing with it.
"""

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from typing import TypeVar

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from corpus.canonical import fingerprint
from corpus.lease import Lease
from corpus.plan import (
    Attach,
    Components,
    Group,
    Map,
    Plan,
    Read,
    Reduce,
    Union,
    described,
    documents_at_home,
    narrow,
    schema_of,
    title,
)
from corpus.shards import ShardWriter
from corpus.stage import Stage
from corpus.storage import Folder
from pipelines.engines.engine import Circumstances, Inputs, Progress, Usage
from pipelines.engines.spark import verdicts
from pipelines.engines.spark.columns import column, mapped, spark_schema
from pipelines.engines.spark.components import components
from pipelines.engines.spark.jobs import Told, watched
from pipelines.engines.spark.preflight import require_agreement
from pipelines.engines.spark.session import session
from pipelines.engines.spark.settings import SparkSettings
from pipelines.engines.spark.verdicts import Verdicts
from pipelines.engines.spark.wide import grouped, reduced
from pipelines.engines.spark.work import DONE, Shared, rows_mapped, rows_read, shards_written
from pipelines.engines.tasks import Sink, StoreSink, attaching, pruned
from pipelines.engines.versions import Environment, modules_of

T = TypeVar("T")
ITEM = pa.schema([("item", pa.binary())])
MAX_TASKS = 20_000
"""Of a phase; with more shards a task has several of them. The driver keeps about a kilobyte of each."""


@contextmanager
def opened(here: Circumstances) -> Iterator["SparkEngine"]:
    """The engine with its session, for as long as the block lasts."""
    with session(SparkSettings.of(here.settings), here.workers) as spark:
        context = spark.sparkContext
        here.told(f"Spark {spark.version} on {context.master}, its pages at {context.uiWebUrl or 'nowhere: off'}")
        yield SparkEngine(spark)


@dataclass
class SparkEngine:
    """Runs plans in a session. Its usage is that of the executors' Python, without Spark's own."""

    spark: SparkSession
    usage: Usage = field(default_factory=Usage)

    def run(self, plan: Plan, inputs: Inputs, writer: ShardWriter, progress: Progress) -> Sequence[int]:
        """The shard numbers of the result, each committed."""
        documents_at_home(plan)
        require_agreement(self.spark, plan)
        everything = writer.folder / "run" / "scratch"
        scratch = everything / writer.fingerprint[:16]
        for stale in set(everything.names("directory")) - {writer.fingerprint[:16]}:
            writer.lease.check()
            (everything / stale).discard()
        run = _Run(self.spark, inputs, scratch, progress, Environment.here(modules_of(plan)), writer.lease)
        try:
            numbers = run.stored(plan, StoreSink(writer), writer.folder.url.rsplit("/", 2)[-2])
        finally:
            self.usage += run.usage
        writer.lease.check()
        everything.discard()
        return numbers


@dataclass
class _Run:
    spark: SparkSession
    inputs: Inputs
    scratch: Folder
    progress: Progress
    driver: Environment
    lease: Lease
    usage: Usage = field(default_factory=Usage)
    note: str = ""

    def stored(self, plan: Plan, sink: Sink, name: str) -> list[int]:
        """Brings the plan's documents into the sink; the numbers of its shards."""
        node, links = narrow(plan)
        assert isinstance(node, Read)
        numbers = [item.shard for item in self.inputs[node.name]]
        open_ = set(numbers) - sink.finished()
        done = len(numbers) - len(open_)
        if not open_:
            self.progress(name, done, done, 0)
            return numbers
        steps, shared = self._steps(links), self._shared()
        work = shards_written(pruned(node.schema, steps), steps, sink, name, shared)
        frame = mapped(self._items(node, open_), work, ITEM, DONE)
        for row in watched(self.spark, frame.collect, shared, self._told(name, done, len(numbers))):
            self.usage += Usage(row["cpu_seconds"], row["peak_rss"])
        return numbers

    def _rows(self, plan: Plan) -> DataFrame:
        """The plan's rows, in no order."""
        node, links = narrow(plan)
        steps, schema, shared = self._steps(links), schema_of(node), self._shared()
        match node:
            case Read():
                work = rows_read(pruned(node.schema, steps), steps, shared)
                return mapped(self._items(node, None), work, ITEM, schema_of(plan))
            case Reduce(source):
                rows = reduced(self._rows(source), node, schema)
            case Group(source):
                rows = grouped(self._rows(source), node, schema)
            case Components(edges):
                rows = self._components(edges)
            case Union(parts):
                rows = reduce(DataFrame.union, map(self._rows, parts))
            case _:
                raise AssertionError(f"{node} is narrow")
        return mapped(rows, rows_mapped(steps, schema, shared), schema, schema_of(plan)) if steps else rows

    def _components(self, edges: Plan) -> DataFrame:
        folder = self.scratch / fingerprint(described(edges))[:16]

        def said(number: int, n_edges: int) -> None:
            self.lease.check()  # what is taken away next may be what a newer run reads
            self.note = f"round {number}: {n_edges:,} edges"

        return components(self.spark, folder, lambda: self._rows(edges), said)

    def _steps(self, links: Sequence[Map | Attach]) -> tuple[Stage, ...]:
        return tuple(
            link.stage if isinstance(link, Map) else attaching(link, self._verdicts(link.verdicts)) for link in links
        )

    def _verdicts(self, plan: Plan) -> Verdicts:
        folder, schema = self.scratch / fingerprint(described(plan))[:16], schema_of(plan)
        if (there := verdicts.known(folder, schema)) is not None:
            return there

        def made() -> list[verdicts.File]:
            rows = self._rows(plan).repartitionByRange(column("shard")).sortWithinPartitions("shard", "row")
            files = mapped(rows, verdicts.written(folder, schema), schema, verdicts.WRITTEN).collect()
            return [(row["last"], row["first"], row["file"]) for row in files]

        return verdicts.recorded(folder, self._watched(made, title(plan)), schema)

    def _watched(self, action: Callable[[], T], name: str) -> T:
        self.note = ""
        return watched(self.spark, action, self._shared(), self._told(name, 0, 0))

    def _told(self, name: str, done: int, total: int) -> Told:
        """How the counters are shown: those of our own tasks, after `done` of `total`, or Spark's where total is 0."""

        def told(n_ours: int, n_sparks: int, of_sparks: int, documents: int) -> None:
            at, of = (done + min(n_ours, total - done), total) if total else (n_sparks, max(of_sparks, 1))
            self.progress(name, at, of, documents, note=self.note)

        return told

    def _items(self, node: Read, open_: set[int] | None) -> DataFrame:
        """The open shards of the input, pickled, a task for each while these are not too many."""
        items = [item for item in self.inputs[node.name] if open_ is None or item.shard in open_]
        rows = [(bytearray(pickle.dumps(item)),) for item in items]
        sliced = self.spark.sparkContext.parallelize(rows, max(min(len(rows), MAX_TASKS), 1))
        return self.spark.createDataFrame(sliced, spark_schema(ITEM), verifySchema=False)

    def _shared(self) -> Shared:
        context = self.spark.sparkContext
        return Shared(self.driver, context.accumulator(0), context.accumulator(0))
