"""The folder of one phase: its tasks, one a rank, and what became of them. Ranks write, the driver reads.

    order.pkl            how the ranks are to be run, and from what; locked for as long as the driver is at it
    tasks/00003.pkl      the task of rank 3
    begun/00003          how often it was begun; locked for as long as a process is at work on it
    done/00003.json      the documents that went through it, and what it cost
    failed/00003.json    the error that ended it, to be raised again by the driver
    logs, stats, completions, executor.*, ...      datatrove's own
    executor.log         whatever the executor's processes print

The lock is the sign of life: the kernel lets go of it however a process ends, on whatever node. It does so too when
its process closes the file after another opening: the driver does not read order.pkl.
"""

import fcntl
import json
import os
import pickle
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from corpus import errors
from corpus.canonical import canonical_json
from corpus.errors import ConfigError, MillstreamError
from corpus.storage import TEMPORARY, Folder
from pipelines.engines.datatrove.settings import DatatroveSettings
from pipelines.engines.engine import Usage
from pipelines.engines.pool import Task
from pipelines.engines.versions import Environment


@dataclass(frozen=True)
class Order:
    """How the ranks are to be run; `working_folder` is the driver's, which relative paths start from."""

    settings: DatatroveSettings
    workers: int
    n_ranks: int
    working_folder: str
    environment: Environment


@dataclass(frozen=True)
class Done:
    """What a rank leaves behind."""

    n_documents: int
    usage: Usage


@dataclass(frozen=True)
class Phase:
    """The records in a folder."""

    folder: Path

    @staticmethod
    @contextmanager
    def made(folder: Path, tasks: Sequence[Task], order: Order) -> "Iterator[Phase]":
        """A new phase, beside others in the folder, this process's for as long as the block lasts; ConfigError where
        files cannot be locked."""
        folder.mkdir(parents=True, exist_ok=True)
        phase = Phase(Path(tempfile.mkdtemp(prefix=f"phase-{time.time_ns()}-", dir=folder)))
        phase.folder.chmod(0o755)
        with _locked(phase.folder / "order.pkl", pickle.dumps(order)):
            for name in ("tasks", "begun", "done", "failed"):
                (phase.folder / name).mkdir()
            for rank, task in enumerate(tasks):
                (phase.folder / "tasks" / f"{rank:05d}.pkl").write_bytes(pickle.dumps(task))
            yield phase

    def order(self) -> Order:
        """How to run it."""
        order: Order = pickle.loads((self.folder / "order.pkl").read_bytes())  # noqa: S301  our own, of a moment ago
        return order

    def task(self, rank: int) -> Task:
        """The rank's task."""
        task: Task = pickle.loads((self.folder / "tasks" / f"{rank:05d}.pkl").read_bytes())  # noqa: S301
        return task

    def log(self, rank: int) -> Path:
        """What datatrove writes of the rank."""
        return self.folder / "logs" / f"task_{rank:05d}.log"

    @contextmanager
    def at_work(self, rank: int) -> Iterator[None]:
        """Counts a begin of the rank, and shows for as long as the block lasts that somebody is at it."""
        with _locked(self.folder / "begun" / f"{rank:05d}", b"%d" % (self.begins(rank) + 1)):
            yield

    def begins(self, rank: int) -> int:
        """How often the rank was begun."""
        begun = self.folder / "begun" / f"{rank:05d}"
        return int(begun.read_text()) if begun.exists() else 0

    def begun(self, ranks: Iterable[int]) -> set[int]:
        """Those of the ranks that were begun."""
        return self._noted("begun", ranks)

    def is_at_work(self, rank: int) -> bool:
        """Whether a process is at work on a rank that was begun."""
        return _is_locked(self.folder / "begun" / f"{rank:05d}")

    def finish(self, rank: int, done: Done) -> None:
        """Notes that the rank is done."""
        Folder(str(self.folder / "done")).write(f"{rank:05d}.json", canonical_json(done))

    def finished(self, ranks: Iterable[int]) -> dict[int, Done]:
        """Those of the ranks that are done."""
        return {rank: self._done(rank) for rank in sorted(self._noted("done", ranks))}

    def _done(self, rank: int) -> Done:
        raw = json.loads((self.folder / "done" / f"{rank:05d}.json").read_bytes())
        return Done(raw["n_documents"], Usage(**raw["usage"]))

    def fail(self, rank: int, error: MillstreamError) -> None:
        """Notes the error that ended the rank."""
        kind = next(kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
        record = {"error": kind.__name__, "message": str(error)}
        Folder(str(self.folder / "failed")).write(f"{rank:05d}.json", canonical_json(record))

    def failure(self, ranks: Iterable[int]) -> MillstreamError | None:
        """The error of the first rank that failed, as it was raised there."""
        for rank in sorted(self._noted("failed", ranks)):
            raw = json.loads((self.folder / "failed" / f"{rank:05d}.json").read_bytes())
            error: MillstreamError = getattr(errors, raw["error"])(raw["message"])
            return error
        return None

    def refresh(self) -> None:
        """Makes the next look at the records a fresh one: NFS may list a folder as it was a minute ago, but not one
        that its client has just written to."""
        for kind in ("begun", "done", "failed"):
            tempfile.TemporaryFile(dir=self.folder / kind).close()

    def _noted(self, kind: str, ranks: Iterable[int]) -> set[int]:
        names = (name.removesuffix(".json") for name in os.listdir(self.folder / kind))  # noqa: PTH208  names only
        return {int(name) for name in names if name.isdigit()} & set(ranks)


def tidy(folder: Path) -> None:
    """Removes the phases whose drivers have ended, but for the last one: its logs may say why."""
    with suppress(FileNotFoundError):  # another driver tidies up too
        ended = [order for order in sorted(folder.glob("phase-*/order.pkl")) if not _is_locked(order)]
        for order in ended[:-1]:
            shutil.rmtree(order.parent, ignore_errors=True)


@contextmanager
def _locked(path: Path, content: bytes) -> Iterator[None]:
    """Makes the file, locked before anybody can see it and for as long as the block lasts."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=TEMPORARY, delete=False) as file:
        file.write(content)
        file.flush()
        try:
            fcntl.lockf(file, fcntl.LOCK_EX)
        except OSError as error:
            raise ConfigError(
                f"{path.parent}: its file system has no locks ({error.strerror}); choose a folder whose has: NFS does, "
                f"Lustre when it is mounted with -o flock"
            ) from error
        Path(file.name).replace(path)
        yield


def _is_locked(path: Path) -> bool:
    """Whether another process has the file locked, or does not let us see it."""
    try:
        with path.open() as file:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # fcntl(2) has EACCES or EAGAIN for it
        return True
    return False
