"""Ctrl-C in the middle of a Spark job: it ends within seconds, says so in one line, and the next run goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from engine_runs import ROOT
from on_spark import JAVAS_OWN, OnSpark, corpora, rule
from waiting import soon

pytestmark = pytest.mark.slow
END_SECONDS = 30


def test_stopped_by_hand(spark: OnSpark, tmp_path: Path) -> None:
    file, met = tmp_path / "what", tmp_path / "what.met"
    file.write_text("sleep any")
    words = [sys.executable, "-m", "pipelines", *spark.words(tmp_path / "root", *rule(file))]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    try:
        soon(met.exists, "a page that takes ten minutes", 120)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to Java too
        _, said = process.communicate(timeout=END_SECONDS)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130, said
    lines = [line for line in said.splitlines() if not line.startswith(JAVAS_OWN)]
    assert lines == ["millstream: stopped; what was finished is kept, run again to go on"]
    file.unlink()
    done = spark.run(tmp_path / "root", *rule(file))
    assert done.returncode == 0, done.stderr
    assert "corpus/extracted@dev: done already" in done.stdout
    assert corpora(tmp_path / "root")
