"""What a command and all that it starts cost: time, memory, open files.

    python benchmarks/process_tree.py OUT.json [--session PID ...] -- COMMAND ...

`cost_of` runs this file, so that the command has a parent of its own, which whatever it leaves behind falls to and is
waited for by: the CPU seconds are the system's own account of every process, however short-lived. That account leaves
out children whose parent ignores their end (PySpark's workers): what the last look saw of them is added. Memory and
open files are looked up in /proc every LOOK_SECONDS, a process that lives shorter may be missed. `--session` names
the leaders of process sessions that work for the command without being its children, a cluster's daemons: what they
and theirs take meanwhile is added.
"""

import argparse
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

LOOK_SECONDS = 0.2
PSS_EVERY = 5  # looks: the kernel walks all pages of a process for it
EXECUTORS_END_SECONDS = 30
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
TICKS = os.sysconf("SC_CLK_TCK")
DRIVER, JVM, WORKER, OTHER = "driver", "JVM", "worker", "other"
WORKERS = ("multiprocessing.forkserver", "pyspark/daemon", "pyspark.daemon", "pyspark.worker")


@dataclass(frozen=True)
class Cost:
    """Seconds from start to end and of CPU; the most memory (bytes) that all processes had together, a shared page
    counted once; by role (DRIVER, JVM, WORKER, OTHER) the most memory and open files that one process had, and the
    second in which the first one was born."""

    wall_seconds: float
    cpu_seconds: float
    pss: int
    rss: Mapping[str, int]
    open_files: Mapping[str, int]
    born: Mapping[str, float]


@dataclass(frozen=True)
class Process:
    """A line of /proc."""

    pid: int
    parent: int
    session: int
    alive: bool
    cpu_seconds: float  # its own, and of its children that it has waited for
    born: float  # seconds since the machine was started


def cost_of(
    command: Sequence[object], log: Path, environment: Mapping[str, str] | None = None, sessions: Iterable[int] = ()
) -> Cost:
    """Runs the command, its output going to the log, and says what it cost; exits with the log's end if it fails."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "cost.json"
        more = [word for pid in sessions for word in ("--session", str(pid))]
        with log.open("w") as file:
            watch = [sys.executable, __file__, str(out), *more, "--", *map(str, command)]
            done = subprocess.run(
                watch, stdout=file, stderr=file, env={**os.environ, **(environment or {})}, check=False
            )
        if done.returncode:
            sys.exit(f"{command[0]} ended with {done.returncode}:\n{log.read_text()[-4000:]}")
        return Cost(**json.loads(out.read_text()))


def adopt_orphans() -> None:
    """From now on this process is the parent of whatever its descendants leave behind."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def bury(sessions: Collection[int]) -> None:
    """Waits for those of the sessions that fell to this process and have ended, but for the leaders, whom somebody else
    waits for. The account of their CPU time ends with it."""
    for process in processes().values():
        if process.session in sessions and not process.alive and process.pid not in sessions:
            with suppress(ChildProcessError):  # its own parent has yet to hear of it
                os.waitpid(process.pid, os.WNOHANG)


def keep_burying(sessions: Collection[int]) -> None:
    """Does so until this process ends, in a thread: whoever ends the sessions waits until nobody of them is left."""

    def work() -> None:
        while True:
            bury(sessions)
            time.sleep(LOOK_SECONDS)

    threading.Thread(target=work, daemon=True).start()


