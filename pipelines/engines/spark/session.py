"""A Spark session with what our jobs need: the one that runs, the one that spark-submit asks for, or a new one."""

import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.errors import ConfigError
from pipelines.engines.spark.installed import require_java, require_pyspark, require_reachable
from pipelines.engines.spark.settings import MASTER, SparkSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MAX_FAILURES = 4
"""How often a task is tried; Spark's own default, which it leaves at 1 in local mode."""
ARROW_ROWS = 8192
PARTITIONS_PER_CORE = 4
QUIET = f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties').as_uri()}"
DEFAULTS = {
    "spark.app.name": "millstream",
    "spark.python.worker.faulthandler.enabled": "true",
    "spark.python.worker.reuse": "true",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.caseSensitive": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(ARROW_ROWS),
    "spark.task.maxFailures": str(MAX_FAILURES),
    "spark.ui.showConsoleProgress": "false",
}
ELSEWHERE = {
    "spark.excludeOnFailure.enabled": "true",
    "spark.excludeOnFailure.task.maxTaskAttemptsPerExecutor": "2",
    "spark.excludeOnFailure.task.maxTaskAttemptsPerNode": "3",
    "spark.excludeOnFailure.stage.maxFailedTasksPerExecutor": "8",
    "spark.excludeOnFailure.application.maxFailedTasksPerExecutor": "8",
}
"""A task that has failed twice on one executor, for its disk is full say, goes to another. Spark's own thresholds would
end a job of one executor at the first failure."""
LOCAL = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
}
LOCAL_ENVIRONMENT = {"SPARK_LOCAL_IP": "127.0.0.1"}
"""Else Spark's pages could be read from other machines."""
SERIAL = "-XX:+UseSerialGC"
"""Starts sooner than the default collector, and shuffles as fast in a heap of 1 GB."""
PYTHON = "PYSPARK_PYTHON"


@contextmanager
def session(settings: SparkSettings, workers: int) -> Iterator["SparkSession"]:
    """A session for as long as the block lasts, stopped at its end unless it was running before.

    What spark-submit was told wins over the settings, and these over our defaults, `local[workers]` among them.
    ConfigError when Spark cannot start, or not there.
    """
    require_pyspark()
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    if SparkContext._active_spark_context is not None:  # the caller's own: his session keeps its settings, and goes on
        yield _tuned(SparkSession.builder.getOrCreate().newSession(), settings)
        return
    spark = _started(settings, workers)
    try:
        yield _tuned(spark, settings)
    finally:
        spark.stop()


def _started(settings: SparkSettings, workers: int) -> "SparkSession":
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    conf = configuration(settings, workers)
    if "PYSPARK_GATEWAY_PORT" in os.environ:  # spark-submit has started Java, and holds what it was told
        SparkContext._ensure_initialized()
        conf |= dict(SparkConf().getAll())
    else:
        require_java()
    require_reachable(conf[MASTER])
    with _environment(conf):
        try:
            return SparkSession.builder.config(conf=SparkConf().setAll(list(conf.items()))).getOrCreate()
        except Exception as error:  # Java's, py4j's and pyspark's have no root of their own
            said = str(getattr(error, "java_exception", error)).partition("\n")[0]
            raise ConfigError(f"Spark does not start at {conf[MASTER]}: {said}; its messages above say more") from error


def configuration(settings: SparkSettings, workers: int) -> dict[str, str]:
    """All that a session of our own is started with; failed tasks are tried again in local mode too."""
    said = dict(settings.conf)
    master = said.get(MASTER, f"local[{workers}]")
    conf = {**DEFAULTS, **(LOCAL if master.startswith("local") else ELSEWHERE), **said}
    java = conf.get("spark.driver.extraJavaOptions", SERIAL if master.startswith("local") else "")
    if found := re.fullmatch(r"local(?:\[(\d+|\*)\])?", master):
        master = f"local[{found[1] or 1},{conf['spark.task.maxFailures']}]"
    return conf | {MASTER: master, "spark.driver.extraJavaOptions": f"{QUIET} {java}".strip()}


@contextmanager
def _environment(conf: dict[str, str]) -> Iterator[None]:
    """What Spark takes from the environment when it starts: the interpreter of the tasks, the one that was asked for or
    this one where they run on this machine, and in local mode the address that its pages are served at."""
    asked = conf.get("spark.pyspark.python") or os.environ.get(PYTHON)
    wanted = dict(LOCAL_ENVIRONMENT) if conf[MASTER].startswith("local") else {}
    if python := asked or (sys.executable if _is_here(conf[MASTER]) else None):
        wanted[PYTHON] = python
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _is_here(master: str) -> bool:
    if master.startswith("local"):
        return True
    here = rf"(localhost|127\.[\d.]+|\[::1\]|{re.escape(socket.gethostname())})"
    return re.fullmatch(rf"spark://{here}:\d+", master) is not None


def _tuned(spark: "SparkSession", settings: SparkSettings) -> "SparkSession":
    """The session with what may be set while Spark runs."""
    spark.conf.set("spark.sql.session.timeZone", "UTC")  # not a matter of taste: timestamps become bytes
    context, partitions = spark.sparkContext, "spark.sql.shuffle.partitions"
    if str(context.master).startswith("local") and not context.getConf().contains(partitions):
        spark.conf.set(partitions, PARTITIONS_PER_CORE * context.defaultParallelism)
    for key, value in settings.conf:
        if spark.conf.isModifiable(key):
            spark.conf.set(key, value)
    return spark
