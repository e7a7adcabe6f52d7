"""The same plan over the same inputs gives the same bytes, however it is cut, by however many workers, whoever dies."""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tiny_stages import Append, Counting, DropWord, Mishap, Prefix, Repeat, Wrong

from corpus.errors import DataError, SchemaError
from corpus.flows import exact_dedup, from_splits, mapped, near_dedup, stored
from corpus.lease import Lease
from corpus.plan import Attach, Group, Map, Plan, Reduce, schema_of
from corpus.shards import ShardWriter
from corpus.splits import Split
from corpus.stages.extract import Extract
from corpus.stages.keys import ExactKey
from corpus.stages.measure import Measure
from corpus.stages.mix import Copies
from corpus.stages.quota import FillQuota, Sizes
from corpus.stages.warc import WarcReader
from corpus.storage import TEMPORARY, Folder
from corpus.text.minhash import MinHash
from pipelines.engines.engine import Inputs, StoredShard
from pipelines.engines.local import LocalEngine
from pipelines.engines.pool import Pool

SPLITS = [
    Split("web", "u", "f", start, end, n) for n, (start, end) in enumerate([(0, 10), (10, 10), (5, 40), (45, 60)])
]
"""Four shards; one is empty, and five documents of the first come again in the third."""


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(1) as pool:
        yield pool


def made(pool: Pool, root: Path, plan: Plan, inputs: Inputs, **settings: Any) -> ShardWriter:
    """The plan's shards in root/corpus/pages/dev."""
    folder = Folder(str(root / "corpus" / "pages" / "dev"))
    writer = ShardWriter(folder, "f" * 64, Lease.take(folder / "run"), **settings)
    numbers = LocalEngine(pool, root / "scratch").run(plan, inputs, writer, lambda *_: None)
    assert all(writer.done(number) for number in numbers)
    return writer


def durable(root: Path) -> dict[str, bytes]:
    files = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
    files = {name: path for name, path in files.items() if "/run/" not in name and TEMPORARY not in name}
    return {name: path.read_bytes() for name, path in sorted(files.items())}


def kept(writer: ShardWriter, n_shards: int) -> list[StoredShard]:
    shards = []
    for number in range(n_shards):
        record = writer.done(number)
        assert record is not None
        data = record[0].files["data"]
        shards.append(StoredShard(number, writer.folder.path(data.file), data.rows or 0))
    return shards


