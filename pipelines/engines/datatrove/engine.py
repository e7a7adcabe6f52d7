"""The engine of phases with datatrove's executors as its crew."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from corpus.plan import Plan
from corpus.shards import ShardWriter
from pipelines.engines.datatrove.crew import DatatroveCrew
from pipelines.engines.datatrove.settings import DatatroveSettings
from pipelines.engines.engine import Circumstances, Inputs, Progress, Usage
from pipelines.engines.phased import PhasedEngine
from pipelines.engines.versions import Environment, modules_of


@contextmanager
def opened(here: Circumstances) -> Iterator["DatatroveEngine"]:
    """The engine, for as long as the block lasts."""
    settings = DatatroveSettings.parsed(here.settings)
    scratch = Path(settings.folder) if settings.folder else here.scratch
    yield DatatroveEngine(DatatroveCrew(settings, here.workers, scratch / "datatrove"), scratch)


@dataclass(frozen=True)
class DatatroveEngine:
    """Runs plans in phases; the nodes must have what the driver has, a user's own modules in the plan included."""

    crew: DatatroveCrew
    scratch: Path

    @property
    def usage(self) -> Usage:
        """What the ranks have cost so far."""
        return self.crew.usage

    def run(self, plan: Plan, inputs: Inputs, writer: ShardWriter, progress: Progress) -> Sequence[int]:
        """The shard numbers of the result, each committed."""
        self.crew.environment = Environment.here(modules_of(plan))
        return PhasedEngine(self.crew, self.scratch).run(plan, inputs, writer, progress)
