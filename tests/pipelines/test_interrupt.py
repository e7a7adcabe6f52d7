"""Ctrl-C, wherever the run is: one line that says how to go on, exit code 130, and the next run goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_run import Finished


@pytest.mark.parametrize("moment", ["corpus/extracted/dev/data", "checkpoint/main/dev/logs"])
def test_stopped_by_hand(moment: str, finished: Finished, tmp_path: Path) -> None:
    """Within the first corpus, and inside Lightning, which has a way of its own with it."""
    root = tmp_path / "root"
    command = [sys.executable, "-m", "pipelines", "run", str(finished.recipe), "--root", str(root)]
    steps = ["--set", "training.steps=2000", "--workers", "2"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [*command, *steps], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        start_new_session=True,
    )  # fmt: skip
    while not (root / moment).exists() and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert err == "millstream: stopped; what was finished is kept, run again to go on\n"
    assert not (root / "checkpoint/main/dev/manifest.json").exists()
