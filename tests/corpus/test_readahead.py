"""A file over an object reads as its bytes do, for few requests and little memory, and outlives a store's bad days."""

import gc
import io
import os
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pytest
import s3fs
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st
from slow_store import FAIR, SlowStore, Weather, aws_environment, moto, slow_store

from corpus import patience, readahead
from corpus.archive.records import Broken, Record, read_records
from corpus.errors import DataError, MillstreamError
from corpus.guard import guard
from corpus.parquet import RowGroups, read_batches
from corpus.readahead import N_AHEAD, RANGE_BYTES, ReadAhead, cut, in_turn, opened
from corpus.schema import MARKS

MIB = 2**20


@pytest.fixture(scope="module")
def store() -> Iterator[SlowStore]:
    """Moto behind a proxy, with a bucket `shop`."""
    with moto() as port, slow_store(port) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in aws_environment(running.port).items():
            patch.setenv(name, value)
        s3fs.S3FileSystem().mkdir("shop")
        yield running
        s3fs.S3FileSystem.clear_instance_cache()  # it knows this server's port


@pytest.fixture
def shop(store: SlowStore) -> Iterator[SlowStore]:
    store.weather = FAIR
    store.forget()
    yield store
    store.weather = FAIR


def put(name: str, data: bytes) -> str:
    s3fs.S3FileSystem().pipe_file(f"shop/{name}", data)
    return f"s3://shop/{name}"


def noise(n_bytes: int) -> bytes:
    return np.random.default_rng(7).bytes(n_bytes)


def in_memory(data: bytes, spans: list[tuple[int, int]] | None = None) -> ReadAhead:
    fs = MemoryFileSystem()
    fs.pipe_file("/object", data)
    return ReadAhead(fs, "/object", len(data), [(0, len(data))] if spans is None else spans)


positions = st.integers(0, 120)
spans = st.lists(st.tuples(positions, positions), max_size=4)
moves = st.tuples(st.just("seek"), positions, st.sampled_from([0, 1, 2]))
reads = st.tuples(st.sampled_from(["read", "readinto"]), st.integers(0, 60))
steps = st.lists(st.one_of(moves, reads, st.tuples(st.just("expect"), spans)), max_size=12)