def rows(writer: ShardWriter, n_shards: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number in range(n_shards):
        record = writer.done(number)
        assert record is not None
        for file in record[0].files.values():
            found += pq.read_table(writer.folder.path(file.file)).to_pylist()
    return sorted(found, key=lambda row: (row["shard"], row["row"]))


def whole_line(pool: Pool, root: Path, batch_rows: int) -> dict[str, bytes]:
    """A reader, filters, a guarded stage, two dedups and a mixture, with all batches cut at `batch_rows`."""
    again = Repeat(times=1, batch_rows=batch_rows)  # rows as they are, cut anew
    word = DropWord(word="7")
    first = from_splits([Counting(batch_rows=batch_rows), word, Mishap(), again, Append(word="x"), Measure()])
    pages = made(pool, root / "a", first, {"splits": SPLITS})
    source = mapped(stored("pages", schema_of(first)), [again])
    deduped = near_dedup(exact_dedup(source), MinHash(ngram=1, bands=1, rows=3))
    found = made(pool, root / "b", deduped, {"pages": kept(pages, 4)})
    train = mapped(stored("deduped", schema_of(deduped)), [again])
    filled = Group(Map(train, Sizes()), FillQuota(quotas=(("web", 150),), seed=1))
    made(pool, root / "c", Map(Attach(train, filled), Copies()), {"deduped": kept(found, 4)})
    assert not any(path.is_file() for path in root.rglob("scratch/**/*"))
    return durable(root)


def test_batches_and_workers_change_nothing(tmp_path: Path) -> None:
    outcomes = []
    for n_workers, batch_rows in ((1, 1000), (2, 7), (3, 2)):
        with Pool(n_workers) as pool:
            outcomes.append(whole_line(pool, tmp_path / str(n_workers), batch_rows))
    assert len(outcomes[0]) == 3 * 3 * 4
    records = b"".join(data for name, data in outcomes[0].items() if name.endswith(".json"))
    for reason in (b"has_word", b"exact_duplicate", b"near_duplicate", b"over_quota"):
        assert reason in records
    for other in outcomes[1:]:
        assert sorted(other) == sorted(outcomes[0])
        assert [name for name in other if other[name] != outcomes[0][name]] == []


def test_rows_are_conserved_and_counted(pool: Pool, tmp_path: Path) -> None:
    plan = from_splits([Counting(), DropWord(word="word"), Append(word="x")])
    writer = made(pool, tmp_path, plan, {"splits": SPLITS})
    found = rows(writer, 4)
    assert [(row["shard"], row["row"]) for row in found] == [
        (s.shard, n) for s in SPLITS for n in range(s.end - s.start)
    ]
    for split in SPLITS:
        record = writer.done(split.shard)
        assert record is not None
        assert sum(t.documents for t in record[1]) == split.end - split.start


def test_what_is_done_is_not_done_again(pool: Pool, tmp_path: Path) -> None:
    """Two of four shards are lost; these alone come back, as they were."""
    plan = from_splits([Counting(), DropWord(word="word")])
    writer = made(pool, tmp_path, plan, {"splits": SPLITS})
    before = durable(tmp_path)
    times = {name: (tmp_path / name).stat().st_mtime_ns for name in before}
    lost = [name for name in before if Path(name).name.startswith(("00001", "00002"))]
    for name in lost:
        (tmp_path / name).unlink()
    told: list[tuple[str, int, int, int]] = []
    engine = LocalEngine(pool, tmp_path / "scratch")
    engine.run(plan, {"splits": SPLITS}, writer, lambda *line: told.append(line))
    assert durable(tmp_path) == before
    assert {n for n in times if (tmp_path / n).stat().st_mtime_ns != times[n]} == set(lost)
    assert told[0] == ("pages", 2, 4, 0)
    assert told[-1] == ("pages", 4, 4, 35)


def test_what_only_finished_shards_needed_is_not_made_again(pool: Pool, tmp_path: Path) -> None:
    plan = from_splits([Counting()])
    shards = kept(made(pool, tmp_path / "a", plan, {"splits": SPLITS}), 4)
    deduped = exact_dedup(stored("pages", schema_of(plan)))
    writer = made(pool, tmp_path / "b", deduped, {"pages": shards})
    told: list[str] = []
    engine = LocalEngine(pool, tmp_path / "scratch")
    engine.run(deduped, {"pages": shards}, writer, lambda name, *_: told.append(name))
    assert told == ["pages"]
    assert not (tmp_path / "scratch").exists()


def test_a_worker_that_is_killed_costs_nothing(tmp_path: Path) -> None:
    """The process that is at work dies of SIGKILL in the middle of a shard."""
    outcomes = []
    for killed in (True, False):
        root = tmp_path / str(killed)
        root.mkdir()
        flag = tmp_path / f"flag-{killed}"
        if not killed:
            flag.touch()
        with Pool(2) as pool:
            plan = from_splits(
                [Counting(), Prefix(number=12, word="crash-once"), Mishap(guarded=False, flag=str(flag))]
            )
            made(pool, root, plan, {"splits": SPLITS})
        assert flag.exists()
        outcomes.append(durable(root))
    assert outcomes[0] == outcomes[1]


def test_a_shard_that_always_kills_is_named(tmp_path: Path) -> None:
    plan = from_splits([Counting(), Prefix(number=20, word="crash"), Mishap(guarded=False)])
    with Pool(2) as pool, pytest.raises(DataError, match="pages, shard 2: 3 workers died over it"):
        made(pool, tmp_path, plan, {"splits": SPLITS})
    assert [name for name in durable(tmp_path) if "/00002" in name] == []


@pytest.mark.parametrize(
    ("way", "kind", "message"),
    [("loses", DataError, "leaves none out"), ("reason", SchemaError, "never_declared")],
)
def test_a_wrong_stage_is_told_as_such(
    pool: Pool, tmp_path: Path, way: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        made(pool, tmp_path, from_splits([Counting(), Wrong(way=way)]), {"splits": SPLITS})


def test_too_many_faults_stop_the_run(pool: Pool, tmp_path: Path) -> None:
    plan = from_splits([Counting(), Prefix(number=50, word="raise"), Mishap()])
    with pytest.raises(
        DataError, match=r"shard 3: 1 of 15 records are faults.*the first: f:5:0, mishap: stage_error .ValueError"
    ):
        made(pool, tmp_path, plan, {"splits": SPLITS}, max_fault_share=0.01)
    assert not (tmp_path / "corpus/pages/dev/commits" / ("f" * 16) / "00003.json").exists()


def test_verdicts_go_to_documents_in_their_homes() -> None:
    """Attach joins shard by shard; rows that have left their shards are refused before any work."""
    pages = stored("pages", schema_of(from_splits([Counting()])))
    strayed = Reduce(Map(pages, ExactKey()), "key", (("n", "count", "id"),), spread=True)
    with pytest.raises(SchemaError, match="Attach"):
        schema_of(Attach(strayed, stored("verdicts", schema_of(strayed))))


def test_a_stored_shard_of_another_length_is_found(pool: Pool, tmp_path: Path) -> None:
    plan = from_splits([Counting()])
    shards = kept(made(pool, tmp_path / "a", plan, {"splits": SPLITS}), 4)
    shards[3] = replace(shards[3], path=shards[0].path)
    with pytest.raises(DataError, match="has 10 rows, but its manifest says 15"):
        made(pool, tmp_path / "b", stored("pages", schema_of(plan)), {"pages": shards})


def archive(path: Path, texts: Sequence[str]) -> Path:
    """A real archive, one page a text."""
    with path.open("wb") as file:
        for text in texts:
            body = f"<html><body><p>{text}</p></body></html>".encode()
            http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + body
            head = (
                "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a.example/\r\n"
                "WARC-Date: 2024-05-17T23:31:26Z\r\nContent-Type: application/http; msgtype=response\r\n"
                f"Content-Length: {len(http)}\r\n\r\n"
            )
            file.write(gzip.compress(head.encode() + http + b"\r\n\r\n", mtime=0))
    return path


REASONS = dict.fromkeys(["crash", "spin", "sleep", "eat"], "extractor_crash") | {"raise": "stage_error"}


@pytest.mark.parametrize("watch", [True, False])
def test_pages_that_crash_or_hang_are_dropped_and_counted(tmp_path: Path, watch: bool) -> None:
    words = [
        "one page",
        "crash page",
        "two page",
        "spin page",
        "sleep page",
        "three page",
        "eat page",
        "raise page",
        "end",
    ]
    reasons = [REASONS.get(word.split()[0]) for word in words]
    path = archive(tmp_path / "web.warc.gz", words)
    split = Split("web", str(path), path.name, 0, path.stat().st_size, 0)
    plan = from_splits([WarcReader(), Extract(), Mishap(watch=watch, bounds=(0.3, 0.05, 0.4, 2**26))])
    with Pool(1) as pool:
        writer = made(pool, tmp_path, plan, {"splits": [split]}, max_fault_share=1.0)
    found = rows(writer, 1)
    assert [row.get("drop_reason") for row in found] == reasons
    for word, row in zip(words, found, strict=True):
        assert row["text"] == (word if row.get("drop_reason") == "stage_error" else row["text"])
        if row.get("drop_reason") is None:
            assert row["text"] == word.upper()
    record = writer.done(0)
    assert record is not None
    assert {(t.drop_reason, t.documents) for t in record[1]} == {(None, 4), ("extractor_crash", 4), ("stage_error", 1)}
