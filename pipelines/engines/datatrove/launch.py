"""`python -m pipelines.engines.datatrove.launch FOLDER`: runs a phase's ranks through its executor, then ends.

A process of its own in a session of its own, because datatrove's local executor hangs for ever when one of its workers
is killed: so it can be ended with all that it started. It does that itself when its standard input ends, which the
driver holds open for as long as it lives, however it dies.
"""

import os
import signal
import sys
from pathlib import Path
from threading import Thread

from pipelines.engines.datatrove.executors import EXECUTORS, cancel_slurm
from pipelines.engines.datatrove.phase import Phase


def main(folder: str) -> None:
    """Runs the phase in the folder."""
    phase = Phase(Path(folder))
    Thread(target=_end_with_driver, args=(phase,), daemon=True).start()
    EXECUTORS[phase.order().settings.executor](phase)


def _end_with_driver(phase: Phase) -> None:
    os.read(0, 1)  # not through sys.stdin: processes that are forked meanwhile would wait for its lock
    if phase.order().settings.executor == "slurm":
        cancel_slurm(phase)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1])
