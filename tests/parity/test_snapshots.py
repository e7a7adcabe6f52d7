"""A month against an earlier one: the same bytes from every engine, and after kills."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engine_runs import begun, differing, environment, require
from small_run import durable
from snapshots import AGAINST, EXPECTED, FIRST, SECOND, built, fates, words_for, write_snapshots
from waiting import soon

from pipelines.names import PAGES

SLOW = pytest.mark.slow
ENGINES = [("local", 2), pytest.param("datatrove", 2, marks=SLOW), pytest.param("spark", 2, marks=SLOW)]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_snapshots(tmp_path_factory.mktemp("months"))


@pytest.fixture(scope="module")
def first(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the first month, and the second up to its pages; nobody changes it."""
    root = tmp_path_factory.mktemp("first") / "root"
    built(recipe, root, FIRST)
    built(recipe, root, SECOND, "--only", PAGES)
    return root


@pytest.fixture(scope="module")
def expected(recipe: Path, first: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one local worker makes of the second."""
    root = Path(shutil.copytree(first, tmp_path_factory.mktemp("expected") / "root"))
    built(recipe, root, SECOND, "--set", AGAINST)
    assert fates(root, SECOND) == EXPECTED
    assert len(list(root.glob(f"corpus/deduped/{SECOND}/data/*"))) > 1
    return durable(root)


def command(recipe: Path, root: Path, engine: str, workers: int) -> list[str]:
    words = words_for(recipe, root, SECOND, "--set", AGAINST, "--engine", engine, "--workers", workers)
    return [sys.executable, "-m", "pipelines", *map(str, words)]


def finished(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment([]))
    assert done.returncode == 0, done.stderr[-5000:]


@pytest.mark.parametrize(("engine", "workers"), ENGINES)
def test_same_bytes(
    engine: str, workers: int, recipe: Path, first: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    require(engine)
    root = Path(shutil.copytree(first, tmp_path / "root"))
    finished(command(recipe, root, engine, workers))
    assert differing(expected, root) == []


def killed(words: list[str], wait: float) -> None:
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, start_new_session=True, env=environment([]))
    time.sleep(wait)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_at_four_moments(recipe: Path, first: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    root = Path(shutil.copytree(first, tmp_path / "root"))
    words = command(recipe, root, "local", 2)
    draw = random.Random(41)
    for _ in range(4):
        killed(words, draw.uniform(0.8, 2.0))
    finished(words)
    assert differing(expected, root) == []


@pytest.mark.slow
def test_spark_s_driver_is_killed(recipe: Path, first: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    """While key rows or verdicts are on their way."""
    require("spark")
    root = Path(shutil.copytree(first, tmp_path / "root"))
    words = command(recipe, root, "spark", 2)
    with begun(words, []) as process:
        soon(lambda: any(root.glob(f"corpus/deduped/{SECOND}/run/scratch/*/*")), "work on corpus/deduped", 120)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not (root / "corpus" / "deduped" / SECOND / "manifest.json").exists()
        finished(words)
    assert differing(expected, root) == []
