"""How near-deduplication grows with the number of documents, on the local engine and on Spark, two workers each."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from planted_pages import write_pages
from process_tree import DRIVER, JVM, WORKER, Cost, cost_of
from spark_events import settings, written

JOB = Path(__file__).with_name("near_dedup_job.py")
LOCAL, SPARK = "local", "spark"
WORKERS = 2
START_DOCUMENTS = 200
"""What the run has that stands for start-up: all phases, next to no rows."""
MB = 1e6


@dataclass(frozen=True)
class Run:
    """One run: what it cost from outside, and what the job and Spark's log said of it."""

    cost: Cost
    told: Mapping[str, Any]


@dataclass(frozen=True)
class Measured:
    """The runs of an engine over so many documents."""

    n_documents: int
    engine: str
    runs: Sequence[Run]

    def of_cost(self, name: str) -> float:
        """The median of a figure that was taken from outside."""
        return float(median(getattr(run.cost, name) for run in self.runs))

    def of_told(self, name: str) -> float:
        """The median of a figure that the job told."""
        return float(median(run.told[name] for run in self.runs))

    def most(self, role: str) -> int:
        """The most memory that one process of this role had."""
        return max(run.cost.rss.get(role, 0) for run in self.runs)


def measured(sizes: Sequence[int], shard_rows: int, rounds: int, spark_settings: Sequence[str]) -> list[Measured]:
    """Each size on both engines by turns, the start-up first; exits where they do not write the same shards."""
    found = []
    for n_documents in (START_DOCUMENTS, *sorted(sizes)):
        runs: dict[str, list[Run]] = {LOCAL: [], SPARK: []}
        with TemporaryDirectory() as place:
            rows = shard_rows if n_documents > START_DOCUMENTS else START_DOCUMENTS // WORKERS
            files = write_pages(Path(place) / "pages", n_documents, rows)
            expected: dict[str, bytes] = {}
            for engine in (LOCAL, SPARK) * rounds:
                with TemporaryDirectory(dir=place) as work:
                    runs[engine].append(_run(engine, files, Path(work), spark_settings))
                    shards = {path.name: path.read_bytes() for path in Path(work).glob("job/corpus/commits/*/*.json")}
                expected = expected or shards
                if not shards or shards != expected:
                    sys.exit(f"{engine}: of {n_documents:,} documents other shards than {LOCAL} made")
                print(f"{engine}, {n_documents:,}: {runs[engine][-1]}", file=sys.stderr)
        found += [Measured(n_documents, engine, done) for engine, done in runs.items()]
    return found


def _run(engine: str, files: Path, work: Path, spark_settings: Sequence[str]) -> Run:
    log_folder, out = work / "events", work / "told.json"
    log_folder.mkdir()
    sets = [*settings(log_folder), *spark_settings] if engine == SPARK else []
    command = [sys.executable, JOB, files, work / "job", out, engine, WORKERS, *sets]
    cost = cost_of(command, work / "log")
    told = json.loads(out.read_text())
    if engine == SPARK:
        events = written(log_folder)
        told |= {"shuffle_bytes": events.shuffle_bytes, "spill_bytes": events.spill_bytes, "n_tasks": events.n_tasks}
    else:
        told |= {"shuffle_bytes": told["scratch_bytes"], "spill_bytes": 0, "n_tasks": 0}  # its shuffle is its scratch
    return Run(cost, told)


def table(found: Sequence[Measured]) -> str:
    """A line for each size and engine, then how the figures grow."""
    lines = [
        "| documents (left) | engine | wall s | net of start-up | CPU s | net | documents/s/core, net | shuffle MB "
        "| scratch MB, at most | spilled MB | rounds | memory of all, MB | driver | JVM | one worker |",
        "|---:|---|" + "---:|" * 13,
    ]
    starts = {one.engine: one for one in found if one.n_documents == START_DOCUMENTS}
    lines += [_line(one, starts[one.engine]) for one in found]
    lines += [
        "",
        "| growth: exponent of | engine | wall, net | CPU, net | shuffle | memory of all | one worker | JVM |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for engine in (LOCAL, SPARK):
        sizes = [one for one in found if one.engine == engine and one.n_documents > START_DOCUMENTS]
        lines += [_growth(less, more, starts[engine]) for less, more in pairwise(sizes)]
    return "\n".join(lines)


def _line(one: Measured, start: Measured) -> str:
    wall, cpu = one.of_cost("wall_seconds"), one.of_cost("cpu_seconds")
    net_wall, net_cpu = wall - start.of_cost("wall_seconds"), cpu - start.of_cost("cpu_seconds")
    is_start = one.n_documents == START_DOCUMENTS
    speed = "" if is_start else f"{(one.n_documents - START_DOCUMENTS) / net_cpu:,.0f}"
    cells = [
        f"{'start-up: ' if is_start else ''}{one.n_documents:,} ({one.of_told('kept'):,.0f})",
        one.engine,
        f"{wall:.1f}",
        "" if is_start else f"{net_wall:.1f}",
        f"{cpu:.1f}",
        "" if is_start else f"{net_cpu:.1f}",
        speed,
        *(f"{one.of_told(name) / MB:,.1f}" for name in ("shuffle_bytes", "scratch_bytes", "spill_bytes")),
        f"{one.of_told('rounds'):.0f}" if one.engine == SPARK else "",
        f"{one.of_cost('pss') / MB:,.0f}",
        *(f"{one.most(role) / MB:,.0f}" if one.most(role) else "" for role in (DRIVER, JVM, WORKER)),
    ]
    return f"| {' | '.join(cells)} |"


def _growth(less: Measured, more: Measured, start: Measured) -> str:
    """The exponents e of n^e that lead from one size to the next."""
    net = [
        (one.of_cost(name) - start.of_cost(name) for one in (less, more)) for name in ("wall_seconds", "cpu_seconds")
    ]
    told = (one.of_told("shuffle_bytes") for one in (less, more))
    memory = [
        (one.of_cost("pss") for one in (less, more)),
        *((float(one.most(role)) for one in (less, more)) for role in (WORKER, JVM)),
    ]
    exponents = [exponent(less.n_documents, more.n_documents, *pair) for pair in (*net, told, *memory)]
    cells = ["" if e is None else f"{e:.2f}" for e in exponents]
    return f"| {less.n_documents:,} to {more.n_documents:,} | {less.engine} | {' | '.join(cells)} |"


def exponent(n_less: float, n_more: float, less: float, more: float) -> float | None:
    """The e with (n_more / n_less)^e = more / less; None where a figure is not above zero."""
    return log(more / less) / log(n_more / n_less) if less > 0 and more > 0 else None
