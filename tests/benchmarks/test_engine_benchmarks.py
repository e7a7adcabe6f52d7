"""The benchmarks of engines and of many files, at their smallest, as a user runs them."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SHUFFLES = """
import sys
from pipelines.engines.spark.session import session
from pipelines.engines.spark.settings import SparkSettings
with session(SparkSettings.of(sys.argv[1:]), 1) as spark:
    spark.range(10_000).repartition(3).selectExpr("sum(id)").collect()
"""


def test_many_files_counts_shards_and_requests():
    command = [sys.executable, BENCHMARKS / "many_files.py", "--n", "4", "--cut", "one", "--where", "s3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| s3, one | corpus/extracted | 4 |" in done.stdout
    assert "| s3, one | corpus/pages | 4 |" in done.stdout
    (data,) = [line for line in done.stdout.splitlines() if line.startswith("| one: data | corpus/extracted")]
    assert data.split("|")[6].strip() == "4"  # puts


@pytest.mark.slow
def test_event_log_says_what_was_shuffled(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from spark_events import settings, written

    subprocess.run([sys.executable, "-c", SHUFFLES, *settings(tmp_path)], check=True, capture_output=True)
    found = written(tmp_path)
    assert 10_000 < found.shuffle_bytes < 200_000  # 10,000 numbers of 8 bytes, compressed, and three sums
    assert found.spill_bytes == 0
    assert found.n_tasks >= 4


@pytest.mark.slow
def test_growth_has_a_line_for_each_size_and_engine():
    command = [sys.executable, BENCHMARKS / "engines.py", "--part", "growth", "--sizes", "400", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sum(line.startswith("| 400 (") for line in done.stdout.splitlines()) == 2
