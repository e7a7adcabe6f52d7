"""Engines whose workers or drivers are killed at work: the same files in the end, and nothing half-written."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from engine_runs import begun, command, differing, driven, require
from spark_cluster import cluster
from waiting import soon

RECIPE = "demo"
Reference = dict[str, dict[str, bytes]]


def committed(root: Path, artifact: str) -> int:
    """How many shards of it are committed."""
    return len(list(root.glob(f"corpus/{artifact}/dev/commits/*/*.json")))


def whole(root: Path, artifact: str) -> bool:
    return (root / "corpus" / artifact / "dev" / "manifest.json").exists()


def at_work_on(root: Path, artifact: str) -> Callable[[], bool]:
    """Whether the artifact is being built: some of it is there, but not all."""
    return lambda: committed(root, artifact) > 0 or any((root / "corpus" / artifact / "dev").glob("run/scratch/*/*"))


def test_a_cluster_loses_a_worker(reference: Reference, tmp_path: Path) -> None:
    require("spark")
    root = tmp_path / "built" / RECIPE
    with cluster(tmp_path / "cluster", 2) as found:
        words = command(root.parent, "spark", 2, found.settings)
        with begun(words, [RECIPE]) as process:
            soon(at_work_on(root, "extracted"), "the first shard", 120)
            assert not whole(root, "extracted")
            found.workers[0].kill()
            _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said[-5000:]
    assert differing(reference[RECIPE], root) == []


@pytest.mark.parametrize("artifact", ["extracted", pytest.param("deduped", marks=pytest.mark.slow)])
def test_the_driver_is_killed_and_started_again(reference: Reference, tmp_path: Path, artifact: str) -> None:
    require("spark")
    root = tmp_path / RECIPE
    words = command(tmp_path, "spark", 2)
    with begun(words, [RECIPE]) as process:
        soon(at_work_on(root, artifact), f"work on {artifact}", 120)
        time.sleep(0.3)
        assert not whole(root, artifact)
        os.kill(process.pid, signal.SIGKILL)  # the driver alone: Spark's own processes are orphans now
        process.wait()
        driven(words, [RECIPE])
    assert differing(reference[RECIPE], root) == []
