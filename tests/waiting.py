"""Waiting for other processes, with a bound."""

import time
from collections.abc import Callable
from pathlib import Path


def soon(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Returns when the condition holds; AssertionError when it does not within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.02)


def pid_in(path: Path) -> int:
    """The process id that a task writes there."""
    soon(lambda: path.exists() and path.read_text() != "", path.name)
    return int(path.read_text())


def gone(pid: int) -> bool:
    """Whether the process ended; one that nobody has buried yet (a zombie) has no executable any more."""
    return not Path(f"/proc/{pid}/exe").exists()
