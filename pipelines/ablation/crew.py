"""Steps that do not need each other, side by side in worker processes that may die."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from corpus.lease import WAITING, Policy
from pipelines.artifact import Place, Step
from pipelines.engines.pool import Pool
from pipelines.runner import Runner, statuses, summary
from pipelines.session import own_usage


@dataclass(frozen=True)
class StepTask:
    """A step as a task of the pool; what it reports are the units that its progress counts."""

    step: Step
    place: Place
    policy: Policy = field(default_factory=Policy)

    @property
    def name(self) -> str:
        return self.step.name

    def run(self, report: Callable[[int], None]) -> None:
        """Builds the artifact, or goes on building it."""
        counted = _Counted(report)
        Runner(self.place, _no_engine(), "local", 1, counted, own_usage, _told, self.policy).run([self.step])


def _told(line: str) -> None:
    """Tells of another run; the driver tells of all else."""
    if line.startswith(WAITING):
        print(line, file=sys.stderr)


def _no_engine() -> Any:
    """Trainings need none."""
    return None


@dataclass
class _Counted:
    report: Callable[[int], None]
    before: int = field(default=0)

    def __call__(self, phase: str, done: int, total: int, units: int, unit: str = "", note: str = "") -> None:
        self.report(max(0, units - self.before))
        self.before = units


def side_by_side(phase: str, steps: Sequence[Step], runner: Runner, pool: Pool, unit: str = "steps") -> None:
    """Every step that is not done, as many at a time as the pool has workers; tells of each when it is."""
    place = runner.place
    todo = _open(steps, place)
    if len(todo) < len(steps):
        runner.told(f"{phase}: {len(steps) - len(todo)} of {len(steps)} done already")
    finished, units, waiting = len(steps) - len(todo), 0, [*todo]
    for new, more in pool.run([StepTask(step, place, runner.policy) for step in todo]):
        finished, units = finished + new, units + more
        if new:
            still = _open(waiting, place)
            for step in [step for step in waiting if step not in still]:
                waiting.remove(step)
                runner.told(f"{step.name}: {summary(place.need(step.name))}")
        runner.progress(phase, finished, len(steps), units, unit)


def _open(steps: Sequence[Step], place: Place) -> list[Step]:
    return [status.step for status in statuses(steps, place) if status.state != "done"]
