"""Spark jobs with a progress line: the driver waits, looks at the counters, and gives up its jobs when interrupted."""

import threading
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from pyspark.sql import SparkSession

from pipelines.engines.engine import Progress
from pipelines.engines.spark.failures import understood
from pipelines.engines.spark.work import Shared

T = TypeVar("T")
LOOK_SECONDS = 0.25


def watched(
    spark: SparkSession, action: Callable[[], T], shared: Shared, progress: Progress, name: str, done: int, total: int
) -> T:
    """What the action gives. Meanwhile `progress` hears of the counters, which begin with `done` of `total`, or of
    Spark's own tasks while there are none to count (total 0)."""
    group = f"millstream-{uuid.uuid4()}"
    result: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        spark.sparkContext.setJobGroup(group, name, interruptOnCancel=True)
        try:
            result.append(action())
        except BaseException as error:  # handed on below
            failed.append(error)

    thread = threading.Thread(target=run, name=group, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            _tell(spark, group, shared, progress, name, done, total)
            thread.join(LOOK_SECONDS)
    except BaseException:
        spark.sparkContext.cancelJobGroup(group)
        raise
    if failed:
        raise understood(failed[0]) if isinstance(failed[0], Exception) else failed[0]
    _tell(spark, group, shared, progress, name, done, total)
    return result[0]


def _tell(
    spark: SparkSession, group: str, shared: Shared, progress: Progress, name: str, done: int, total: int
) -> None:
    if total:
        progress(name, done + min(shared.tasks.value, total - done), total, shared.documents.value)
    else:
        n_done, n_tasks = _spark_tasks(spark.sparkContext.statusTracker(), group)
        progress(name, n_done, max(n_tasks, 1), shared.documents.value)


def _spark_tasks(tracker: Any, group: str) -> tuple[int, int]:
    jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group)]
    stages = [tracker.getStageInfo(stage) for job in jobs if job for stage in job.stageIds]
    known = [stage for stage in stages if stage]
    return sum(stage.numCompletedTasks for stage in known), sum(stage.numTasks for stage in known)
