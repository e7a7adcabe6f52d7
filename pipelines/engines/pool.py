"""Worker processes that may die: a task whose worker is killed is done again by a new worker.

Unlike concurrent.futures' pool, which breaks as a whole when one process dies. Workers come from a fork server, so they
start in milliseconds and share no thread or lock with the driver; they end when the driver does, however it ends.
"""

import gc
import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Protocol, Self

from corpus.errors import DataError, MillstreamError
from pipelines.engines.engine import Usage, cost_since, cpu_seconds

MAX_DEATHS = 3
"""A task that is at work when so many workers die is taken for the cause."""
PRELOAD = ["pipelines.engines.preload", "corpus.stage", "corpus.shards", "corpus.wide", "pipelines.engines.tasks"]


class Task(Protocol):
    """A piece of work as a value. Whatever it does may be done again."""

    @property
    def name(self) -> str:
        """What an error calls it."""

    def run(self, report: Callable[[int], None]) -> None:
        """Does the work; `report(n)` tells of n more documents."""


@dataclass
class _Worker:
    process: Any
    connection: Connection
    task: int | None = None


class Pool:
    """`n_workers` processes, started when there is work and ended by `close`.

    `usage` says what finished tasks took, guarded children too.
    """

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOAD)
        self._workers: list[_Worker] = []
        self.usage = Usage()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the workers, at work or not: what they had not committed is not there."""
        self._end(self._workers)

    def _end(self, workers: Iterable[_Worker]) -> None:
        for worker in [*workers]:
            worker.connection.close()
            worker.process.kill()
            worker.process.join()
            self._workers.remove(worker)

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[int, int]]:
        """Runs every task, in any order; yields (tasks just finished, documents just gone through). The error of a task
        that failed is raised here, and the others are given up."""
        try:
            yield from self._run(tasks)
        finally:
            self._end(worker for worker in self._workers if worker.task is not None)

    def _run(self, tasks: Sequence[Task]) -> Iterator[tuple[int, int]]:
        todo = deque(range(len(tasks)))
        deaths = [0] * len(tasks)
        n_open = len(tasks)
        while n_open:
            self._start(min(self._n_workers, n_open))
            for worker in self._workers:
                if worker.task is None and todo:
                    worker.task = todo.popleft()
                    _send(worker, tasks[worker.task])
            for worker in self._ready():
                message = _receive(worker)
                if message is None:
                    self._buried(worker, tasks, deaths, todo)
                elif isinstance(message, int):
                    yield 0, message
                elif isinstance(message, Usage):
                    worker.task = None
                    self.usage += message
                    n_open -= 1
                    yield 1, 0
                else:
                    raise message

    def _start(self, n_workers: int) -> None:
        # one that died while it had nothing to do must not be counted against the task it would get
        self._end(w for w in self._workers if w.task is None and not w.process.is_alive())
        _start_server()
        while len(self._workers) < n_workers:
            here, there = self._context.Pipe()
            process = self._context.Process(target=_work, args=(there,), daemon=False)
            process.start()
            there.close()
            self._workers.append(_Worker(process, here))

    def _ready(self) -> Iterable[_Worker]:
        ready = set(wait([w.connection for w in self._workers if w.task is not None]))
        return [worker for worker in self._workers if worker.connection in ready]

    def _buried(self, worker: _Worker, tasks: Sequence[Task], deaths: list[int], todo: deque[int]) -> None:
        """Takes a dead worker out and its task back."""
        assert worker.task is not None
        worker.process.join()
        worker.connection.close()
        self._workers.remove(worker)
        deaths[worker.task] += 1
        if deaths[worker.task] >= MAX_DEATHS:
            code = worker.process.exitcode
            why = "killed; is the memory enough?" if code == -signal.SIGKILL else f"exit {code}, see above."
            raise DataError(
                f"{tasks[worker.task].name}: {MAX_DEATHS} workers died over it (the last: {why}) "
                f"What the others finished is kept"
            )
        todo.appendleft(worker.task)


def _start_server() -> None:
    """Starts the fork server without SIGINT, which a terminal sends to every process: stopping is the driver's part."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _send(worker: _Worker, task: Task) -> None:
    try:
        worker.connection.send(task)
    except OSError:  # dead already: reading from it will say so
        return


def _receive(worker: _Worker) -> Any:
    """The worker's message, or None when it is dead."""
    try:
        return worker.connection.recv()
    except (EOFError, OSError):
        return None


def _work(connection: Connection) -> None:
    """A worker's life: tasks in, counts and ends out, until the driver is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the driver ends its workers
    gc.freeze()  # modules stay: going through them again and again takes time, and memory of each guarded child
    try:
        while True:
            task: Task = connection.recv()
            before = cpu_seconds()
            try:
                task.run(connection.send)
                connection.send(cost_since(before))
            except BrokenPipeError:
                raise
            except MillstreamError as error:
                connection.send(error)
            except Exception:
                connection.send(MillstreamError(f"{task.name}: unforeseen\n{traceback.format_exc()}"))
    except (EOFError, OSError):
        os._exit(0)
