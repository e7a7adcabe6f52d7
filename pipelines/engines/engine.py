"""What an engine is: it schedules a plan over its inputs and leaves committed shards; it decides nothing else."""

import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from corpus.plan import Plan
from corpus.shards import ShardWriter
from corpus.splits import Split


class Progress(Protocol):
    """Is told that `done` of `total` pieces of a phase are done, how many units went through it so far, and a note."""

    def __call__(
        self, phase: str, done: int, total: int, units: int, unit: str = "documents", note: str = ""
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The kept documents of a committed shard: its number, the file's path, its documents, its bytes."""

    number: int
    path: str
    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class StoredShard:
    """Stored documents that become one shard, file after file."""

    shard: int
    files: tuple[StoredFile, ...]


Inputs = Mapping[str, Sequence[Split] | Sequence[StoredShard]]
"""What each `Read` of a plan reads, by its name."""


@dataclass(frozen=True)
class Usage:
    """What the work cost so far: CPU seconds of all processes, and the most memory (bytes) that one of them held."""

    cpu_seconds: float = 0.0
    peak_rss: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.cpu_seconds + other.cpu_seconds, max(self.peak_rss, other.peak_rss))


def cpu_seconds() -> float:
    """What this process and its children that have ended took so far."""
    return sum(usage.ru_utime + usage.ru_stime for usage in _usages())


def cost_since(before: float) -> Usage:
    """What came since `cpu_seconds()` was `before`, and the most memory that the process or a child ever held."""
    return Usage(cpu_seconds() - before, max(usage.ru_maxrss for usage in _usages()) * 1024)  # ru_maxrss is in KiB


def _usages() -> list[resource.struct_rusage]:
    return [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]


@dataclass(frozen=True)
class Circumstances:
    """Where an engine is opened: how many workers were asked for, its own settings as "key=value", a folder for rows
    between phases, and whom to tell lines for the record. None of it may show in what is built."""

    workers: int
    settings: Sequence[str]
    scratch: Path
    told: Callable[[str], None]


class Engine(Protocol):
    """Promise: the same plan over the same inputs gives the same files, whichever engine and however many workers."""

    @property
    def usage(self) -> Usage:
        """What its workers have cost so far."""

    def run(self, plan: Plan, inputs: Inputs, writer: ShardWriter, progress: Progress) -> Sequence[int]:
        """The numbers of the shards of the plan's result, each committed through the writer."""
