"""Real sessions, each in a process of its own: a process has one Spark at a time."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]

START = """
import sys
from corpus.errors import MillstreamError
from pipelines.engines.spark.session import session
from pipelines.engines.spark.settings import SparkSettings
try:
    with session(SparkSettings.of(sys.argv[1:]), 1):
        print("started")
except MillstreamError as error:
    print(error)
"""

TWO_SESSIONS = """
import os, sys
from pathlib import Path
from pipelines.engines.spark.session import session
from pipelines.engines.spark.settings import SparkSettings

mark = Path(sys.argv[1])

def fails_once(batches):
    if not mark.exists():
        mark.touch()
        raise ValueError("the first try")
    return batches

def python(batches):
    import pyarrow as pa
    for _ in batches:
        yield pa.record_batch({"is": [sys.executable]})

with session(SparkSettings.of([]), 2) as spark:
    assert spark.sparkContext.master == "local[2,4]"
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert spark.conf.get("spark.sql.shuffle.partitions") == "8"
    rows = spark.range(10, numPartitions=2).mapInArrow(fails_once, "id long").collect()
    assert sorted(row.id for row in rows) == list(range(10))
    assert mark.exists()
    assert [row[0] for row in spark.range(1).mapInArrow(python, "is string").collect()] == [sys.executable]

with session(SparkSettings.of(["master=local[1]"]), 2) as spark:
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    with session(SparkSettings.of(["spark.sql.shuffle.partitions=3"]), 2) as inner:
        assert inner.sparkContext is spark.sparkContext
        assert inner.conf.get("spark.sql.session.timeZone") == "UTC"
        assert inner.conf.get("spark.sql.shuffle.partitions") == "3"
    assert spark.conf.get("spark.sql.session.timeZone") == "Asia/Tokyo"
    assert spark.conf.get("spark.sql.shuffle.partitions") == "4"
    assert spark.range(5).count() == 5
assert "PYSPARK_PYTHON" not in os.environ
print("well")
"""

SUBMITTED = """
from pipelines.engines.spark.session import session
from pipelines.engines.spark.settings import SparkSettings
with session(SparkSettings.of(["master=local[7]", "spark.executor.heartbeatInterval=7s"]), 9) as spark:
    conf = spark.sparkContext.getConf()
    said = [conf.get(key) for key in ("spark.master", "spark.task.maxFailures", "spark.executor.heartbeatInterval")]
    print(*said, spark.range(10).mapInArrow(lambda batches: batches, "id long").count())
"""


def python(*arguments: object, **environment: str | None) -> subprocess.CompletedProcess[str]:
    """This interpreter in an environment where variables that are None are not set."""
    merged = os.environ | {"PYSPARK_PYTHON": None, "SPARK_HOME": None} | environment
    kept = {key: value for key, value in merged.items() if value is not None}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=kept, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)


def test_a_session_serves_and_another_after_it_and_one_within_it(tmp_path: Path) -> None:
    done = python("-c", TWO_SESSIONS, tmp_path / "mark")
    assert (done.returncode, done.stdout) == (0, "well\n"), done.stderr
    assert " WARN " not in done.stderr
    assert " ERROR " not in done.stderr


def test_what_spark_submit_was_told_wins(tmp_path: Path) -> None:
    import pyspark

    script = tmp_path / "job.py"
    script.write_text(SUBMITTED)
    submit = [f"{pyspark.__path__[0]}/bin/spark-submit", "--master", "local[2,3]", "--conf", "spark.ui.enabled=false"]
    kept = os.environ | {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    command = [*submit, "--conf", "spark.task.maxFailures=3", str(script)]
    done = subprocess.run(command, env=kept, capture_output=True, text=True, timeout=180, check=False)
    assert done.stdout == "local[2,3] 3 7s 10\n", done.stderr


def package(folder: Path, name: str, source: str) -> str:
    """A PYTHONPATH whose package hides the installed one."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(source)
    return str(folder)


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """One line with the words, and not one of Spark's or Java's."""
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    for word in words:
        assert word in done.stdout


@pytest.mark.parametrize("home", [None, ""])
def test_no_java(tmp_path: Path, home: str | None) -> None:
    refused(python("-c", START, PATH=str(tmp_path), JAVA_HOME=home), "no java", "needs Java", "install one")


def test_wrong_java_home(tmp_path: Path) -> None:
    refused(python("-c", START, JAVA_HOME=str(tmp_path)), f"JAVA_HOME is {tmp_path}", "no bin/java", "needs Java")


def test_java_that_is_too_old(tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.7.0_80\"' >&2\n")
    java.chmod(0o755)
    refused(python("-c", START, JAVA_HOME=str(tmp_path)), f"{java} is 7", "needs Java")


def test_no_pyspark(tmp_path: Path) -> None:
    path = package(tmp_path, "pyspark", "raise ModuleNotFoundError('No module named pyspark')")
    refused(python("-c", START, PYTHONPATH=path), "needs pyspark", sys.executable, "pip install 'millstream[spark]'")


def test_pyspark_that_is_too_old(tmp_path: Path) -> None:
    path = package(tmp_path, "pyspark", "__version__ = '3.4.4'")
    refused(python("-c", START, PYTHONPATH=path), "pyspark 3.4.4 is too old", "3.5")


def test_pyspark_without_spark(tmp_path: Path) -> None:
    refused(python("-c", START, SPARK_HOME=str(tmp_path)), f"{tmp_path} holds no Spark", "unset SPARK_HOME")


def test_spark_home_of_another_spark(tmp_path: Path) -> None:
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "spark-core_2.12-3.1.3.jar").touch()
    refused(python("-c", START, SPARK_HOME=str(tmp_path)), "SPARK_HOME is Spark 3.1.3, but pyspark is ")


@pytest.mark.parametrize("source", ["raise ModuleNotFoundError('No module named pandas')", "__version__ = '0.25.3'"])
def test_no_pandas_or_one_that_is_too_old(tmp_path: Path, source: str) -> None:
    path = package(tmp_path, "pandas", source)
    refused(python("-c", START, PYTHONPATH=path), "lacks a library", "andas", "pip install 'millstream[spark]'")


def test_a_master_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    master = f"spark://127.0.0.1:{port}"
    refused(python("-c", START, f"master={master}"), f"no Spark master answers at {master}", "Connection refused")


def test_a_setting_that_spark_refuses() -> None:
    done = python("-c", START, "spark.driver.memory=5x")
    assert done.stdout.startswith("Spark does not start at local[1,4]: ")
