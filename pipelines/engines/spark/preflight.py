"""Before work: does every executor have what the driver has? One that has not is named, with both versions."""

import socket
import time

import pyarrow as pa
from pyspark.sql import SparkSession

from corpus.plan import Plan
from pipelines.engines.spark.columns import Batches, mapped
from pipelines.engines.spark.failures import understood
from pipelines.engines.versions import Environment, agree, modules_of, require_resources

ROUNDS = 2
WAIT_SECONDS = 0.1
"""A task that ends at once leaves its slot to the next one, and some executor without any."""
NOTHING = pa.schema([("host", pa.string())])


def require_agreement(spark: SparkSession, plan: Plan) -> None:
    """ConfigError or ResourceError when an executor lacks millstream, has another version of it or of a library, or
    lacks a file that a stage loads. One that joins later is asked when it begins its first task."""
    driver = Environment.here(modules_of(plan))
    n_tasks = ROUNDS * spark.sparkContext.defaultParallelism

    def asked(batches: Batches) -> Batches:
        host = socket.gethostname()
        agree(driver, host)
        require_resources(plan)
        for batch in batches:
            time.sleep(WAIT_SECONDS)
            yield pa.RecordBatch.from_arrays([pa.array([host] * batch.num_rows)], schema=NOTHING)

    try:
        mapped(spark.range(0, n_tasks, 1, n_tasks), asked, pa.schema([("id", pa.int64())]), NOTHING).collect()
    except Exception as error:
        raise understood(error) from error
