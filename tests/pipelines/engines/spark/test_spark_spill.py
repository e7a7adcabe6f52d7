"""Rows put aside: what the record names, all of it, once; whatever else lies there."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from spark_frames import collected, frame, in_order

from corpus.errors import DataError
from corpus.storage import Folder
from pipelines.engines.spark.columns import Batches, mapped
from pipelines.engines.spark.spill import RECORD, n_spilled, spilled, unspill

N_ROWS = 90_000  # three batches of Spark's for each of three tasks
TABLE = pa.table(
    {
        "id": [f"ü{number:05}" for number in range(N_ROWS)],
        "n": pa.array((None if number % 3 else number % 256 for number in range(N_ROWS)), pa.uint8()),
        "at": pa.array(range(N_ROWS), pa.timestamp("ms", "UTC")),
    }
)
SCHEMA = TABLE.schema


def never() -> DataFrame:
    raise AssertionError("the rows stand there")


@pytest.fixture
def source(spark: SparkSession, tmp_path: Path) -> DataFrame:
    (tmp_path / "source").mkdir()
    return frame(spark, TABLE, tmp_path / "source")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(str(tmp_path / "spills"))


def test_rows_come_back_and_are_made_once(spark: SparkSession, source: DataFrame, folder: Folder) -> None:
    first = spilled(spark, folder, "rows", lambda: source, SCHEMA)
    assert n_spilled(folder, "rows") == N_ROWS
    assert collected(first, SCHEMA).equals(TABLE.combine_chunks())
    (folder / "rows").write("0123-7.arrow", b"of an attempt that was given up")
    again = spilled(spark, folder, "rows", never, SCHEMA)
    assert collected(again, SCHEMA).equals(TABLE.combine_chunks())
    unspill(folder, "rows")
    assert folder.names("directory") == []


def test_files_are_bounded_and_tasks_that_read_them_too(spark: SparkSession, source: DataFrame, folder: Folder) -> None:
    rows = spilled(spark, folder, "rows", lambda: source, SCHEMA, file_bytes=1)
    n_files = len(json.loads((folder / "rows").read(RECORD))["files"])
    assert n_files > 3  # tasks
    assert rows.rdd.getNumPartitions() <= min(n_files, 4 * spark.sparkContext.defaultParallelism)
    assert collected(rows, SCHEMA).equals(TABLE.combine_chunks())


def test_rows_of_a_task_that_failed_half_way_do_not_count(
    spark: SparkSession, source: DataFrame, folder: Folder, tmp_path: Path
) -> None:
    def falls_once(batches: Batches) -> Batches:
        task = TaskContext.get()
        assert task is not None
        for number, batch in enumerate(batches):
            if number == 2 and task.attemptNumber() == 0:
                (tmp_path / f"fell-{task.partitionId()}").touch()
                raise ValueError("at first I do not succeed")
            yield batch

    rows = spilled(spark, folder, "rows", lambda: mapped(source, falls_once, SCHEMA, SCHEMA), SCHEMA, file_bytes=1)
    assert len(list(tmp_path.glob("fell-*"))) == 3
    recorded = {name for name, _ in json.loads((folder / "rows").read(RECORD))["files"]}
    assert recorded | {RECORD} <= set((folder / "rows").names())
    assert n_spilled(folder, "rows") == N_ROWS
    assert collected(rows, SCHEMA).equals(TABLE.combine_chunks())


def test_files_without_a_record_are_no_rows(spark: SparkSession, source: DataFrame, folder: Folder) -> None:
    spilled(spark, folder, "rows", lambda: source, SCHEMA)
    (folder / "rows").remove(RECORD)  # as a driver that was killed before it wrote one leaves it
    with pytest.raises(DataError, match="missing"):
        n_spilled(folder, "rows")
    rows = spilled(spark, folder, "rows", lambda: source.where("n IS NOT NULL"), SCHEMA)
    assert collected(rows, SCHEMA).equals(in_order(TABLE.filter(pa.compute.field("n").is_valid())))


def test_no_rows(spark: SparkSession, source: DataFrame, folder: Folder) -> None:
    rows = spilled(spark, folder, "rows", lambda: source.where("n = 1000"), SCHEMA)
    assert collected(rows, SCHEMA).equals(SCHEMA.empty_table())
    assert n_spilled(folder, "rows") == 0


def test_rows_that_are_not_those_of_the_record_are_an_error(
    spark: SparkSession, source: DataFrame, folder: Folder
) -> None:
    spilled(spark, folder, "rows", lambda: source, SCHEMA)
    files = json.loads((folder / "rows").read(RECORD))["files"]
    files[0][1] += 1
    (folder / "rows").write(RECORD, json.dumps({"files": files}).encode())
    with pytest.raises(DataError, match=f"{files[0][0]} is not what {RECORD} there says; remove"):
        collected(spilled(spark, folder, "rows", never, SCHEMA), SCHEMA)
