"""Arrow schemas as Spark's and back, for rows that travel: Spark has fewer types, and converts none of them itself.

A smaller unsigned integer travels as a wider signed one, a timestamp in microseconds; both come back as they were.
Names that differ in case only want spark.sql.caseSensitive.
"""

from collections.abc import Callable, Iterator

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from corpus.errors import SchemaError
from corpus.schema import align

Batches = Iterator[pa.RecordBatch]
Step = Callable[[Batches], Batches]

_WAYS: dict[pa.DataType, tuple[pa.DataType, T.DataType]] = {
    pa.string(): (pa.string(), T.StringType()),
    pa.large_string(): (pa.string(), T.StringType()),
    pa.binary(): (pa.binary(), T.BinaryType()),
    pa.large_binary(): (pa.binary(), T.BinaryType()),
    pa.bool_(): (pa.bool_(), T.BooleanType()),
    pa.int8(): (pa.int8(), T.ByteType()),
    pa.int16(): (pa.int16(), T.ShortType()),
    pa.int32(): (pa.int32(), T.IntegerType()),
    pa.int64(): (pa.int64(), T.LongType()),
    pa.uint8(): (pa.int16(), T.ShortType()),
    pa.uint16(): (pa.int32(), T.IntegerType()),
    pa.uint32(): (pa.int64(), T.LongType()),
    pa.float32(): (pa.float32(), T.FloatType()),
    pa.float64(): (pa.float64(), T.DoubleType()),
    pa.list_(pa.int32()): (pa.list_(pa.int32()), T.ArrayType(T.IntegerType())),
}


def _way(field: pa.Field) -> tuple[pa.DataType, T.DataType]:
    kind = field.type
    if set(field.name) & set(".`"):
        raise SchemaError(
            f'column "{field.name}" cannot travel through Spark, for which "." and "`" are syntax; rename it'
        )
    if pa.types.is_list(kind):
        of, spark_of = _way(pa.field(field.name, kind.value_type))
        return pa.list_(of), T.ArrayType(spark_of)
    if pa.types.is_timestamp(kind) and kind.unit != "ns":
        return (pa.timestamp("us", "UTC"), T.TimestampType()) if kind.tz else (pa.timestamp("us"), T.TimestampNTZType())
    if kind not in _WAYS:
        raise SchemaError(
            f'column "{field.name}" is {kind}, which cannot travel through Spark unchanged; '
            f"cast it in the stage that writes it, or use the local engine"
        )
    return _WAYS[kind]


def travelling(schema: pa.Schema) -> pa.Schema:
    """The Arrow types that Spark takes for these columns; SchemaError names one that cannot travel."""
    return pa.schema([pa.field(field.name, _way(field)[0]) for field in schema])


def spark_schema(schema: pa.Schema) -> T.StructType:
    """The same columns as Spark names them; SchemaError names one that cannot travel."""
    return T.StructType([T.StructField(field.name, _way(field)[1]) for field in schema])


def column(name: str) -> Column:
    """The column of exactly this name; "*" is one too."""
    return F.col(f"`{name}`")


def mapped(df: DataFrame, step: Step, reads: pa.Schema, writes: pa.Schema) -> DataFrame:
    """Each partition's batches, of the schema `reads`, through the step, whose batches have the schema `writes`."""
    leaving = travelling(writes)

    def aligned(batches: Batches) -> Batches:
        for batch in step(align(batch, reads) for batch in batches):
            yield align(batch, leaving)

    return df.mapInArrow(aligned, spark_schema(writes))