def processes() -> dict[int, Process]:
    """All processes of this machine."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # one that has just ended
                text = (folder / "stat").read_text()
                state, parent, _, session, *fields = text.rpartition(")")[2].split()
                cpu = sum(map(int, fields[7:11])) / TICKS
                born = int(fields[15]) / TICKS
                process = Process(int(folder.name), int(parent), int(session), state != "Z", cpu, born)
                found[process.pid] = process
    return found


def descendants(of: int, among: Mapping[int, Process]) -> list[Process]:
    """The children of a process, their children, and so on."""
    children = defaultdict(list)
    for process in among.values():
        children[process.parent].append(process)
    found, open_ = [], [*children[of]]
    while open_:
        process = open_.pop()
        found.append(process)
        open_ += children[process.pid]
    return found


@dataclass
class Looks:
    """The most that was seen so far; of children whose end nobody will hear of, what they had taken."""

    main: int
    sessions: frozenset[int]
    pss: int = 0
    rss: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    open_files: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    born: dict[str, float] = field(default_factory=dict)
    unheard: dict[int, float] = field(default_factory=dict)

    def look(self, with_pss: bool) -> None:
        """Looks at every process of the tree and of the sessions."""
        among = processes()
        watched = {process.pid: process for process in descendants(os.getpid(), among)}
        watched |= {pid: process for pid, process in among.items() if process.session in self.sessions}
        deaf = {pid for pid in watched if _ignores_children(pid)}
        self.unheard |= {pid: process.cpu_seconds for pid, process in watched.items() if process.parent in deaf}
        pss = 0
        for pid, process in watched.items():
            with suppress(OSError, StopIteration):  # it ends under our eyes, or is a zombie
                role = DRIVER if pid == self.main else role_of(Path(f"/proc/{pid}/cmdline").read_text())
                self.born[role] = min(self.born.get(role, process.born), process.born)
                self.rss[role] = max(self.rss[role], _kib(Path(f"/proc/{pid}/status"), "VmHWM:"))
                self.open_files[role] = max(self.open_files[role], len([*Path(f"/proc/{pid}/fd").iterdir()]))
                pss += _kib(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") if with_pss else 0
        self.pss = max(self.pss, pss)


def _ignores_children(pid: int) -> bool:
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        ignored = int(next(line.split()[1] for line in status if line.startswith("SigIgn:")), 16)
        return bool(ignored >> (signal.SIGCHLD - 1) & 1)
    return False


def role_of(command_line: str) -> str:
    """What a process other than the command itself is there for."""
    if command_line.partition("\0")[0].endswith("java"):
        return JVM
    return WORKER if any(sign in command_line for sign in WORKERS) else OTHER


def _kib(file: Path, name: str) -> int:
    return next(int(line.split()[1]) * 1024 for line in file.read_text().splitlines() if line.startswith(name))


def session_cpu(sessions: frozenset[int]) -> float:
    """CPU seconds of all that is or was in these sessions: who was waited for is in its parent's account, and whose
    parent is gone stays to be seen until somebody buries it."""
    return sum(process.cpu_seconds for process in processes().values() if process.session in sessions)


def _live(sessions: frozenset[int]) -> set[int]:
    return {pid for pid, process in processes().items() if process.session in sessions and process.alive}


def watched(command: Sequence[str], sessions: frozenset[int]) -> tuple[int, dict[str, Any]]:
    """The command's exit code, and its Cost as plain data."""
    adopt_orphans()
    before, there, started = session_cpu(sessions), _live(sessions), time.monotonic()
    main = subprocess.Popen(command)
    looks, ended = Looks(main.pid, sessions), threading.Event()
    looks.look(with_pss=True)  # nobody has waited for it yet: however soon it ends, it is seen

    def keep_looking() -> None:
        for n_looks in count(1):
            if ended.wait(LOOK_SECONDS):
                return
            looks.look(with_pss=n_looks % PSS_EVERY == 0)

    thread = threading.Thread(target=keep_looking)
    thread.start()
    code = main.wait()
    wall = time.monotonic() - started
    ended.set()
    thread.join()
    heard = set()
    with suppress(ChildProcessError):
        while True:
            heard.add(os.wait()[0])
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    limit = time.monotonic() + EXECUTORS_END_SECONDS
    while _live(sessions) - there and time.monotonic() < limit:
        time.sleep(LOOK_SECONDS)
    unheard = sum(seconds for pid, seconds in looks.unheard.items() if pid not in heard)
    cpu = usage.ru_utime + usage.ru_stime + unheard + session_cpu(sessions) - before
    begin = looks.born[DRIVER]
    born = {role: round(seconds - begin, 2) for role, seconds in looks.born.items()}
    return code, asdict(Cost(wall, cpu, looks.pss, dict(looks.rss), dict(looks.open_files), born))


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--session", type=int, action="append", default=[])
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args()
    code, cost = watched(asked.command, frozenset(asked.session))
    asked.out.write_text(json.dumps(cost))
    sys.exit(code)


if __name__ == "__main__":
    main()
