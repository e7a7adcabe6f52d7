"""What a command and its children cost, measured on commands whose cost is known."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MB = 2**20
BUSY = "import time\nwhile time.process_time() < {}: pass\n"
LEAVES_AN_ORPHAN = f"""
import os, sys, time
held = [open('/dev/null') for _ in range(50)]
memory = bytearray(200 * {MB})
if os.fork() == 0:
    if os.fork() == 0:
        while time.process_time() < 0.5: pass
        time.sleep(1)
    os._exit(0)
time.sleep(1.5)
"""


def test_orphans_memory_and_files_are_all_counted(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from process_tree import DRIVER, cost_of

    cost = cost_of([sys.executable, "-c", LEAVES_AN_ORPHAN], tmp_path / "log")
    assert 0.5 <= cost.cpu_seconds < 2
    assert cost.wall_seconds >= 1.5
    assert 200 * MB < cost.rss[DRIVER] < 300 * MB
    assert 200 * MB < cost.pss < 300 * MB  # the orphan's copy is the same pages
    assert cost.open_files[DRIVER] >= 53
    assert cost.born[DRIVER] == 0


def test_session_beside_the_command_is_counted_with_its_orphans(monkeypatch, tmp_path):
    """A daemon's child works on behalf of the command, is left behind by its parent and falls to this process."""
    import subprocess

    monkeypatch.syspath_prepend(BENCHMARKS)
    from process_tree import cost_of, session_cpu

    daemon = subprocess.Popen(
        [sys.executable, "-c", "import sys, time\nsys.stdin.readline()\n" + BUSY.format(0.6) + "time.sleep(60)"],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert daemon.stdin is not None
        before = session_cpu(frozenset({daemon.pid}))
        daemon.stdin.write(b"go\n")
        daemon.stdin.flush()
        cost = cost_of([sys.executable, "-c", "import time; time.sleep(2)"], tmp_path / "log", sessions=[daemon.pid])
        took = session_cpu(frozenset({daemon.pid})) - before
        assert took - 0.3 < cost.cpu_seconds < took + 0.5
    finally:
        daemon.kill()
        daemon.communicate()


def test_failed_command_ends_the_benchmark_with_its_words(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from process_tree import cost_of

    with pytest.raises(SystemExit, match="ended with 3:\nno such thing"):
        cost_of([sys.executable, "-c", "print('no such thing'); raise SystemExit(3)"], tmp_path / "log")


def test_children_whose_end_nobody_hears_of_are_counted(monkeypatch, tmp_path):
    """As PySpark's daemon has them: the system drops their account when they end."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    from process_tree import cost_of

    deaf = f"""
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
if os.fork() == 0:
    {BUSY.format(1.5).replace(chr(10), " ").replace("import time ", "")}
    os._exit(0)
time.sleep(4)
"""
    cost = cost_of([sys.executable, "-c", deaf], tmp_path / "log")
    assert 1 < cost.cpu_seconds < 2.5
