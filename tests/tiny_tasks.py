"""Small real tasks, in a module that worker processes can import."""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from corpus import errors


@dataclass(frozen=True)
class Write:
    """Leaves a file and tells of two documents."""

    folder: str
    name: str

    def run(self, report: Callable[[int], None]) -> None:
        report(1)
        Path(self.folder, self.name).write_text(self.name)
        report(1)


@dataclass(frozen=True)
class Wait(Write):
    """Tells its process id, then waits for the file `go`."""

    def run(self, report: Callable[[int], None]) -> None:
        Path(self.folder, f"{self.name}.pid").write_text(str(os.getpid()))
        while not Path(self.folder, "go").exists():
            report(0)
            time.sleep(0.01)
        super().run(report)


@dataclass(frozen=True)
class KillItself(Write):
    """Kills its process the first `times` times."""

    times: int = 1

    def run(self, report: Callable[[int], None]) -> None:
        flags = sorted(Path(self.folder).glob(f"{self.name}.death-*"))
        if len(flags) < self.times:
            Path(self.folder, f"{self.name}.death-{len(flags)}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        super().run(report)


@dataclass(frozen=True)
class Fail:
    """Raises the error of this name: one of ours, or a builtin."""

    name: str

    def run(self, report: Callable[[int], None]) -> None:
        kind = getattr(errors, self.name, None) or __builtins__[self.name]  # type: ignore[index]
        raise kind("what, where and how to mend")


@dataclass(frozen=True)
class Loaded:
    """Makes an array and writes which modules its process has loaded."""

    path: str
    name: str = "loaded"

    def run(self, report: Callable[[int], None]) -> None:
        pa.array(["a"])
        report(len(sys.modules))
        Path(self.path).write_text(" ".join(sys.modules))
