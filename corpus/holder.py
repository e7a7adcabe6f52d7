"""Who holds a lease: a process, as far as another one, here or elsewhere, can tell it from all others."""

import json
import os
import socket
import uuid
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from corpus.canonical import canonical_json

HOLDER = "MILLSTREAM_HOLDER"
"""The environment variable by which a scheduler names the task that a run is a try of."""


@dataclass(frozen=True)
class Holder:
    """A process that asked for a lease. `holder` is the name of its task, where it has one.

    A process id means something to those that share the host's name and its table of processes: containers may share
    the one and not the other. Limits: where /proc hides other users' processes, they count as ended.
    """

    host: str = ""
    pid: int = 0
    pid_namespace: str = ""
    started: int | None = None
    holder: str | None = None
    since: str = ""
    id: str = ""

    @staticmethod
    def here() -> "Holder":
        """This process, asking now; no two that ask are equal."""
        pid = os.getpid()
        state = _state(pid)
        return Holder(
            socket.gethostname(),
            pid,
            _pid_namespace(),
            None if state is None else state[1],
            os.environ.get(HOLDER) or None,
            datetime.now(UTC).isoformat(timespec="seconds"),
            uuid.uuid4().hex,
        )

    @staticmethod
    def from_json(data: bytes) -> "Holder":
        """The holder that a lease's file names; leases of earlier versions say less."""
        known = {field.name for field in fields(Holder)}
        return Holder(**{key: value for key, value in json.loads(data).items() if key in known})

    def to_json(self) -> bytes:
        """What stands in the lease's file."""
        return canonical_json(asdict(self))

    def same_task(self, other: "Holder") -> bool:
        """Whether both are tries of one task, by the name that its scheduler gave it."""
        return self.holder is not None and self.holder == other.holder

    def life(self, seen_from: "Holder") -> Literal["running", "ended", "unknown"]:
        """What the system knows of the process at once; unknown where it is elsewhere, or stopped."""
        if (self.host, self.pid_namespace) != (seen_from.host, seen_from.pid_namespace):
            return "unknown"
        found = _state(self.pid)
        if found is None or found[0] in "ZX" or found[1] != self.started:
            return "ended"
        return "unknown" if found[0] in "Tt" else "running"

    def __str__(self) -> str:
        task = f"{self.holder}, " if self.holder else ""
        return f"{task}process {self.pid} on {self.host} since {self.since}"


def _state(pid: int) -> tuple[str, int] | None:
    """The state of a process and when it started, in ticks since the machine did; None when there is no such process.
    Fields 3 and 22 of proc(5)'s /proc/PID/stat, counted after the command's name, which may hold anything."""
    try:
        after = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return after[0], int(after[19])


def _pid_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