@given(st.binary(max_size=100), spans, steps)
def test_reads_as_its_bytes_do(data: bytes, expected: list[tuple[int, int]], todo: list[tuple[Any, ...]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readahead, "RANGE_BYTES", 8)
        patch.setattr(readahead, "GAP_BYTES", 3)
        plain = io.BytesIO(data)
        with in_memory(data, expected) as file:
            for name, *args in todo:
                if name == "expect":
                    file.expect(args[0])
                elif name == "readinto":
                    here, there = bytearray(args[0]), bytearray(args[0])
                    assert (file.readinto(here), here) == (plain.readinto(there), there)
                elif name == "seek":
                    assert file.seek(*args) == plain.seek(*args)
                else:
                    assert file.read(*args) == plain.read(*args)
                assert file.tell() == plain.tell()
            assert file.read() == plain.read()


@given(spans, st.integers(0, 100))
def test_ranges_cover_the_spans_and_little_more(wanted: list[tuple[int, int]], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readahead, "RANGE_BYTES", 8)
        patch.setattr(readahead, "GAP_BYTES", 3)
        ranges = cut(wanted, size)
    asked = {at for start, end in wanted for at in range(start, min(end, size))}
    fetched = [at for start, end in ranges for at in range(start, end)]
    assert fetched == sorted(set(fetched))
    assert all(0 < end - start <= 8 for start, end in ranges)
    assert asked <= set(fetched)
    assert all(any(at + near in asked for near in range(-3, 4)) for at in fetched)


def test_a_range_is_four_mebibytes() -> None:
    assert cut([(0, 9 * MIB)], 9 * MIB) == [(0, 4 * MIB), (4 * MIB, 8 * MIB), (8 * MIB, 9 * MIB)]


def test_holds_a_few_ranges() -> None:
    size = 20 * RANGE_BYTES
    with in_memory(bytes(size)) as file:
        tracemalloc.start()
        try:
            n_read = sum(len(data) for data in iter(lambda: file.read(MIB), b""))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert n_read == size
    assert peak < (N_AHEAD + 2) * RANGE_BYTES + 4 * MIB


def test_a_small_object_is_one_request(shop: SlowStore) -> None:
    data = noise(RANGE_BYTES)
    url = put("small", data)
    shop.forget()
    with opened(url, len(data), spans=()) as file:
        file.seek(-8, os.SEEK_END)
        assert file.read() == data[-8:]
        file.seek(0)
        assert file.read() == data
    assert shop.counted() == {("GET", "get"): 1}
    with opened(url) as file:
        assert file.read(3) == data[:3]
    assert shop.counted() == {("GET", "get"): 2, ("HEAD", "head"): 1}


def test_an_empty_object_is_none(shop: SlowStore) -> None:
    url = put("empty", b"")
    shop.forget()
    with opened(url, 0) as file:
        assert file.read() == b""
    assert not shop.requests


def test_ranges_are_on_their_way_together(shop: SlowStore) -> None:
    data = noise(6 * RANGE_BYTES + 5)
    url = put("large", data)
    shop.forget()
    shop.weather = Weather(delay=0.3, refused=0.0)
    with opened(url, len(data)) as file:
        assert b"".join(iter(lambda: file.read(MIB), b"")) == data
    assert shop.most_at_once == 1 + N_AHEAD
    assert shop.counted() == {("GET", "get"): 7}


def test_what_nobody_asks_for_is_left(shop: SlowStore) -> None:
    size = 12 * RANGE_BYTES
    url = put("gaps", bytes(size))
    shop.forget()
    with opened(url, size, spans=[(100, 200), (9 * RANGE_BYTES, 9 * RANGE_BYTES + 50)]) as file:
        file.seek(100)
        file.read(100)
        file.seek(5 * RANGE_BYTES)
        file.read(10)
    at = 9 * RANGE_BYTES
    asked = {request.range for request in shop.requests}
    assert asked == {"bytes=100-199", f"bytes={at}-{at + 49}", f"bytes={5 * RANGE_BYTES}-{5 * RANGE_BYTES + 9}"}


def test_columns_cost_their_own_bytes(shop: SlowStore, tmp_path: Path) -> None:
    n_rows, n_groups = 2400, 2
    dense = noise(2**13 * n_rows)
    wide = [dense[2**13 * n :][: 2**13] for n in range(n_rows)]
    batch = pa.record_batch({"id": [f"{n:x}" for n in range(n_rows)], "wide": wide, "n": range(n_rows)})
    groups = RowGroups(tmp_path / "table", batch.schema)
    groups.write(batch)
    groups.close()
    data = (tmp_path / "table").read_bytes()
    url = put("table.parquet", data)
    shop.forget()
    read = pa.Table.from_batches(read_batches(url, ["id", "n"], len(data)))
    assert read.equals(pa.Table.from_batches([batch.select(["id", "n"])]))
    asked = [tuple(map(int, request.range.removeprefix("bytes=").split("-"))) for request in shop.requests]
    assert len(asked) <= 1 + 2 * n_groups  # the footer, and before and behind the wide column of each
    assert sum(end - start for start, end in asked) < len(data) / 10
    shop.forget()
    assert pa.Table.from_batches(read_batches(url, size=len(data))).equals(pa.Table.from_batches([batch]))
    assert shop.counted() == {("GET", "get"): 1 + -(-len(data) // RANGE_BYTES)}


@pytest.mark.parametrize("weather", [Weather(delay=0, refused=0.1), Weather(delay=0, refused=0, dropped=0.1)])
def test_a_bad_day_changes_no_row(
    shop: SlowStore, sample: Path, weather: Weather, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readahead, "RANGE_BYTES", 2**16)
    url, size = put("pages.warc.gz", sample.read_bytes()), sample.stat().st_size

    def records(place: str) -> list[Record | Broken]:
        with opened(place, size) as file:
            return list(read_records(file, 0, size, max_bytes=MIB))

    shop.weather = weather
    assert records(url) == records(str(sample))
    fates = shop.outcomes
    assert fates["refused"] + fates["dropped"] > 3
    assert shop.counted()["GET", "get"] <= 2 * -(-size // 2**16)


def test_a_store_that_stays_away_is_an_error(shop: SlowStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    url = put("far", noise(100))
    shop.weather = Weather(delay=0, refused=0, dropped=1)
    with opened(url, 100) as file, pytest.raises(MillstreamError, match="s3://shop/far: the store failed") as caught:
        file.read()
    assert caught.value.exit_code == 1


def test_patience_is_for_failures_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LONGEST_WAIT_SECONDS", 0.0)
    tries = iter([OSError(16, "busy"), TimeoutError(), ConnectionResetError(), 5])

    def call() -> Any:
        match next(tries):
            case Exception() as error:
                raise error
            case value:
                return value

    assert patience.patiently("s3://shop/x", call) == 5
    for answer in (FileNotFoundError(), FileExistsError(), PermissionError()):
        tries = iter([answer, 5])
        with pytest.raises(type(answer)):
            patience.patiently("s3://shop/x", call)


def test_absent_and_changed_objects_are_told(shop: SlowStore) -> None:
    with pytest.raises(FileNotFoundError):
        opened("s3://shop/absent")
    with opened("s3://shop/absent", 10) as file, pytest.raises(FileNotFoundError):
        file.read()
    url = put("cut", noise(10))
    for size in (11, 3 * RANGE_BYTES):
        with opened(url, size) as file:
            file.seek(size - 1)
            with pytest.raises(DataError, match=r"s3://shop/cut: .* has changed"):
                file.read()
    with pytest.raises(DataError, match="missing though its manifest names it"):
        list(read_batches("s3://shop/absent.parquet", size=100))


@pytest.mark.parametrize("taken", [0, 1, 5, 9])
def test_files_in_turn(shop: SlowStore, taken: int) -> None:
    contents = {put(f"turn{n}", b"%d" % n): b"%d" % n for n in range(9)}
    shop.forget()
    shop.weather = Weather(delay=0.3 if taken == 9 else 0, refused=0.0)
    with closing(in_turn((url, 1, None) for url in contents)) as files:
        assert [file.read() for file in islice(files, taken)] == list(contents.values())[:taken]
        if taken == 9:
            assert next(files, None) is None
            assert shop.most_at_once == 1 + N_AHEAD
    assert shop.counted() == ({("GET", "get"): min(taken + N_AHEAD, 9)} if taken else {})
    assert not threads()


def threads() -> list[str]:
    """The names of those that fetch."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("readahead")]


def test_close_ends_the_threads(shop: SlowStore) -> None:
    url = put("threads", bytes(6 * RANGE_BYTES))

    with opened(url, 6 * RANGE_BYTES) as file:
        file.read(1)
        assert threads()
    assert not threads()
    with pytest.raises(ValueError, match="closed"):
        file.read(1)
    file = opened(url, 6 * RANGE_BYTES).__enter__()
    file.read(1)
    del file
    gc.collect()
    assert not threads()


def test_forks_beside_the_threads(shop: SlowStore) -> None:
    """The guard's child works though threads of its parent held locks when it was made."""
    schema = pa.schema([("n", pa.int64()), ("shard", pa.int32()), ("row", pa.int64()), *MARKS])
    size = 8 * RANGE_BYTES
    url = put("forks", bytes(size))
    shop.weather = Weather(delay=0.002, refused=0.02)

    def step(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        assert not threads()
        yield batch

    guarded = guard(step, schema)
    with opened(url, size) as file:
        for n in range(32):
            file.read(size // 32)
            rows = [{"n": n, "shard": 0, "row": 0}]
            (batch,) = guarded(pa.RecordBatch.from_pylist(rows, schema))
            assert batch.column("n").to_pylist() == [n]
            assert batch.column("drop_reason").null_count == 1


def test_a_local_file_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    for url in (str(tmp_path / "x"), f"file://{tmp_path}/x"):
        with opened(url) as file:
            assert isinstance(file, io.BufferedReader)
    assert fsspec.filesystem("file").protocol
