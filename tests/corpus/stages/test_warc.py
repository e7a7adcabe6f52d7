import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest

from corpus.archive.members import boundary
from corpus.schema import HOME, MARKS, document_id
from corpus.splits import SPLIT, Split, cut, find_files
from corpus.stage import Stage
from corpus.stages.warc import WarcReader

HTML = b"<!doctype html><p>page %d"


def response(
    number: int, url: str = "http://a.example/", date: str = "2024-05-17T23:31:26.5Z", filler: int = 0
) -> bytes:
    body = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + HTML % number + b"." * filler
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {url}\r\nWARC-Date: {date}\r\n"
        f"Content-Type: application/http\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("latin-1") + body + b"\r\n\r\n"


REQUEST = b"WARC/1.0\r\nWARC-Type: request\r\nContent-Length: 0\r\n\r\n\r\n\r\n"


def rows(reader: WarcReader, *splits: Split) -> list[dict[str, object]]:
    read = reader.open()
    return [row for split in splits for batch in read(split.batch()) for row in batch.to_pylist()]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "a.warc.gz"
    records = [response(0), REQUEST, response(2, "<http://\xe9.example/>", "long ago"), b"garbage", response(4)]
    path.write_bytes(b"".join(gzip.compress(record) for record in records))
    return path


def whole(path: Path, **changes: object) -> Split:
    plain = {"source": "web", "url": str(path), "file": "a.warc.gz", "start": 0, "end": path.stat().st_size, "shard": 7}
    return Split(**(plain | changes))  # type: ignore[arg-type]


def test_every_record_is_a_row(archive: Path) -> None:
    first, request, second, garbage, last = found = rows(WarcReader(), whole(archive))
    assert [row["row"] for row in found] == [0, 1, 2, 3, 4]
    assert {row["shard"] for row in found} == {7}
    assert {row["source"] for row in found} == {"web"}
    assert first["origin"] == "a.warc.gz:0:0"
    assert first["id"] == document_id("web", "a.warc.gz:0:0")
    assert (first["url"], first["payload"], first["content_type"]) == ("http://a.example/", HTML % 0, "text/html")
    assert first["timestamp"].isoformat() == "2024-05-17T23:31:26.500000+00:00"  # type: ignore[attr-defined]
    assert (second["url"], second["timestamp"], second["payload"]) == ("http://é.example/", None, HTML % 2)
    assert [first[name] for name in MARKS.names] == [None, None, None]
    assert [request[name] for name in (*MARKS.names, "payload", "url")] == ["read_warc", "not_a_page", None, None, None]
    assert garbage["drop_reason"] == "broken_record"
    assert garbage["fault"] == "no WARC record in 27 bytes"
    assert last["payload"] == HTML % 4
    assert len({row["id"] for row in found}) == 5


def test_it_is_a_stage(archive: Path) -> None:
    stage: Stage = WarcReader()
    [batch] = stage.open()(whole(archive).batch())
    assert batch.schema == stage.writes
    assert batch.validate(full=True) is None
    assert stage.reads == SPLIT
    assert set(stage.drops) == set(SPLIT.names)
    assert set(HOME.names) | set(MARKS.names) | {"payload", "content_type"} == set(batch.schema.names)
    assert set(batch["drop_reason"].drop_null().to_pylist()) <= stage.reasons


def test_splits_give_the_rows_of_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    path.write_bytes(b"".join(gzip.compress(response(number, filler=9 * number)) for number in range(50)))
    splits = list(cut(find_files({"web": [str(path)]}), 700, boundary))
    assert len(splits) > 5
    keys = ("id", "origin", "payload", "drop_reason")
    together = [[row[key] for key in keys] for row in rows(WarcReader(), *splits)]
    assert together == [[row[key] for key in keys] for row in rows(WarcReader(), whole(path))]


def test_max_rows(archive: Path) -> None:
    assert rows(WarcReader(), whole(archive, max_rows=3)) == rows(WarcReader(), whole(archive))[:3]
    assert rows(WarcReader(), whole(archive, max_rows=0)) == []


def batches(reader: WarcReader, split: Split) -> Iterator[pa.RecordBatch]:
    yield from reader.open()(split.batch())


def test_batches_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.warc"
    path.write_bytes(b"".join(response(number, filler=10_000) for number in range(40)))
    by_rows = list(batches(WarcReader(batch_rows=7), whole(path)))
    assert [batch.num_rows for batch in by_rows] == [7, 7, 7, 7, 7, 5]
    by_bytes = list(batches(WarcReader(batch_bytes=50_000), whole(path)))
    assert [batch.num_rows for batch in by_bytes] == [5] * 8
    assert pa.Table.from_batches(by_rows).combine_chunks() == pa.Table.from_batches(by_bytes).combine_chunks()


def test_a_page_over_the_limit_is_a_fault(archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "large.warc"
    path.write_bytes(response(0, filler=2000) + response(1))
    large, small = rows(WarcReader(max_page_bytes=1000), whole(path))
    assert (large["drop_reason"], large["payload"]) == ("too_large", None)
    assert small["drop_reason"] is None


def test_files_are_read_from_anywhere(archive: Path) -> None:
    with fsspec.open("memory://store/a.warc.gz", "wb") as file:
        file.write(archive.read_bytes())
    there = whole(archive, url="memory://store/a.warc.gz")
    assert rows(WarcReader(), there) == rows(WarcReader(), whole(archive))
    assert rows(WarcReader(), whole(archive, url=archive.as_uri())) == rows(WarcReader(), whole(archive))


@pytest.mark.parametrize(("data", "fault"), [(b"", "empty file"), (b"x" * 1234, "no WARC record in 1,234 bytes")])
def test_a_file_without_records_is_one_row(tmp_path: Path, data: bytes, fault: str) -> None:
    path = tmp_path / "a.warc"
    path.write_bytes(data)
    [row] = rows(WarcReader(), whole(path))
    assert (row["drop_reason"], row["fault"], row["payload"]) == ("broken_record", fault, None)


def test_real_pages_are_their_servers_bytes(shared_data: Path) -> None:
    import hashlib
    import json

    folder = shared_data / "pages" / "mozilla-readability"
    with gzip.open(folder / "gold.jsonl.gz", "rt") as lines:
        gold = {entry["uri"]: entry["html_sha256"] for entry in map(json.loads, lines)}
    found = rows(WarcReader(), whole(folder / "pages.warc.gz"))
    hashes = {row["url"]: hashlib.sha256(row["payload"]).hexdigest() for row in found if row["payload"]}  # type: ignore[arg-type]
    assert hashes == gold
    assert Counter(row["drop_reason"] for row in found) == {None: len(gold), "not_a_page": 1}
