"""A rule that keeps every page, and does to its process what a file tells it to: in a module that executors import."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from corpus.text.verdict import Keep, Verdict

TOO_MUCH = 64 * 2**30


@dataclass(frozen=True, kw_only=True)
class Mishap:
    """What it does stands in the file, as "what worker", worker being a number or "any"; without a file, nothing."""

    file: str
    version: ClassVar[int] = 1
    reasons: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, text: str) -> Verdict:
        try:
            what, worker = Path(self.file).read_text().split()
        except FileNotFoundError:
            return Keep(text)
        if worker in ("any", os.environ.get("WORKER")):
            self._meet(what)
        return Keep(text)

    def _meet(self, what: str) -> None:
        Path(f"{self.file}.met").touch()
        match what:
            case "eat":
                bytearray(TOO_MUCH)
            case "sleep":
                time.sleep(600)
            case "kill":
                os.kill(_ancestor(2), signal.SIGKILL)
            case "kill-once":
                Path(self.file).unlink()
                os.kill(_ancestor(2), signal.SIGKILL)
            case "kill-daemon-once":
                Path(self.file).unlink()
                os.kill(_ancestor(3), signal.SIGKILL)
            case _:
                raise AssertionError(what)


def _ancestor(generation: int) -> int:
    """The pid of: 1 this process, the guard's child; 2 Spark's Python worker; 3 the daemon that forks those."""
    pid = os.getpid()
    for _ in range(generation - 1):
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid
