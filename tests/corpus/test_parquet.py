"""Bytes and hash of a Parquet file depend on the rows alone, and the hash on every value of them."""

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_stages import cut, documents

from corpus import parquet
from corpus.errors import DataError, SchemaError
from corpus.parquet import GROUP_BYTES, RowGroups, read_batches

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("raw", pa.binary()),
        ("n", pa.int32()),
        ("score", pa.float32()),
        ("yes", pa.bool_()),
        ("when", pa.timestamp("ms", tz="UTC")),
    ]
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.none() | st.text(max_size=6),
            "raw": st.none() | st.binary(max_size=6),
            "n": st.none() | st.integers(-3, 3),
            "score": st.none() | st.floats(-2, 2, width=32),
            "yes": st.none() | st.booleans(),
            "when": st.none() | st.integers(-5, 5),
        }
    ),
    max_size=12,
)


def written(path: Path, batches: list[pa.RecordBatch], schema: pa.Schema = SCHEMA) -> tuple[bytes, int, str]:
    groups = RowGroups(path, schema)
    for batch in batches:
        groups.write(batch)
    rows, rows_hash = groups.close()
    return path.read_bytes(), rows, rows_hash


def batch_of(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, schema=SCHEMA)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parquet") / "x.parquet"


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_ROWS", 5)
    monkeypatch.setattr(parquet, "GROUP_BYTES", 200)


SIZES = st.lists(st.integers(1, 6), max_size=3)


@pytest.mark.usefixtures("small_groups")
@settings(max_examples=60)
@given(rows=ROWS, sizes=SIZES, whole=st.booleans())
def test_batch_cuts_change_nothing(place: Path, rows: list[dict[str, Any]], sizes: list[int], whole: bool) -> None:
    batch = batch_of(rows)
    pieces = cut(batch, sizes) if whole else [batch_of(piece.to_pylist()) for piece in cut(batch, sizes)]
    expected = written(place, [batch])
    assert written(place, [batch.slice(0, 0), *pieces]) == expected
    assert expected[1] == len(rows)
    read = [row for b in read_batches(str(place)) for row in b.to_pylist()]
    assert read == batch.to_pylist()


def test_real_sizes_too(place: Path) -> None:
    """The cuts of real row groups: by rows (8192) and by bytes (16 MiB)."""
    many = documents([f"text {n}" for n in range(20_000)])
    large = documents(["x" * 1_000_000 + str(n) for n in range(40)])
    for batch, sizes in ((many, [777, 1]), (large, [3, 7])):
        assert written(place, cut(batch, sizes), batch.schema) == written(place, [batch], batch.schema)


@pytest.mark.usefixtures("small_groups")
@settings(max_examples=60)
@given(rows=ROWS, others=ROWS)
def test_other_rows_have_another_hash(place: Path, rows: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    a, b = batch_of(rows), batch_of(others)
    same = repr(a.to_pylist()) == repr(b.to_pylist())  # repr: -0.0 is another value than 0.0
    assert (written(place, [a])[2] == written(place, [b])[2]) == same


CHANGES: dict[str, tuple[Any, Any]] = {
    "text": (None, ""),
    "raw": (None, b""),
    "n": (None, 0),
    "score": (None, 0.0),
    "yes": (None, False),
    "when": (None, 0),
}


@pytest.mark.parametrize("name", CHANGES)
def test_null_is_not_empty(place: Path, name: str) -> None:
    hashes = {written(place, [batch_of([{"n": 7}, {name: value}])])[2] for value in CHANGES[name]}
    assert len(hashes) == 2


def test_values_do_not_run_together(place: Path) -> None:
    rows = [[{"text": "ab"}, {"text": "c"}], [{"text": "a"}, {"text": "bc"}], [{"text": "abc"}, {"text": ""}]]
    assert len({written(place, [batch_of(one)])[2] for one in rows}) == 3
    columns = [[{"text": "x", "raw": b""}], [{"text": "", "raw": b"x"}]]
    assert len({written(place, [batch_of(one)])[2] for one in columns}) == 2


def test_the_names_of_columns_count(place: Path) -> None:
    hashes = set()
    for name in ("a", "b"):
        schema = pa.schema([(name, pa.int64())])
        hashes.add(written(place, [pa.RecordBatch.from_pylist([{name: 1}], schema=schema)], schema)[2])
    assert len(hashes) == 2


def test_no_rows_are_a_file(place: Path) -> None:
    data, rows, _ = written(place, [])
    assert (rows, list(read_batches(str(place)))) == (0, [])
    assert data[:4] == b"PAR1"


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.large_string(), pa.date32(), pa.decimal128(5)])
def test_types_that_cannot_be_hashed_are_refused(place: Path, kind: pa.DataType) -> None:
    with pytest.raises(SchemaError, match=r'column "words" is .*; files here hold'):
        RowGroups(place, pa.schema([("words", kind)]))


def test_a_changed_byte_changes_no_value(tmp_path: Path) -> None:
    """Of the pages: an error, or the rows as they were written. (The footer has no checksum but the manifest's.)"""
    path = tmp_path / "x.parquet"
    batch = documents([f"text {n}" for n in range(300)])
    data, _, _ = written(path, [batch], batch.schema)
    draw = random.Random(5)
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    outcomes = set()
    for _ in range(150):
        changed = bytearray(data)
        changed[draw.randrange(footer)] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        try:
            outcomes.add([row for b in read_batches(str(path)) for row in b.to_pylist()] == batch.to_pylist())
        except DataError:
            outcomes.add("refused")
    assert "refused" in outcomes
    assert False not in outcomes


def test_broken_files_are_data_errors(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    data, _, _ = written(path, [documents(["some text"] * 1000)], documents([]).schema)
    for broken in (b"", data[:3], data[: len(data) // 2], data[:-1], data[4:], b"PAR1" + bytes(100) + data[-200:]):
        path.write_bytes(broken)
        with pytest.raises(DataError, match="cut short or broken"):
            list(read_batches(str(path)))
    path.unlink()
    with pytest.raises(DataError, match="missing though its manifest names it"):
        list(read_batches(str(path)))


def test_batches_are_bounded_in_bytes(tmp_path: Path) -> None:
    """Rows of 1 MB: a batch holds no more than a row group, whatever the number of rows asked for."""
    schema = pa.schema([("text", pa.string())])
    groups = RowGroups(tmp_path / "large.parquet", schema)
    for _ in range(40):
        groups.write(pa.RecordBatch.from_arrays([pa.array(["x" * 2**20])], schema=schema))
    groups.close()
    sizes = [batch.nbytes for batch in read_batches(str(tmp_path / "large.parquet"))]
    assert len(sizes) > 1
    assert max(sizes) <= GROUP_BYTES + 2 * 2**20
