"""A process whose lines are passed on while it works, and that ends when its task ends.

It stays in the task's process group: when somebody ends a task Airflow sends that group SIGTERM, and five seconds later
SIGKILL. When a task's time is over Airflow sends nothing, and the process is ended here.
"""

import os
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

GRACE_SECONDS = 20.0
"""Between the request to end and the end by force; Spark's driver takes some seconds to let its executors go."""
LAST_LINES = 5


@dataclass
class Process:
    """`words` run without a shell, with `environment` laid over this process' own."""

    words: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    last: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES), init=False)
    _running: "subprocess.Popen[str] | None" = field(default=None, init=False)

    def run(self, told: Callable[[str], None]) -> int:
        """The exit code, negative for a signal. An exception in this call, a time limit's too, ends the process."""
        with subprocess.Popen(
            self.words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", env={**os.environ, **self.environment},
        ) as self._running:  # fmt: skip
            try:
                for line in self._running.stdout or ():
                    if said := line.rstrip():
                        self.last.append(said)
                        told(said)
                return self._running.wait()
            except BaseException:
                self.end()
                raise

    def end(self) -> None:
        """Asks the process to end, and after a while makes it; what it has started ends with it."""
        if self._running is None:
            return
        self._running.terminate()
        try:
            self._running.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()
