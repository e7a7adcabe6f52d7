"""Ends a process that makes no step any more, once it has said where it stands and which rank it waits for.

    hang-rank-00003.txt      the stack of every thread, by faulthandler; what earlier starts left stays above

A thread looks at the clock. It cannot where something in C holds Python's lock, so it keeps faulthandler's own timer
wound up, which needs no lock: that writes the stack and ends the process, without a sentence.

When one rank hangs, all do: the others wait for it inside a collective, and their clocks run out with its own. So each
looks a little later at what the others have written. A rank whose stack is not inside a collective, or that has written
none since it cannot (stopped, gone, or without Python's lock), is the one to look at.
"""

import faulthandler
import os
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Self

LOOK_AFTER = 5.0
"""Seconds until the others' files are read: ranks end a step within a fraction of one, files travel in a few."""
TICK = 1.0
INNERMOST = 4
"""Frames in which a collective shows: torch wraps it in up to three more (c10d_logger.py, functional collectives)."""
COLLECTIVES = "/torch/distributed/"
WAITING = {("graph.py", "_engine_run_backward"), ("__init__.py", "synchronize")}
"""Where Python stands while DDP's backward pass waits for others' gradients (torch/autograd), or a card for its queue
(torch/cuda): in C, which its stack does not show."""
HEAD, STACK = "== rank ", "(most recent call first):"
FRAME = re.compile(r'^  File "(?P<file>[^"\n]+)", line (?P<line>\d+) in (?P<function>.+)$', re.MULTILINE)


class Stand(NamedTuple):
    """The innermost line of Python that a rank's main thread is at, and whether it waits there for other ranks."""

    place: str
    waits: bool


def stand(text: str) -> Stand | None:
    """Where a file of stacks says that the main thread stood; None where the process has written none since its start.
    faulthandler writes the main thread last."""
    _, found, main = text.rpartition(HEAD)[2].rpartition(STACK)
    frames = [(Path(frame["file"]), frame["line"], frame["function"]) for frame in FRAME.finditer(main)]
    if not found or not frames:
        return None
    file, line, function = frames[0]
    inside = any(COLLECTIVES in str(path) for path, *_ in frames[:INNERMOST])
    return Stand(f"{function} ({file.name}:{line})", inside or (file.name, function) in WAITING)


def suspects(stands: Mapping[int, Stand | None]) -> list[int]:
    """The ranks to look at: those that wrote no stack; else those that do not wait, where others do; else those that
    stand where the fewest do, if that tells them apart."""
    if silent := [rank for rank, found in stands.items() if found is None]:
        return silent
    busy = [rank for rank, found in stands.items() if found and not found.waits]
    if 0 < len(busy) < len(stands):
        return busy
    groups = sorted(_by_place(stands).values(), key=len)
    return groups[0] if len(groups) > 1 and len(groups[0]) < len(groups[1]) else []


def told(stands: Mapping[int, Stand | None]) -> str:
    """Where the ranks stand, those to look at first, in plain sentences."""
    accused = suspects(stands)
    places = sorted(_by_place(stands).items(), key=lambda group: (group[1][0] not in accused, len(group[1])))
    stood = "; ".join(f"{_ranks(ranks)} {place}" for place, ranks in places[:5])
    if accused:
        return f"Look at {_ranks(accused)} first: {stood}."
    return f"No rank stands out: {stood}. Ranks may disagree about which collective comes next, or a network be down."


def _by_place(stands: Mapping[int, Stand | None]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for rank, found in stands.items():
        place = f"{'waiting' if found.waits else 'standing'} in {found.place}" if found else "without a stack"
        groups.setdefault(place, []).append(rank)
    return groups


def _ranks(ranks: Sequence[int]) -> str:
    """[0, 1, 2, 5] -> "ranks 0-2, 5"."""
    starts = [ranks[0], *(after for before, after in pairwise(ranks) if after > before + 1)]
    stops = [*(before for before, after in pairwise(ranks) if after > before + 1), ranks[-1]]
    runs = [f"{start}-{stop}" if stop > start else f"{start}" for start, stop in zip(starts, stops, strict=True)]
    return f"rank{'s' if len(ranks) > 1 else ''} {', '.join(runs)}"


class Watchdog:
    """Watches from the first `beat` on, until `stop`; `folder` is one that all ranks see.

    Limits: one to a process, as faulthandler has one timer. A process that is stopped as a whole (SIGSTOP) ends when it
    wakes up too late.
    """

    def __init__(
        self, seconds: float, folder: Path, rank: int = 0, world: int = 1, *, look_after: float = LOOK_AFTER
    ) -> None:
        self.seconds, self.folder, self.rank, self.world, self.look_after = seconds, folder, rank, world, look_after
        self.step = 0
        self.last: float | None = None
        self._stopped = threading.Event()
        folder.mkdir(parents=True, exist_ok=True)
        self.file = self.path(rank).open("a", encoding="utf-8")
        began = time.strftime("%Y-%m-%d %H:%M:%S")
        self.file.write(f"{HEAD}{rank} of {world}, process {os.getpid()} on {socket.gethostname()}, since {began}\n")
        self.file.flush()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def path(self, rank: int) -> Path:
        """Where a rank writes its stacks."""
        return self.folder / f"hang-rank-{rank:05d}.txt"

    def beat(self, step: int) -> None:
        """A step is done."""
        self.step, self.last = step, time.monotonic()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Not watched inside, for what may take longer than a step: a measurement, a checkpoint."""
        was, self.last = self.last, None
        try:
            yield
        finally:
            self.last = None if was is None else time.monotonic()

    def stop(self) -> None:
        """No longer watched; a file without a stack is removed."""
        self._stopped.set()
        self._thread.join()
        faulthandler.cancel_dump_traceback_later()
        self.file.close()
        if STACK not in self.path(self.rank).read_text(encoding="utf-8"):
            self.path(self.rank).unlink()
            with suppress(OSError):  # another rank's is there
                self.folder.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _watch(self) -> None:
        while not self._stopped.wait(min(TICK, self.seconds / 4)):
            last = self.last
            if last is None:
                faulthandler.cancel_dump_traceback_later()
            elif (left := last + self.seconds - time.monotonic()) > 0:
                # after the others have told of it: when a rank ends, those that wait for it fail at once
                faulthandler.dump_traceback_later(left + 2 * self.look_after, file=self.file, exit=True)
            else:
                self._end()

    def _end(self) -> None:
        # whatever becomes of the files, the process ends
        faulthandler.dump_traceback_later(4 * self.look_after, file=2, exit=True)
        faulthandler.dump_traceback(self.file)
        time.sleep(self.look_after)
        head = (
            f"rank {self.rank} has made no step for {self.seconds:g} seconds, after step {self.step:,}; the stacks of "
            f"its threads are in {self.path(self.rank)}."
        )
        if (teller := next((rank for rank in range(self.rank) if self._stand(rank)), None)) is None:
            others = told({rank: self._stand(rank) for rank in range(self.world)}) if self.world > 1 else ""
        else:  # one rank tells, and lives until it has
            others = f"Rank {teller} tells where each rank stands."
            time.sleep(self.look_after)
        end = "The process ends; started again, the run goes on from its last whole checkpoint."
        os.write(2, " ".join(filter(None, (head, others, end))).encode() + b"\n")
        os._exit(1)

    def _stand(self, rank: int) -> Stand | None:
        try:
            return stand(self.path(rank).read_text(encoding="utf-8", errors="replace"))
        except OSError:
            return None
