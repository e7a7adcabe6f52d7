"""Reduce and Group on Spark against corpus/wide.py, which the local engine runs."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark import cloudpickle
from pyspark.sql import SparkSession
from spark_frames import collected, frame, in_order

from corpus import wide
from corpus.errors import DataError
from corpus.plan import Group, How, Read, Reduce, schema_of
from pipelines.engines.spark.columns import spark_schema
from pipelines.engines.spark.wide import CALL_ROWS, grouped, reduced

# by value: Spark's workers cannot import this file where another test has started their daemon
cloudpickle.register_pickle_by_value(sys.modules[__name__])

KEYED = pa.schema(
    [
        ("id", pa.string()),
        ("key", pa.string()),
        ("order", pa.int64()),
        ("when", pa.timestamp("ms", "UTC")),
        ("n", pa.uint16()),
        ("share", pa.float64()),
    ]
)
TAKE: tuple[tuple[str, How, str], ...] = (
    ("id", "first", "id"),  # takes the place of a column
    ("name", "first", "key"),
    ("word", "first", "when"),
    ("fraction", "first", "share"),
    ("count", "count", "id"),
    ("total", "sum", "n"),
)
WORDS = [
    "",
    "a",
    "ab",
    "z",
    "ü",
    "\uffff",
    "\U0001f600",
    "漢字",
]  # in UTF-16 the last but one would come before "\uffff"


def rows(seed: int, n_rows: int = 600) -> pa.Table:
    """Few keys, ties and nulls in everything else."""
    draw = np.random.default_rng(seed)

    def some(values: list[Any], kind: pa.DataType) -> pa.Array:
        return pa.array([values[i] for i in draw.integers(0, len(values), n_rows)], kind)

    columns = [
        some([*WORDS, None], pa.string()),
        some(WORDS, pa.string()),
        some([None, -(2**63), 0, 7], pa.int64()),
        some([None, 0, -1, 1_600_000_000_000], KEYED.field("when").type),
        some([None, 0, 1, 65535], pa.uint16()),
        some([None, 0.5, -1.5, float("inf")], pa.float64()),
    ]
    return pa.table(columns, schema=KEYED)


def skewed(n_rows: int = 300_000) -> pa.Table:
    """A key that has nearly all rows."""
    numbers = np.arange(n_rows) * 7919 % n_rows
    ids = pa.array([f"{number:06x}" for number in numbers])
    keys = pa.array(np.where(numbers % 1000 == 0, numbers, 0))
    return pa.table({"id": ids, "key": keys, "shard": pa.array(numbers % 5, pa.int32()), "row": numbers})


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("order", [("order", "id"), ("share", "when", "n", "id", "order")])
def test_reduce(spark: SparkSession, tmp_path: Path, order: tuple[str, ...], spread: bool) -> None:
    plan = Reduce(Read("x", KEYED), "key", TAKE, order=order, spread=spread)
    schema = schema_of(plan)
    table = rows(len(order))
    found = collected(reduced(frame(spark, table, tmp_path), plan, schema), schema)
    assert found.equals(in_order(wide.reduced(table, plan, schema)))


@pytest.mark.parametrize("spread", [False, True])
def test_reduce_of_nothing(spark: SparkSession, spread: bool) -> None:
    plan = Reduce(Read("x", KEYED), "key", TAKE, spread=spread)
    schema = schema_of(plan)
    df = spark.createDataFrame([], spark_schema(KEYED))
    assert collected(reduced(df, plan, schema), schema).equals(schema.empty_table())


def test_reduce_by_numbers(spark: SparkSession, tmp_path: Path) -> None:
    """A first that its order decides, as in deduplication."""
    table = rows(3).filter(pc.is_valid(pc.field("n"))).filter(pc.is_valid(pc.field("id")))
    plan = Reduce(Read("x", KEYED), "n", (("first", "first", "id"), ("n_rows", "count", "id")), spread=True)
    schema = schema_of(plan)
    found = collected(reduced(frame(spark, table, tmp_path), plan, schema), schema)
    assert found.equals(in_order(wide.reduced(table, plan, schema)))


def test_reduce_spreads_over_a_giant_key(spark: SparkSession, tmp_path: Path) -> None:
    table = skewed()
    plan = Reduce(
        Read("x", table.schema),
        "key",
        (("first", "first", "id"), ("n", "count", "id"), ("sum", "sum", "row")),
        spread=True,
    )
    schema = schema_of(plan)
    found = collected(reduced(frame(spark, table, tmp_path), plan, schema), schema)
    assert found.equals(in_order(wide.reduced(table, plan, schema)))


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """For every row its number within its key, and how many rows the stage was called with."""

    key: str = "key"
    name: ClassVar[str] = "lengths"
    version: ClassVar[int] = 1
    reads: ClassVar[pa.Schema] = pa.schema([("id", pa.string())])
    emits: ClassVar[pa.Schema] = pa.schema([("id", pa.string()), ("number", pa.uint32()), ("rows", pa.int64())])

    def open(self) -> Callable[[pa.Table], pa.Table]:
        def lengths(table: pa.Table) -> pa.Table:
            keys = np.asarray(table.column(self.key).to_pylist(), object)
            new = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(keys) else np.zeros(0, int)
            numbers = np.arange(len(keys)) - np.repeat(new, np.diff(np.append(new, len(keys))))
            calls = pa.array(np.full(len(keys), len(keys)))
            return pa.table([table.column("id"), pa.array(numbers, pa.uint32()), calls], schema=self.emits)

        return lengths


@pytest.mark.parametrize("n_rows", [600, 0])
def test_group(spark: SparkSession, tmp_path: Path, n_rows: int) -> None:
    plan = Group(Read("x", KEYED), Lengths())
    table = rows(5, n_rows)
    found = collected(grouped(frame(spark, table, tmp_path), plan, Lengths.emits), Lengths.emits)
    expected = wide.grouped(table, "key", Lengths().open(), Lengths.emits)
    assert found.select(["id", "number"]).equals(in_order(expected.select(["id", "number"])))


def test_group_holds_a_giant_key_whole_and_others_in_bounded_calls(spark: SparkSession, tmp_path: Path) -> None:
    n_giant, n_small = 3 * CALL_ROWS, 6 * CALL_ROWS
    small = pa.table({"id": [f"{n:07x}" for n in range(n_small)], "key": np.arange(n_small) // 3 * 4 + 1})
    table = pa.concat_tables([skewed(n_giant).select(["id", "key"]), small])
    plan = Group(Read("x", table.schema), Lengths())
    found = collected(grouped(frame(spark, table, tmp_path), plan, Lengths.emits), Lengths.emits)
    expected = wide.grouped(table, "key", Lengths().open(), Lengths.emits)
    assert found.select(["id", "number"]).equals(in_order(expected.select(["id", "number"])))
    in_calls = found.column("rows").to_numpy()
    assert in_calls.max() >= n_giant * 0.99
    assert in_calls[in_calls < n_giant * 0.99].max() < CALL_ROWS + 10_000  # and one batch of Spark's


@pytest.mark.parametrize("work", ["reduce", "spread", "group"])
def test_a_key_that_is_null_is_an_error(spark: SparkSession, tmp_path: Path, work: str) -> None:
    table = pa.table({"id": ["a", "b", "c"], "key": pa.array([1, None, 1], pa.int64())})
    df, source = frame(spark, table, tmp_path), Read("x", table.schema)
    if work == "group":
        result, schema = grouped(df, Group(source, Lengths()), Lengths.emits), Lengths.emits
    else:
        plan = Reduce(source, "key", (("n", "count", "id"),), spread=work == "spread")
        schema = schema_of(plan)
        result = reduced(df, plan, schema)
    with pytest.raises(DataError) as spark_says:
        collected(result, schema)
    with pytest.raises(DataError) as local_says:
        wide.bucketed(table.combine_chunks().to_batches()[0], "key", 4)
    assert str(spark_says.value) == str(local_says.value)
