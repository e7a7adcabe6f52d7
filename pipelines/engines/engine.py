"""What an engine is: it schedules a plan over its inputs and leaves committed shards; it decides nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from corpus.plan import Plan
from corpus.shards import ShardWriter
from corpus.splits import Split


class Progress(Protocol):
    """Is told that `done` of `total` pieces of a phase are done, how many units went through it so far, and a note."""

    def __call__(
        self, phase: str, done: int, total: int, units: int, unit: str = "documents", note: str = ""
    ) -> None: ...


@dataclass(frozen=True)
class StoredShard:
    """A committed shard of an artifact: its number, the path of its kept documents, their count."""

    shard: int
    path: str
    rows: int


Inputs = Mapping[str, Sequence[Split] | Sequence[StoredShard]]
"""What each `Read` of a plan reads, by its name."""


class Engine(Protocol):
    """Promise: the same plan over the same inputs gives the same files, whichever engine and however many workers."""

    def run(self, plan: Plan, inputs: Inputs, writer: ShardWriter, progress: Progress) -> Sequence[int]:
        """The numbers of the shards of the plan's result, each committed through the writer."""
