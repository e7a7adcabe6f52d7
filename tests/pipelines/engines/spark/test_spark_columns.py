"""What travels through Spark comes back as it was; what cannot is refused before work."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from spark_frames import collected, frame

from corpus.errors import SchemaError
from pipelines.engines.spark.columns import column, spark_schema, travelling

MOMENT = datetime(2021, 3, 4, 5, 6, 7, 89000)
EXTREMES: list[tuple[pa.DataType, list[Any]]] = [
    (pa.string(), ["", "ü 漢 \U0001f600", "\x00"]),
    (pa.large_string(), ["", "ü", "a\nb"]),
    (pa.binary(), [b"", b"\x00\xff", b"x"]),
    (pa.large_binary(), [b"", b"\x00\xff", b"x"]),
    (pa.bool_(), [True, False, True]),
    *((kind, [-(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1, 0]) for kind in (pa.int8(), pa.int16())),
    *((kind, [-(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1, 0]) for kind in (pa.int32(), pa.int64())),
    *((kind, [2**kind.bit_width - 1, 0, 1]) for kind in (pa.uint8(), pa.uint16(), pa.uint32())),
    (pa.float32(), [0.1, float("inf"), -0.0]),
    (pa.float64(), [0.1, float("-inf"), 5e-324]),
    *((pa.timestamp(unit, "UTC"), [MOMENT.replace(tzinfo=UTC), 0, -1]) for unit in ("ms", "us")),
    (pa.timestamp("s", "UTC"), [MOMENT.replace(microsecond=0, tzinfo=UTC), 0, -1]),
    (pa.timestamp("ms"), [MOMENT, 0, -1]),
    (pa.list_(pa.uint16()), [[], [65535, None], [1]]),
]


def test_there_and_back(spark: SparkSession, tmp_path: Path) -> None:
    columns = [pa.array([*values, None], kind) for kind, values in EXTREMES]
    names = [f"{number} {kind}*" for number, (kind, _) in enumerate(EXTREMES)]
    table = pa.table([pa.array(range(4)), *columns], names=["at", *names])
    wide = table.drop_columns(names[-1:])  # lists cannot be sorted by; they are looked at alone
    assert collected(frame(spark, wide, tmp_path), wide.schema).equals(wide)
    (row,) = frame(spark, table.slice(1, 1), tmp_path, 1).select(column(names[-1])).collect()
    assert row[0] == [65535, None]


def test_columns_are_found_by_name(spark: SparkSession, tmp_path: Path) -> None:
    table = pa.table({"n": [1, 2], "N": ["a", "b"]})
    turned = pa.schema([table.schema.field("N"), ("none", pa.int8()), table.schema.field("n")])
    assert collected(frame(spark, table, tmp_path), turned).to_pylist() == [
        {"N": "a", "none": None, "n": 1},
        {"N": "b", "none": None, "n": 2},
    ]


@pytest.mark.parametrize(
    "kind",
    [pa.uint64(), pa.float16(), pa.timestamp("ns", "UTC"), pa.date32(), pa.null(), pa.list_(pa.uint64())],
    ids=str,
)
def test_what_cannot_travel_is_named(kind: pa.DataType) -> None:
    for into in (travelling, spark_schema):
        with pytest.raises(SchemaError, match=r'column "x" is .*cannot travel through Spark unchanged'):
            into(pa.schema([("y", pa.int64()), ("x", kind)]))


@pytest.mark.parametrize("name", ["a.b", "`", "a`b"])
def test_names_that_spark_would_parse_are_refused(name: str) -> None:
    with pytest.raises(SchemaError, match="rename it"):
        travelling(pa.schema([(name, pa.int64())]))
