"""Full disks of workers: work goes to the others, or stops with a line that says so and goes on once there is room."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from on_spark import OnSpark, corpora, one_line
from small_run import Finished

FULL = "64k"
"""Room for the folders that Spark makes, not for the rows that it shuffles."""


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """A disk there that is full soon."""
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root may mount a small disk")
    disk.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={FULL}", "tmpfs", str(disk)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_full_on_all_workers_then_on_one(spark: OnSpark, finished: Finished, tmp_path: Path) -> None:
    with full(spark.disks[1]):
        with full(spark.disks[0]):
            done = spark.run(tmp_path)
        assert done.returncode == 1, done.stderr
        assert one_line(done).startswith("millstream: Spark: a worker's disk is full; make room")
        assert (tmp_path / "corpus/pages/dev/manifest.json").exists()
        assert not (tmp_path / "corpus/deduped/dev/manifest.json").exists()
        done = spark.run(tmp_path)
        assert done.returncode == 0, done.stderr
    assert "No space left on device" in spark.latest_logs(1)
    assert corpora(tmp_path) == corpora(finished.root)
