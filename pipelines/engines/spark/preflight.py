"""Before work: does every executor have what the driver has? One that has not is named, with both versions."""

import pickle
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import astuple
from typing import Any

from pyspark.sql import SparkSession

from corpus import errors
from corpus.errors import ConfigError, MillstreamError
from corpus.guard import MEMORY_BYTES
from corpus.plan import Plan, stages
from pipelines.engines.spark.failures import understood
from pipelines.engines.versions import Environment, agree, modules_of, require_resources

ROUNDS = 2
WAIT_SECONDS = 0.1
"""A task that ends at once leaves its slot to the next one, and some executor without any."""
MEMORY = 2 * MEMORY_BYTES
"""A guarded page's, and as much for the process itself, which has 0.5 GiB of addresses before it reads anything."""


def require_agreement(spark: SparkSession, plan: Plan) -> None:
    """ConfigError or ResourceError when an executor lacks millstream, has another version of it or of a library, or
    lacks a file that a stage loads. One that joins later is asked when it begins its first task."""
    context = spark.sparkContext
    n_tasks = ROUNDS * context.defaultParallelism
    question = _question(astuple(Environment.here(modules_of(plan))), pickle.dumps(plan))
    try:
        said = context.parallelize(range(n_tasks), n_tasks).mapPartitions(question).collect()
    except Exception as error:
        raise understood(error) from error
    if said:
        kind, message = min(said)
        raise getattr(errors, kind)(message)


def _question(driver: Any, plan: bytes) -> Callable[[Iterable[int]], list[tuple[str, str]]]:
    """What speaks against an executor, as a task that needs nothing but Python there. It raises nothing: Spark would
    take that for bad luck, and ask another executor."""

    def asked(_: Iterable[int]) -> list[tuple[str, str]]:
        time.sleep(WAIT_SECONDS)
        try:
            from pipelines.engines.spark.preflight import objections
        except ImportError as error:
            here = f"host {socket.gethostname()}: {sys.executable} cannot import millstream: {error}"
            return [("ConfigError", f"{here}; give the executors the driver's environment (README, Spark)")]
        return objections(driver, plan)

    return asked


def objections(driver: Any, plan: bytes) -> list[tuple[str, str]]:
    """The name and the message of an error; the plan is opened only where its classes are the driver's."""
    try:
        agree(Environment(*driver), socket.gethostname())
        asked: Plan = pickle.loads(plan)  # noqa: S301 - it comes from the driver
        require_resources(asked)
        _require_memory(asked)
    except MillstreamError as error:
        return [(type(error).__name__, str(error))]
    return []


def _require_memory(plan: Plan) -> None:
    """ConfigError when this process is held to less than its own memory and what a guard lets a page take: such a page
    would be dropped here, and kept elsewhere."""
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    guarded = any(getattr(stage, "guarded", False) for stage in stages(plan))
    if guarded and most != resource.RLIM_INFINITY and most < MEMORY:
        raise ConfigError(
            f"host {socket.gethostname()}: a Python process of Spark may have {most >> 20} MiB, and pages would be "
            f"dropped for want of memory; set spark.executor.pyspark.memory={MEMORY >> 30}g or more, or leave it out"
        )
