import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest

from corpus.archive.members import boundary
from corpus.schema import HOME, MARKS, document_id
from corpus.splits import SPLIT, Part, Split, cut, find_files
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


def part(path: Path, url: str | None = None, file: str = "a.warc.gz") -> Part:
    return Part("web", url or str(path), file, path.stat().st_size, 0, path.stat().st_size)


def whole(path: Path, url: str | None = None, max_rows: int | None = None) -> Split:
    return Split(7, (part(path, url),), max_rows)


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


@pytest.fixture
def archives(archive: Path) -> list[Path]:
    """Three of them: one with a broken record, one of nothing but garbage, one of pages."""
    garbage, pages = archive.with_name("b.warc.gz"), archive.with_name("c.warc.gz")
    garbage.write_bytes(b"garbage")
    pages.write_bytes(b"".join(gzip.compress(response(number)) for number in range(10, 14)))
    return [archive, garbage, pages]


def test_archives_of_one_shard_are_read_as_each_alone(archives: list[Path]) -> None:
    """Ids and origins know nothing of the shard; its rows are numbered through."""
    parts = tuple(part(path, file=path.name) for path in archives)
    together = rows(WarcReader(batch_rows=4), Split(3, parts))
    assert [(row["shard"], row["row"]) for row in together] == [(3, n) for n in range(5 + 1 + 4)]
    apart = rows(WarcReader(), *(Split(n, (one,)) for n, one in enumerate(parts)))
    unlike = {"shard": None, "row": None}
    assert [row | unlike for row in together] == [row | unlike for row in apart]
    assert [str(row["origin"]).partition(":")[0] for row in together] == (
        ["a.warc.gz"] * 5 + ["b.warc.gz"] + ["c.warc.gz"] * 4
    )


@pytest.mark.parametrize("max_rows", [0, 3, 5, 6, 8, 99])
def test_max_rows_is_of_the_whole_shard(archives: list[Path], max_rows: int) -> None:
    parts = tuple(part(path, file=path.name) for path in archives)
    assert rows(WarcReader(), Split(3, parts, max_rows)) == rows(WarcReader(), Split(3, parts))[:max_rows]


def test_after_the_last_row_no_archive_is_opened(archive: Path) -> None:
    parts = (part(archive), part(archive, url=f"{archive}.that.is.not.there"))
    assert len(rows(WarcReader(), Split(0, parts, 5))) == 5
    with pytest.raises(FileNotFoundError):
        rows(WarcReader(), Split(0, parts, 6))


def test_shards_in_one_batch_are_numbered_apart(archives: list[Path]) -> None:
    splits = [Split(n, (part(path), part(path))) for n, path in enumerate(archives)]
    batch = pa.concat_batches([split.batch() for split in splits])
    found = [row for batch in WarcReader().open()(batch) for row in batch.to_pylist()]
    assert [(row["shard"], row["row"]) for row in found] == [
        (n, row) for n, n_rows in enumerate((10, 2, 8)) for row in range(n_rows)
    ]


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
