"""Arrow tables as DataFrames and back, exactly."""

from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
from pyspark.sql import DataFrame, SparkSession

from pipelines.engines.spark.columns import Batches, mapped
from pipelines.engines.spark.failures import understood

NUMBER = pa.schema([("id", pa.int64())])
BYTES = pa.schema([("bytes", pa.binary())])


def frame(spark: SparkSession, table: pa.Table, folder: Path, n_tasks: int = 3) -> DataFrame:
    """The table's rows, those of each task in a file of the folder."""
    n_rows = -(-table.num_rows // n_tasks)
    for number in range(n_tasks):
        with pa.OSFile(str(folder / f"{number}"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table.slice(number * n_rows, n_rows), max_chunksize=5000)

    def rows(batches: Batches) -> Batches:
        for number in (number for batch in batches for number in batch.column(0).to_pylist()):
            yield from pa.ipc.open_file(folder / f"{number}").read_all().to_batches()

    return mapped(spark.range(0, n_tasks, 1, n_tasks), rows, NUMBER, table.schema)


def collected(df: DataFrame, schema: pa.Schema) -> pa.Table:
    """The rows, sorted by all columns; an error of ours as what it was."""

    def packed(batches: Batches) -> Batches:
        for batch in batches:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, batch.schema) as writer:
                writer.write_batch(batch)
            yield pa.RecordBatch.from_arrays([pa.array([sink.getvalue().to_pybytes()])], schema=BYTES)

    try:
        parts = [bytes(row["bytes"]) for row in mapped(df, packed, schema, BYTES).collect()]
    except Exception as error:
        raise understood(error) from error
    tables = [pa.ipc.open_stream(part).read_all() for part in parts]
    return in_order(pa.concat_tables([schema.empty_table(), *tables]))


def in_order(table: pa.Table) -> pa.Table:
    """The rows sorted by all columns."""
    return table.sort_by([(name, "ascending") for name in table.column_names]).combine_chunks()
