"""Reduce and Group on Spark: what corpus/wide.py says, on rows that no single process could hold.

The rows of the result come in no order. A sum beyond 64 bits is an error on Spark 4.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from corpus import wide
from corpus.errors import DataError
from corpus.plan import Group, Reduce, schema_of
from pipelines.engines.spark.columns import Batches, column, mapped
from pipelines.engines.spark.failures import told

CALL_ROWS = 16_384
"""Whole keys go to a group stage together until they are so many rows: the cost of a call no longer shows then."""


def reduced(df: DataFrame, node: Reduce, schema: pa.Schema) -> DataFrame:
    """One row per key, combined before the shuffle; with `spread` every row, through a window: the rows of a key spill
    to disk when they are many, and never enter Python together."""
    rows, key = _keyed(df, node.key), column(node.key)
    if node.spread:
        outs = _outputs(node, df.columns, lambda total: total.over(Window.partitionBy(key)))
        return rows.select(*(outs.get(name, column(name)).alias(name) for name in schema.names))
    outs = _outputs(node, df.columns, lambda total: total)
    return rows.groupBy(key).agg(*(value.alias(out) for out, value in outs.items()))


def _outputs(node: Reduce, columns: Sequence[str], over: Callable[[Column], Column]) -> dict[str, Column]:
    """The value of every output, from totals over the rows of a key."""
    firsts = {name for _, how, name in node.take if how == "first"}
    tied = not firsts <= set(node.order)
    by = [*node.order, *(name for name in columns if tied and name not in node.order)]

    def value(how: str, name: str) -> Column:
        if how == "count":
            return over(F.count(F.lit(1)))
        if how == "sum":
            return over(F.sum(F.coalesce(column(name).cast("long"), F.lit(0))))
        return over(F.min(F.struct(*map(_sortable, by))))[name]["value"]

    return {out: value(how, name) for out, how, name in node.take}


def _sortable(name: str) -> Column:
    """The column as what sorts nulls last, as Arrow does."""
    return F.struct(column(name).isNull(), column(name).alias("value")).alias(name)


def grouped(df: DataFrame, node: Group, schema: pa.Schema) -> DataFrame:
    """The rows of the node's stage, which is called on tables of whole keys, several keys at a time."""
    key, reads = node.stage.key, schema_of(node.source)

    def step(batches: Batches) -> Batches:
        opened = node.stage.open()
        for table in _whole_keys(batches, key, reads):
            yield from wide.grouped(table, key, opened, schema).to_batches()

    rows = _keyed(df, key).repartition(column(key)).sortWithinPartitions(column(key))
    return mapped(rows, step, reads, schema)


def _whole_keys(batches: Batches, key: str, schema: pa.Schema) -> Iterator[pa.Table]:
    """Batches in the order of their keys, as tables of whole keys and about CALL_ROWS rows, or of one larger key."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        keys = pa.concat_arrays([*(last.column(key)[-1:] for last in held[-1:]), batch.column(key)])
        begins = np.flatnonzero(pc.not_equal(keys[1:], keys[:-1])) + (0 if held else 1)  # of the batch's keys but one
        cut = int(begins[-1]) if len(begins) else 0
        if len(begins) and sum(part.num_rows for part in held) + cut >= CALL_ROWS:
            yield pa.Table.from_batches([*held, batch[:cut]], schema=schema)
            held = [batch[cut:]]
        else:
            held.append(batch)
    if held:
        yield pa.Table.from_batches(held, schema=schema)


def _keyed(df: DataFrame, key: str) -> DataFrame:
    """The rows, of which one without a key is an error as soon as Spark meets it."""
    error = DataError(f'column "{key}" is a key and has nulls; leave rows without a key out before they are reduced')
    return df.withColumn(key, F.coalesce(column(key), F.raise_error(told(error))))
