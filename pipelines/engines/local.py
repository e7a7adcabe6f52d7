"""The reference engine: one machine, a pool of processes, Arrow files in a scratch folder between the phases."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from corpus.canonical import fingerprint
from corpus.plan import Attach, Components, Group, Map, Plan, Read, Reduce, described, schema_of, stages
from corpus.schema import without
from corpus.shards import ShardWriter
from corpus.splits import Split
from corpus.stage import Stage
from pipelines.engines.engine import Inputs, Progress
from pipelines.engines.pool import Pool
from pipelines.engines.tasks import (
    AttachFrom,
    Base,
    BucketBase,
    ComponentsBase,
    RowsSink,
    RowsTask,
    Sink,
    SplitBase,
    StoredBase,
    StoreSink,
    pruned,
)


@dataclass(frozen=True)
class LocalEngine:
    """Runs plans in a pool's workers. `scratch` is a folder on a local disk for rows between phases, a part for each
    artifact: what a killed run left there under the same fingerprint is used again, under another it is taken away."""

    pool: Pool
    scratch: Path

    def run(self, plan: Plan, inputs: Inputs, writer: ShardWriter, progress: Progress) -> Sequence[int]:
        """The shard numbers of the result, each committed."""
        own = self.scratch / fingerprint(writer.folder.url)[:16]  # the holder of the artifact's lease is alone in here
        scratch = own / writer.fingerprint[:16]
        for stale in set(own.glob("*")) - {scratch}:
            shutil.rmtree(stale, ignore_errors=True)
        run = _Run(self.pool, inputs, scratch, progress)
        shards = run.phase(plan, StoreSink(writer), writer.folder.url.rsplit("/", 2)[-2])
        shutil.rmtree(own, ignore_errors=True)
        return shards


@dataclass(frozen=True)
class _Run:
    pool: Pool
    inputs: Inputs
    scratch: Path
    progress: Progress

    def phase(self, plan: Plan, sink: Sink, name: str) -> list[int]:
        """Brings the plan's rows into the sink; the numbers of its tasks. What they need is made if one is not done."""
        narrow: list[Map | Attach] = []
        node = plan
        while isinstance(node, Map | Attach):
            narrow.insert(0, node)
            node = node.source
        numbers = self._numbers(node)
        open_ = {number for number in numbers if not sink.finished(number)}
        done, documents = len(numbers) - len(open_), 0
        tasks: list[RowsTask] = []
        if open_:
            steps = tuple(link.stage if isinstance(link, Map) else self._attach(link) for link in narrow)
            bases = zip(numbers, self._bases(node, steps), strict=True)
            tasks = [RowsTask(f"{name}, shard {n}", n, base, steps, sink) for n, base in bases if n in open_]
        self.progress(name, done, len(numbers), documents)
        for n_tasks, n_documents in self.pool.run(tasks):
            done, documents = done + n_tasks, documents + n_documents
            self.progress(name, done, len(numbers), documents)
        return numbers

    def _rows(self, plan: Plan, key: str | None = None, n_buckets: int = 1) -> tuple[str, ...]:
        """The scratch files that hold the plan's rows."""
        digest = fingerprint([described(plan), key, n_buckets])[:16]
        sink = RowsSink(str(self.scratch / digest), key, n_buckets)
        return tuple(map(sink.file, self.phase(plan, sink, _title(plan))))

    def _attach(self, node: Attach) -> AttachFrom:
        columns = without(schema_of(node.verdicts), {"shard", "row"})
        reasons = {reason for stage in stages(node.verdicts) for reason in getattr(stage, "reasons", ())}
        return AttachFrom(self._rows(node.verdicts), columns, frozenset(reasons))

    def _numbers(self, node: Plan) -> list[int]:
        match node:
            case Read(name):
                return [item.shard for item in self.inputs[name]]
            case Reduce() | Group():
                return list(range(node.buckets))
            case _:
                return [0]

    def _bases(self, node: Plan, steps: Sequence[Stage]) -> list[Base]:
        match node:
            case Read(name, schema):
                return [
                    SplitBase(item) if isinstance(item, Split) else StoredBase(item, pruned(schema, steps))
                    for item in self.inputs[name]
                ]
            case Reduce() | Group():
                by = node.key if isinstance(node, Reduce) else node.stage.key
                files = self._rows(node.source, by, node.buckets)
                reads, schema = schema_of(node.source), schema_of(node)
                return [BucketBase(files, bucket, node, reads, schema) for bucket in range(node.buckets)]
            case Components(edges):
                return [ComponentsBase(self._rows(edges), schema_of(edges))]
            case _:
                raise AssertionError(f"{node} is narrow")


def _title(plan: Plan) -> str:
    """What the progress line calls a phase that ends in scratch."""
    match plan:
        case Map(_, stage):
            return stage.name
        case Read(name):
            return name
        case _:
            return type(plan).__name__.lower()
