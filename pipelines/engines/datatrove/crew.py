"""Runs the tasks of a phase as the ranks of a datatrove executor; each gets done, or its error is told.

datatrove neither notices that a worker was killed (its local executor then hangs for ever) nor hands an error on. So
the executor runs in rounds, each in a process of its own: a round is over when that process is, or when a rank is dead
and none is at work any more. Ranks that are not done are begun again in the next round; datatrove skips the others.
"""

import os
import shutil
import site
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from corpus.errors import ConfigError, DataError, MillstreamError
from pipelines.engines.datatrove.phase import Order, Phase, tidy
from pipelines.engines.datatrove.settings import DatatroveSettings
from pipelines.engines.engine import Usage
from pipelines.engines.pool import MAX_DEATHS, Task
from pipelines.engines.versions import Environment

POLL_SECONDS = {"local": 0.1, "slurm": 2.0, "ray": 0.5}
"""Between two looks at a phase's records; on a cluster these lie on a file server."""
LOOK_SECONDS = 1e-4
"""The same for each rank, should that be longer: one look at 100,000 takes 0.25 s even on a local disk."""
STALL_SECONDS = 120.0
"""A local worker begins its next rank within seconds, unless one was killed just between two ranks: others then wait
for ever for the lock that it held."""
END_SECONDS = 30.0
"""For `scancel`, before the process that calls it is ended too."""


class DatatroveCrew:
    """Runs up to `workers` tasks at a time. `folder` is seen by all nodes; the logs of what failed last stay there."""

    def __init__(self, settings: DatatroveSettings, workers: int, folder: Path) -> None:
        needed = ("datatrove", "ray") if settings.executor == "ray" else ("datatrove",)
        if missing := [name for name in needed if find_spec(name) is None]:
            raise ConfigError(f"--engine datatrove: {missing[0]} is not here; pip install 'millstream[{missing[0]}]'")
        self._settings = settings
        self._workers = workers
        self._folder = folder.absolute()
        self.usage = Usage()
        self.environment = Environment.here()

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[int, int]]:
        """Runs every task, in any order; yields (tasks just finished, documents just gone through). The error of a task
        that failed is raised here, and the others are given up."""
        if not tasks:
            return
        order = Order(self._settings, self._workers, len(tasks), str(Path.cwd()), self.environment)
        tidy(self._folder)
        with Phase.made(self._folder, tasks, order) as phase:
            yield from self._rounds(phase, tasks)
        shutil.rmtree(phase.folder, ignore_errors=True)

    def _rounds(self, phase: Phase, tasks: Sequence[Task]) -> Iterator[tuple[int, int]]:
        open_ = set(range(len(tasks)))
        while open_:
            before = {rank: phase.begins(rank) for rank in open_}
            with _launched(phase) as process:
                yield from self._round(phase, tasks, open_, before, process)
            if open_ and {rank: phase.begins(rank) for rank in open_} == before:
                raise MillstreamError(
                    f"datatrove's {self._settings.executor} executor ended and left {len(open_)} tasks undone; the end "
                    f"of {phase.folder}/executor.log: {_last_words(phase.folder / 'executor.log')}"
                )

    def _round(
        self,
        phase: Phase,
        tasks: Sequence[Task],
        open_: set[int],
        before: Mapping[int, int],
        process: "subprocess.Popen[bytes]",
    ) -> Iterator[tuple[int, int]]:
        """Follows the records until the round is over; takes what is done out of `open_`. `before` says how often each
        rank was begun in earlier rounds."""
        executor = self._settings.executor
        last_life = time.monotonic()
        while open_:
            if ended := process.poll() is not None:  # before the records are read: what it left is then all there
                phase.refresh()
            begun = {rank for rank in phase.begun(open_) if phase.begins(rank) > before[rank]}
            at_work = set(filter(phase.is_at_work, begun))
            for rank, done in phase.finished(open_).items():
                open_.remove(rank)
                self.usage += done.usage
                yield 1, done.n_documents
            if failure := phase.failure(open_):
                raise failure
            dead = (begun - at_work) & open_
            _bury(phase, tasks, dead)
            if at_work:
                last_life = time.monotonic()
            stalled = executor == "local" and time.monotonic() > last_life + STALL_SECONDS
            if ended or stalled or (dead and not at_work and executor != "slurm"):  # Slurm itself begins ranks again
                return
            time.sleep(_pause(executor, len(tasks)))


def _pause(executor: str, n_ranks: int) -> float:
    """Seconds between two looks: records are listed whole, and the driver has one processor of those that work."""
    return max(POLL_SECONDS[executor], n_ranks * LOOK_SECONDS)


def _bury(phase: Phase, tasks: Sequence[Task], dead: set[int]) -> None:
    """DataError when one of the ranks has died too often."""
    for rank in sorted(dead):
        if phase.begins(rank) >= MAX_DEATHS:
            raise DataError(
                f"{tasks[rank].name}: {MAX_DEATHS} workers died over it; is the memory enough, and the time that a job "
                f"may take? Its log: {phase.log(rank)}. What the others finished is kept"
            )


@contextmanager
def _launched(phase: Phase) -> "Iterator[subprocess.Popen[bytes]]":
    """The process that runs the executor, ended with all that it started when the block is left."""
    with (phase.folder / "executor.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.engines.datatrove.launch", str(phase.folder)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(_added_paths())},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def _added_paths() -> list[str]:
    """Where Python looks for modules beyond its own folders: a user's rules may lie there."""
    own = [sysconfig.get_path("stdlib"), *site.getsitepackages(), site.getusersitepackages()]
    added = (Path(path).absolute() for path in sys.path if path)
    return [str(path) for path in added if path.exists() and not any(map(path.is_relative_to, own))]


def _last_words(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines()
    return "; ".join(line.strip() for line in lines[-3:]) or "it is empty"
