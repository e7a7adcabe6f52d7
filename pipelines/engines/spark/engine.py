"""The Spark engine: shards are tasks of `mapInArrow`, Spark shuffles key rows, verdicts come home as small files.

Documents are read and written by fsspec inside the tasks, so object stores need no jars. Rows between phases lie beside
the artifact, in run/scratch, on the same store: a driver that is started again goes on from them, and an executor that
is lost takes nothing with it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from corpus.canonical import fingerprint
from corpus.plan import (
    Attach,
    Components,
    Group,
    Map,
    Plan,
    Read,
    Reduce,
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
from pipelines.engines.spark.columns import column, mapped
from pipelines.engines.spark.components import components
from pipelines.engines.spark.jobs import watched
from pipelines.engines.spark.preflight import require_agreement
from pipelines.engines.spark.session import session
from pipelines.engines.spark.settings import SparkSettings
from pipelines.engines.spark.verdicts import Verdicts
from pipelines.engines.spark.wide import grouped, reduced
from pipelines.engines.spark.work import DONE, Shared, rows_mapped, rows_read, shards_written
from pipelines.engines.tasks import Base, Sink, StoreSink, attaching, pruned, read_base
from pipelines.engines.versions import Environment, modules_of

T = TypeVar("T")
CALL = pa.schema([("id", pa.int64())])
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
            (everything / stale).discard()
        run = _Run(self.spark, inputs, scratch, progress, Environment.here(modules_of(plan)))
        try:
            numbers = run.stored(plan, StoreSink(writer), writer.folder.url.rsplit("/", 2)[-2])
        finally:
            self.usage += run.usage
            for told in run.told:
                told.destroy()
        everything.discard()
        return numbers


@dataclass
class _Run:
    spark: SparkSession
    inputs: Inputs
    scratch: Folder
    progress: Progress
    driver: Environment
    usage: Usage = field(default_factory=Usage)
    told: list[Any] = field(default_factory=list)

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
        calls, bases = self._calls(node, steps, open_)
        frame = mapped(calls, shards_written(bases, steps, sink, name, shared), CALL, DONE)
        for row in watched(self.spark, frame.collect, shared, self.progress, name, done, len(numbers)):
            self.usage += Usage(row["cpu_seconds"], row["peak_rss"])
        return numbers

    def _rows(self, plan: Plan) -> DataFrame:
        """The plan's rows, in no order."""
        node, links = narrow(plan)
        steps, schema, shared = self._steps(links), schema_of(node), self._shared()
        match node:
            case Read():
                calls, bases = self._calls(node, steps, None)
                return mapped(calls, rows_read(bases, steps, shared), CALL, schema_of(plan))
            case Reduce(source):
                rows = reduced(self._rows(source), node, schema)
            case Group(source):
                rows = grouped(self._rows(source), node, schema)
            case Components(edges):
                rows = self._components(edges)
            case _:
                raise AssertionError(f"{node} is narrow")
        return mapped(rows, rows_mapped(steps, schema, shared), schema, schema_of(plan)) if steps else rows

    def _components(self, edges: Plan) -> DataFrame:
        folder = self.scratch / fingerprint(described(edges))[:16]

        def said(number: int, n_edges: int) -> None:
            self.progress("components", number, number + 1, n_edges, "edges")

        return components(self.spark, folder, lambda: self._rows(edges), said)

    def _steps(self, links: Sequence[Map | Attach]) -> tuple[Stage, ...]:
        return tuple(
            link.stage if isinstance(link, Map) else attaching(link, self._verdicts(link.verdicts)) for link in links
        )

    def _verdicts(self, plan: Plan) -> Verdicts:
        folder, schema = self.scratch / fingerprint(described(plan))[:16], schema_of(plan)
        if (there := verdicts.known(folder, schema)) is not None:
            return there

        def made() -> list[tuple[str, list[int]]]:
            rows = self._rows(plan).repartition(column("shard")).sortWithinPartitions(column("shard"), column("row"))
            files = mapped(rows, verdicts.written(folder, schema), schema, verdicts.WRITTEN).collect()
            return [(row["file"], list(row["shards"])) for row in files]

        return verdicts.recorded(folder, self._watched(made, title(plan)), schema)

    def _watched(self, action: Callable[[], T], name: str) -> T:
        return watched(self.spark, action, self._shared(), self.progress, name, 0, 0)

    def _calls(self, node: Read, steps: tuple[Stage, ...], open_: set[int] | None) -> tuple[DataFrame, Any]:
        """Places in a broadcast of (number, base), one for each open shard of the input."""
        schema = pruned(node.schema, steps)
        items = [item for item in self.inputs[node.name] if open_ is None or item.shard in open_]
        bases: list[tuple[int, Base]] = [(item.shard, read_base(item, schema)) for item in items]
        self.told.append(self.spark.sparkContext.broadcast(bases))
        return self.spark.range(0, len(bases), 1, max(min(len(bases), MAX_TASKS), 1)), self.told[-1]

    def _shared(self) -> Shared:
        context = self.spark.sparkContext
        return Shared(self.driver, context.accumulator(0), context.accumulator(0))
