"""SIGKILL at any moment: the run after it ends with the bytes of a run that was never killed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from corpus.storage import TEMPORARY

RECIPE = """
name: killed
seed: 3
sources:
  web: {format: warc, paths: ["%s"]}
corpus:
  extract: {tier: fast}
  language: {keep: [en, de, fr, es], min_score: 0.65}
  rules: [{rule: c4, dialect: tfds-3}]
  dedup: [{method: url}, {method: exact}, {method: minhash}]
  holdout: {share: 0.05}
  split_bytes: 400_000
  shard_bytes: 100_000
mix: {weights: {web: 1.0}, budget: {bytes: 1_000_000}, max_epochs: 4}
tokenizer: {model: bpe-bytes, vocab_size: 1024}
"""
LIMIT = 250


def command(recipe: Path, root: Path) -> list[str]:
    run = ["run", str(recipe), "--root", str(root), "--workers", "2", "--limit", str(LIMIT)]
    return [sys.executable, "-m", "pipelines", *run]


def durable(root: Path) -> dict[str, bytes]:
    """What must be equal: data files, rejects, commit records, manifests, shards; by path."""
    skipped = {"run.json", "report.html", "digests.json", "recipe.json"}
    beside = set(root.glob(f"{TEMPORARY}*"))  # a half-written record of the run, which nobody sweeps
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(set(root.rglob("*")) - beside)
        if path.is_file() and path.name not in skipped and "/run/" not in str(path) and ".scratch" not in path.parts
    }


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "killed.yaml"
    path.write_text(RECIPE % sample)
    return path


@pytest.fixture(scope="module")
def never_killed(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float]:
    root = tmp_path_factory.mktemp("whole")
    started = time.monotonic()
    subprocess.run(command(recipe, root), check=True, capture_output=True)
    return durable(root), time.monotonic() - started


def killed_run(recipe: Path, root: Path, after: float, whole_group: bool) -> bool:
    """Starts a run and kills it (with its workers, or leaving them orphaned); whether it was still at work."""
    process = subprocess.Popen(
        command(recipe, root), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(after)
    alive = process.poll() is None
    if alive and whole_group:
        os.killpg(process.pid, signal.SIGKILL)
    elif alive:
        process.kill()
    process.wait()
    return alive


def survives(recipe: Path, root: Path, expected: dict[str, bytes], moments: list[float]) -> int:
    """Kills one run after another at the moments, then lets one end; how many were killed at work."""
    n_killed = sum(killed_run(recipe, root, after, bool(n % 2)) for n, after in enumerate(moments))
    done = subprocess.run(command(recipe, root), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = durable(root)
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []
    return n_killed


def test_killed_at_ten_moments(recipe: Path, never_killed: tuple[dict[str, bytes], float], tmp_path: Path) -> None:
    """Ten kills over five roots: the second goes into what the first has left, then a run ends."""
    expected, seconds = never_killed
    draw = random.Random(17)
    n_killed = 0
    for n in range(5):
        moments = [draw.uniform(0.05, 0.9 * seconds), draw.uniform(0.05, 0.5 * seconds)]
        n_killed += survives(recipe, tmp_path / str(n), expected, moments)
    assert n_killed >= 5, "most of the ten were to fall into work"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_killed_at_many_moments(
    recipe: Path, never_killed: tuple[dict[str, bytes], float], tmp_path: Path, seed: int
) -> None:
    expected, seconds = never_killed
    draw = random.Random(1000 + seed)
    survives(recipe, tmp_path / "root", expected, [draw.uniform(0.05, seconds) for _ in range(2)])


def test_second_run_does_nothing(recipe: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    subprocess.run(command(recipe, root), check=True, capture_output=True)
    times = {path: path.stat().st_mtime_ns for path in (root / "corpus").rglob("*") if path.is_file()}
    again = subprocess.run(command(recipe, root), check=True, capture_output=True, text=True)
    assert again.stdout.count("done already") == 7
    assert times == {path: path.stat().st_mtime_ns for path in (root / "corpus").rglob("*") if path.is_file()}
