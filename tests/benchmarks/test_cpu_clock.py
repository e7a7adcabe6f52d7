"""The benchmark's clock, and the line that it is put around, on the sample that ships."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def busy(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_clock_charges_each_moment_once_in_children_too(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from cpu_clock import CpuClock

    clock = CpuClock(["before", "outer", "inner", "child"])
    with clock.at("outer"):
        busy(0.5)
        for _ in clock.each("inner", (busy(0.4) for _ in range(2))):
            busy(0.1)
        pid = os.fork()
        if pid == 0:
            with clock.at("child"):
                busy(0.6)
            busy(0.3)  # not charged by the child: it falls to the label under which its parent waits
            os._exit(0)
        os.waitpid(pid, 0)
    seconds = clock.seconds()
    # room for the fork of a process that has imported much
    assert seconds["inner"] == pytest.approx(0.8, abs=0.15)
    assert seconds["child"] == pytest.approx(0.6, abs=0.15)
    assert seconds["outer"] == pytest.approx(0.5 + 0.2 + 0.3, abs=0.25)


def test_steps_of_our_line_add_up_to_what_its_process_took(tmp_path, sample):
    recipe = tmp_path / "recipe.yaml"
    dedup = [{"method": "url"}, {"method": "exact"}, {"method": "minhash"}]
    corpus = {"language": {"keep": ["en"]}, "rules": [{"rule": "c4", "dialect": "tfds-3"}], "dedup": dedup}
    sources = {"web": {"format": "warc", "paths": [str(sample)]}}
    recipe.write_text(json.dumps({"name": "line", "seed": 17, "sources": sources, "corpus": corpus}))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    script = [sys.executable, ROOT / "benchmarks" / "our_line.py", recipe, tmp_path / "run", tmp_path / "out.json"]
    subprocess.run(script, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    steps = json.loads((tmp_path / "out.json").read_text())
    assert 0.75 * took < sum(steps.values()) <= took  # the end of the interpreter is nobody's step
    assert all(seconds > 0 for seconds in steps.values())
