"""One Spark session for all tests of this folder, or one line that says why there is none."""

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from corpus.errors import ConfigError
from pipelines.engines.spark.installed import require_java, require_pyspark

SETTINGS = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.caseSensitive": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "4",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


def why_not() -> str | None:
    """Why Spark cannot run here."""
    try:
        require_pyspark()
        require_java()
    except ConfigError as error:
        return str(error)
    return None


WHY_NOT = why_not()
collect_ignore_glob = ["test_*.py"] if WHY_NOT else []


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if WHY_NOT:
        terminalreporter.write_line(f"tests of the spark engine were left out: {WHY_NOT}")


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """A session on two cores, in which a task may fail twice."""
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # what travels to workers is defined in tests too
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        builder = SparkSession.builder.master("local[2,3]").appName("tests")
        for name, value in SETTINGS.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()
