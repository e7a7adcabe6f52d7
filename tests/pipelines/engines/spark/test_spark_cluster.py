"""A real cluster: work goes on when a worker is lost, and a worker that is unlike the driver is told of."""

import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
from spark_cluster import Cluster, cluster

ROOT = Path(__file__).resolve().parents[4]
SPARK_35 = ROOT / ".venv-spark35" / "bin" / "python"
PYTHONS = [
    pytest.param(Path(sys.executable), id="this"),
    pytest.param(SPARK_35, id="3.5", marks=pytest.mark.skipif(not SPARK_35.exists(), reason=f"no {SPARK_35}")),
]

WAITING = """
import os, sys, time
from pathlib import Path
from pipelines.engines.spark.session import session
from pipelines.engines.spark.settings import SparkSettings

folder = Path(sys.argv[1])

def wait(batches):
    for batch in batches:
        (folder / f"{batch.column(0)[0]} {os.environ['WORKER']}").touch()
        while not (folder / "go").exists():
            time.sleep(0.05)
        yield batch

with session(SparkSettings.of(sys.argv[2:]), 1) as spark:
    print(sorted(row.id for row in spark.range(6, numPartitions=6).mapInArrow(wait, "id long").collect()))
"""

AGREEING = """
import sys
from pipelines.engines.spark.session import session
from pipelines.engines.spark.settings import SparkSettings
from pipelines.engines.versions import Environment, agree

def work(batches):
    agree(driver, "h")
    return batches

driver = Environment.here()
with session(SparkSettings.of(sys.argv[1:]), 1) as spark:
    try:
        spark.range(6, numPartitions=6).mapInArrow(work, "id long").count()
    except Exception as error:
        print(next(line for line in str(error).splitlines() if "ConfigError: " in line))
"""


def driver(python: Path, script: str, *arguments: object) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("PYSPARK_PYTHON", None)
    command = [str(python), "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def begun(folder: Path, there: Cluster, job: subprocess.Popen[str]) -> dict[str, set[str]]:
    """Which tasks each worker has begun, once every worker has begun one."""
    while True:
        assert job.poll() is None, job.communicate()
        found = defaultdict(set)
        for mark in folder.glob("* *"):
            task, worker = mark.name.split()
            found[worker].add(task)
        if len(found) == len(there.workers):
            return found
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("python", PYTHONS)
def test_a_job_ends_well_though_a_worker_is_lost(tmp_path: Path, python: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    with cluster(tmp_path / "cluster", python=python) as there, driver(python, WAITING, marks, *there.settings) as job:
        held = begun(marks, there, job)["0"]
        (executor,) = there.workers[0].executors()
        there.workers[0].kill()
        (marks / "go").touch()
        out, said = job.communicate(timeout=120)
        assert out == f"{list(range(6))}\n", said
        assert held
        assert all((marks / f"{task} 1").exists() for task in held)
        assert not Path(f"/proc/{executor}").exists()
        while there.alive() != 1:
            time.sleep(0.2)
    assert not any(daemon.members() for daemon in (there.master, *there.workers))


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_worker_unlike_the_driver_is_told_of(tmp_path: Path) -> None:
    other = tmp_path / "other" / "numpy-1.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.0\n")
    environments = {0: {"PYTHONPATH": str(other.parent)}}
    with cluster(tmp_path / "cluster", 1, environments=environments) as there:
        out, said = driver(Path(sys.executable), AGREEING, *there.settings).communicate(timeout=120)
    assert "host h has numpy 1.0, the driver 2." in out, said
