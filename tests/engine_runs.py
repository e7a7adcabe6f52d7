"""Runs an engine over every shipped recipe in a process of its own, and says which files differ."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from small_run import durable

ROOT = Path(__file__).parents[1]
DRIVE = Path(__file__).with_name("parity") / "drive.py"
SPARK_35 = ROOT / ".venv-spark35" / "bin" / "python"


def require(engine: str) -> None:
    """Skips where the engine's own needs are not here."""
    if engine.startswith("spark") and shutil.which("java") is None:
        pytest.skip("no Java here: Spark's tests need `java` (Debian: openjdk-17-jre-headless)")
    if engine == "spark 3.5" and not SPARK_35.exists():
        pytest.skip("no .venv-spark35 here: `make venv` builds it")


def command(
    folder: Path, engine: str, workers: int, settings: Sequence[str] = (), python: Path | str = sys.executable
) -> list[str]:
    """The command line that builds the corpora of the recipes."""
    return [str(python), str(DRIVE), str(folder), engine, str(workers), *settings]


def environment(recipes: Sequence[str]) -> dict[str, str]:
    """What it runs in."""
    quick = {"JDK_JAVA_OPTIONS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"}
    return os.environ | quick | {"PYTHONPATH": str(ROOT), "RECIPES": " ".join(recipes)}


def driven(words: Sequence[str], recipes: Sequence[str]) -> None:
    """Runs a command to its good end."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment(recipes))
    assert done.returncode == 0, done.stderr[-5000:]


@contextmanager
def begun(words: Sequence[str], recipes: Sequence[str]) -> Iterator["subprocess.Popen[str]"]:
    """The command, at work in a session of its own, which ends with the block."""
    process = subprocess.Popen(
        words, stderr=subprocess.PIPE, text=True, env=environment(recipes), start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def differing(expected: dict[str, bytes], root: Path) -> list[str]:
    """The files that are not the same, or not on both sides."""
    found = durable(root)
    return sorted(path for path in expected.keys() | found.keys() if expected.get(path) != found.get(path))
