"""millstream's line over a recipe, up to deduplicated documents; writes CPU seconds by step as JSON.

    python benchmarks/our_line.py RECIPE ROOT OUT.json

What `millstream run RECIPE --root ROOT --only corpus/deduped` does, with the pool's tasks in this process, so that one
clock sees them all. Only the clock is put in from outside; guarded stages fork as ever.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
from cpu_clock import CpuClock

import corpus.stage
import pipelines.engines.preload  # noqa: F401  (as the pool does: what it sets up is no stage's cost)
from corpus.shards import ShardWriter
from pipelines import commands
from pipelines.corpus_steps import DEDUPED, CorpusStep
from pipelines.engines import local, tasks
from pipelines.engines.engine import Usage
from pipelines.engines.pool import Task

START, ENGINE, REPORT = "start-up", "engine, manifests, logs", "report.html"
GUARD, STORE, JOIN = "guard: fork, hand over", "write and read between steps", "join duplicates"
ROWS = {
    "read_warc": "read WARC",
    "extract": "extract",
    "language": "language",
    "language_filter": "language",
    "c4": "C4",
    "measure": "C4",
    "url_key": "URL and exact keys",
    "exact_key": "URL and exact keys",
    "band_keys": "MinHash signatures",
}
"""What is not named here is part of the joins: shared keys, verdicts and their way home."""

Step = Callable[[pa.RecordBatch], Iterator[pa.RecordBatch]]


class InlinePool:
    """A pool without processes: its tasks run here."""

    usage = Usage()

    def __init__(self, n_workers: int) -> None:
        assert n_workers == 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return

    def run(self, work: Sequence[Task]) -> Iterator[tuple[int, int]]:
        """Runs every task, in order."""
        for task in work:
            counts: list[int] = []
            task.run(counts.append)
            yield 1, sum(counts)


def clocked(clock: CpuClock) -> None:
    """Makes stages, guards, stores, the deduplicating step and the report charge their time."""
    corpus.stage._opened = _stages_clocked(clock, corpus.stage._opened)
    corpus.stage.guard = _guard_clocked(clock, corpus.stage.guard)
    ShardWriter.write = _writer_clocked(clock, ShardWriter.write)
    CorpusStep.build = _build_clocked(clock, CorpusStep.build)
    read_batches, report = tasks.read_batches, commands.report
    tasks.read_batches = lambda *asked: clock.each(STORE, read_batches(*asked))
    commands.report = lambda root, version=None: clock.call(REPORT, report, root, version)
    local.Pool = InlinePool


def _stages_clocked(clock: CpuClock, opened: Callable[[Any], Step]) -> Callable[[Any], Step]:
    def opened_clocked(stage: Any) -> Step:
        row = ROWS.get(stage.name, JOIN)
        run = clock.call(row, opened, stage)
        return lambda batch: clock.each(row, run(batch))

    return opened_clocked


def _guard_clocked(clock: CpuClock, guard: Callable[[Step, pa.Schema], Step]) -> Callable[[Step, pa.Schema], Step]:
    def guard_clocked(step: Step, schema: pa.Schema) -> Step:
        run = guard(step, schema)
        return lambda batch: clock.each(GUARD, clock.call(GUARD, run, batch))

    return guard_clocked


def _writer_clocked(clock: CpuClock, write: Callable[..., None]) -> Callable[..., None]:
    def write_clocked(writer: ShardWriter, shard: int, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
        base = clock.switch(STORE)
        write(writer, shard, clock.each(base, batches), schema)
        clock.switch(base)

    return write_clocked


def _build_clocked(clock: CpuClock, build: Callable[..., Any]) -> Callable[..., Any]:
    return lambda step, shop: clock.call(JOIN if step.name == DEDUPED else ENGINE, build, step, shop)


def main() -> None:
    recipe, root, out = sys.argv[1:]
    clock = CpuClock([START, *dict.fromkeys(ROWS.values()), GUARD, STORE, JOIN, ENGINE, REPORT])
    clocked(clock)
    clock.call(ENGINE, commands.run, recipe, root, "local", 1, [], None, [], DEDUPED, "dev", "take-over")
    Path(out).write_text(json.dumps(clock.seconds()))


if __name__ == "__main__":
    main()
