"""A full disk: a clear error, nothing half-written under a final name, and the run goes on once there is room."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_run import Finished, durable, outside

MIB = 2**20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty disk of 300 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    if os.geteuid() or not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def grow(disk: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


def test_full_then_with_room(finished: Finished, small_disk: Path) -> None:
    """Full in one artifact after the other as the disk grows; what is finished in between is whole and stays."""
    root = small_disk / "root"
    run = ("run", finished.recipe, "--root", root, "--workers", 2, "--only", "tokens/main")
    for size in ("300k", "1000k", "1500k"):
        grow(small_disk, size)
        done = outside(*run)
        assert done.returncode == 1, done.stdout
        assert done.stderr.count("\n") == 1, done.stderr
        assert "No space left on device" in done.stderr
        assert "run again: finished work is kept" in done.stderr
        here, there = durable(root), durable(finished.root)
        assert {path for path in here if ".tmp-" in path} == set()
        whole = {path for path in here if "/" in path and not path.endswith(("splits.json",))}
        assert {path: here[path] for path in whole} == {path: there[path] for path in whole}
    grow(small_disk, "64m")
    done = outside(*run)
    assert done.returncode == 0, done.stderr
    there = {path: data for path, data in durable(finished.root).items() if not path.startswith("checkpoint/")}
    assert durable(root) == there
