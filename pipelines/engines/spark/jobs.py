"""Spark jobs with a progress line: the driver waits, looks at the counters, and gives up its jobs when interrupted."""

import threading
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from pyspark.sql import SparkSession

from pipelines.engines.spark.failures import understood
from pipelines.engines.spark.work import Shared

T = TypeVar("T")
Told = Callable[[int, int, int, int], None]
LOOK_SECONDS = 0.25
CANCELS = 20


def watched(spark: SparkSession, action: Callable[[], T], shared: Shared, told: Told) -> T:
    """What the action gives. Meanwhile `told` hears again and again how many of our own tasks are done, how many of
    Spark's, of how many, and how many documents went through. When the driver is interrupted, no job is left behind."""
    group = f"millstream-{uuid.uuid4()}"
    result: list[T] = []
    failed: list[Exception] = []

    def run() -> None:
        spark.sparkContext.setJobGroup(group, "millstream", interruptOnCancel=True)
        try:
            result.append(action())
        except Exception as error:  # handed on below
            failed.append(error)

    def tell() -> None:
        told(shared.tasks.value, *_spark_tasks(spark.sparkContext.statusTracker(), group), shared.documents.value)

    thread = threading.Thread(target=run, name=group, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            tell()
            thread.join(LOOK_SECONDS)
    except BaseException:
        for _ in range(CANCELS):  # an action may have many jobs, and goes on to the next one between two of these
            spark.sparkContext.cancelJobGroup(group)
            thread.join(LOOK_SECONDS)
        raise
    for error in failed:
        raise understood(error) from error
    tell()
    return result[0]


def _spark_tasks(tracker: Any, group: str) -> tuple[int, int]:
    jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group)]
    stages = [tracker.getStageInfo(stage) for job in jobs if job for stage in job.stageIds]
    known = [stage for stage in stages if stage]
    return sum(stage.numCompletedTasks for stage in known), sum(stage.numTasks for stage in known)
