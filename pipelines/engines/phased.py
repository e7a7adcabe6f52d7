"""An engine of phases: independent tasks, one per shard or bucket, with files of rows in a scratch folder between them.

Whoever can run tasks that may be done twice (a pool of processes, datatrove's executors) runs plans this way.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

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
    schema_of,
    strands,
    title,
)
from corpus.shards import ShardWriter
from corpus.stage import Stage
from pipelines.engines.engine import Inputs, Progress, Usage
from pipelines.engines.pool import Task
from pipelines.engines.tasks import (
    AttachFrom,
    Base,
    BucketBase,
    ComponentsBase,
    RowsSink,
    RowsTask,
    ScratchRows,
    Sink,
    StoreSink,
    attaching,
    pruned,
    read_base,
)


class Crew(Protocol):
    """Who does the work."""

    @property
    def usage(self) -> Usage:
        """What it has cost so far."""

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[int, int]]:
        """Runs every task, in any order; yields (tasks just finished, documents just gone through)."""


@dataclass(frozen=True)
class PhasedEngine:
    """Runs plans with a crew. `scratch` is a folder that all of the crew see, for rows between phases, a part for each
    artifact: what a killed run left there under the same fingerprint is used again, under another it is taken away."""

    crew: Crew
    scratch: Path

    @property
    def usage(self) -> Usage:
        """What the crew has cost so far."""
        return self.crew.usage

    def run(self, plan: Plan, inputs: Inputs, writer: ShardWriter, progress: Progress) -> Sequence[int]:
        """The shard numbers of the result, each committed."""
        documents_at_home(plan)
        own = self.scratch / fingerprint(writer.folder.url)[:16]  # the holder of the artifact's lease is alone in here
        scratch = own / writer.fingerprint[:16]
        for stale in set(own.glob("*")) - {scratch}:
            shutil.rmtree(stale, ignore_errors=True)
        run = _Run(self.crew, inputs, scratch, progress)
        shards = run.phase(plan, StoreSink(writer), writer.folder.url.rsplit("/", 2)[-2])
        shutil.rmtree(own, ignore_errors=True)
        return shards


@dataclass(frozen=True)
class _Run:
    crew: Crew
    inputs: Inputs
    scratch: Path
    progress: Progress

    def phase(self, plan: Plan, sink: Sink, name: str) -> list[int]:
        """Brings the plan's rows into the sink; the numbers of its tasks. What they need is made if one is not done."""
        sources = strands(plan)
        numbers = self._numbers([node for node, _ in sources])
        open_ = set(numbers) - sink.finished()
        done, documents = len(numbers) - len(open_), 0
        tasks: list[RowsTask] = []
        if open_:
            work = [todo for node, links in sources for todo in self._work(node, links)]
            todos = zip(numbers, work, strict=True)
            tasks = [RowsTask(f"{name}, shard {n}", n, *todo, sink) for n, todo in todos if n in open_]
        self.progress(name, done, len(numbers), documents)
        for n_tasks, n_documents in self.crew.run(tasks):
            done, documents = done + n_tasks, documents + n_documents
            self.progress(name, done, len(numbers), documents)
        return numbers

    def _rows(self, plan: Plan, key: str | None = None, n_buckets: int = 1) -> ScratchRows:
        """The plan's rows in scratch."""
        digest = fingerprint([described(plan), key, n_buckets])[:16]
        sink = RowsSink(str(self.scratch / digest), key, n_buckets)
        return ScratchRows(sink, tuple(self.phase(plan, sink, title(plan))))

    def _attach(self, node: Attach) -> AttachFrom:
        return attaching(node, self._rows(node.verdicts))

    def _work(self, node: Plan, links: Sequence[Map | Attach]) -> list[tuple[Base, tuple[Stage, ...]]]:
        """What each task of a node does."""
        steps = tuple(link.stage if isinstance(link, Map) else self._attach(link) for link in links)
        return [(base, steps) for base in self._bases(node, steps)]

    def _numbers(self, nodes: Sequence[Plan]) -> list[int]:
        """The numbers of the tasks: those of the node's shards, or, where shards of several nodes would have the same,
        any."""
        numbers = [self._numbers_of(node) for node in nodes]
        return numbers[0] if len(numbers) == 1 else list(range(sum(map(len, numbers))))

    def _numbers_of(self, node: Plan) -> list[int]:
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
                wanted = pruned(schema, steps)
                return [read_base(item, wanted) for item in self.inputs[name]]
            case Reduce() | Group():
                by = node.key if isinstance(node, Reduce) else node.stage.key
                rows = self._rows(node.source, by, node.buckets)
                reads, schema = schema_of(node.source), schema_of(node)
                return [BucketBase(rows, bucket, node, reads, schema) for bucket in range(node.buckets)]
            case Components(edges):
                return [ComponentsBase(self._rows(edges), schema_of(edges), schema_of(node))]
            case _:
                raise AssertionError(f"{node} is narrow")
