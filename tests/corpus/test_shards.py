"""A shard is written whole, once, by whoever holds the newest lease."""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_stages import cut, documents

from corpus.errors import DataError, LeaseError, MillstreamError
from corpus.lease import Lease
from corpus.manifest import summed
from corpus.measures import added_up
from corpus.schema import DOCUMENT, mark
from corpus.shards import ShardWriter, counted
from corpus.storage import TEMPORARY, Folder

REASONS = {"bad": "too_short", "worse": "bad_word", "broken": "broken_record"}


def judged(texts: list[str]) -> pa.RecordBatch:
    """Documents whose first word says what becomes of them."""
    return mark(documents(texts), "judge", [REASONS.get(text.split(" ")[0]) for text in texts])


def writer(folder: Folder, **settings: float) -> ShardWriter:
    return ShardWriter(folder, "f" * 64, Lease.take(folder / "run"), **settings)  # type: ignore[arg-type]


def files(folder: Folder) -> dict[str, bytes]:
    assert folder.local is not None
    return {
        str(path.relative_to(folder.local)): path.read_bytes()
        for path in folder.local.rglob("*")
        if path.is_file() and path.parent.name != "run"
    }


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    return Folder(str(tmp_path / "pages") if request.param == "local" else f"memory://{uuid.uuid4()}/pages")


def test_kept_and_rejects_apart(folder: Folder, tmp_path: Path) -> None:
    texts = ["good 1", *(f"bad {n}" for n in range(9)), "worse", "good 2"]
    shards = writer(folder)
    assert shards.committed() == set()
    shards.write(3, [judged(texts)], DOCUMENT)
    assert shards.committed() == {3}
    (record,) = shards.records([3])
    assert {(t.drop_reason, t.documents) for t in record.tally} == {(None, 2), ("too_short", 9), ("bad_word", 1)}
    tables = {}
    for role, file in record.info.files.items():
        (tmp_path / role).write_bytes(folder.read(file.file))
        tables[role] = pq.read_table(tmp_path / role)
        assert file.sha256[:12] in file.file
        assert tables[role].num_rows == file.rows
    assert tables["data"].column("text").to_pylist() == ["good 1", "good 2"]
    assert "drop_reason" not in tables["data"].column_names
    kept_texts = [text for text in tables["rejects"].column("text").to_pylist() if text is not None]
    assert len(kept_texts) == 5 + 1  # a sample of each reason
    assert tables["rejects"].column("row").to_pylist() == list(range(1, 11))
    assert set(kept_texts) < set(texts)


@settings(max_examples=25)
@given(
    st.lists(st.sampled_from(["good", "bad", "worse", "good again"]), max_size=14),
    st.lists(st.integers(1, 5), max_size=3),
)
def test_batch_cuts_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], sizes: list[int]
) -> None:
    texts = [f"{word} {n}" for n, word in enumerate(words)]
    outcomes = []
    for pieces in ([judged(texts)], cut(judged(texts), sizes), [judged([]), *cut(judged(texts), [1])]):
        folder = Folder(str(tmp_path_factory.mktemp("shard")))
        shards = writer(folder, reject_samples=2)
        shards.write(0, pieces, DOCUMENT)
        outcomes.append(files(folder))
        (record,) = shards.records([0])
        n_rows = sum(file.rows or 0 for file in record.info.files.values())
        assert sum(t.documents for t in record.tally) == n_rows == len(texts)
        assert added_up([record.measures])["documents"] == record.info.files["data"].rows
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert len(outcomes[0]) == 3


def test_equal_work_twice_is_no_matter_and_unequal_work_is_found(folder: Folder) -> None:
    writer(folder).write(0, [judged(["a", "b"])], DOCUMENT)
    before = list(writer(folder).records([0]))
    writer(folder).write(0, [judged(["a"]), documents(["b"], first=1)], DOCUMENT)
    with pytest.raises(DataError, match="the same work gave other rows than before"):
        writer(folder).write(0, [judged(["a", "c"])], DOCUMENT)
    assert list(writer(folder).records([0])) == before


def test_records_come_in_the_order_asked_for(folder: Folder) -> None:
    shards = writer(folder)
    for shard in (7, 0, 100_000):
        shards.write(shard, [documents(["text"] * (shard % 5), shard=shard)], DOCUMENT)
    assert shards.committed() == {0, 7, 100_000}
    assert [(r.info.shard, sum(t.documents for t in r.tally)) for r in shards.records([100_000, 7, 0])] == [
        (100_000, 0),
        (7, 2),
        (0, 0),
    ]
    with pytest.raises(DataError, match=r"00001.json is missing"):
        list(shards.records([0, 1]))


def test_what_is_being_written_is_not_committed(tmp_path: Path) -> None:
    """Neither a record half-written by one that was killed nor one of another build counts."""
    shards = writer(Folder(str(tmp_path)))
    shards.write(1, [judged(["a"])], DOCUMENT)
    shards.commits.write(f"{TEMPORARY}2.json", b"{")
    (shards.folder / "commits" / ("0" * 16)).write("00003.json", b"{}")
    assert shards.committed() == {1}


def test_an_older_holder_commits_nothing(folder: Folder) -> None:
    old = writer(folder)
    new = writer(folder)
    with pytest.raises(LeaseError):
        old.write(0, [judged(["a"])], DOCUMENT)
    assert new.committed() == set()
    new.write(0, [judged(["a"])], DOCUMENT)
    assert new.committed() == {0}


def test_too_many_faults(folder: Folder) -> None:
    texts = ["broken", "broken", "good"]
    with pytest.raises(DataError, match=r"pages: shard 0: 2 of 3 records are faults, more than the share 0.5"):
        writer(folder).write(0, [judged(texts)], DOCUMENT)
    assert writer(folder).committed() == set()
    assert (folder / "data").names() == (folder / "rejects").names() == []
    writer(folder, max_fault_share=0.7).write(0, [judged(texts)], DOCUMENT)
    writer(folder).write(1, [judged(["broken", "bad", "bad"])], DOCUMENT)  # judged badly is not broken
    writer(folder).write(2, [], DOCUMENT)


def test_a_stage_that_fails_leaves_nothing(folder: Folder) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield judged(["a"] * 10_000)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        writer(folder).write(0, batches(), DOCUMENT)
    assert (folder / "data").names() == (folder / "rejects").names() == []
    assert writer(folder).committed() == set()


def test_a_full_disk_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no right to mount a small disk here")
    try:
        shards = writer(Folder(str(place / "pages")), reject_samples=10**6)
        for first in ("good", "bad"):  # full in writing the kept rows, and in writing the rejects
            texts = [f"{first} " + os.urandom(1000).hex() for _ in range(2000)]
            with pytest.raises(MillstreamError, match="No space left on device; nothing half-written"):
                shards.write(0, [judged(texts)], DOCUMENT)
            assert shards.committed() == set()
        left = [name for name in files(shards.folder) if TEMPORARY in name or name.startswith("commits")]
        assert left == []
    finally:
        subprocess.run(["umount", place], check=True)


def test_copies_are_counted_apart() -> None:
    schema = pa.schema([*DOCUMENT, ("copy", pa.int32())])
    batch = pa.RecordBatch.from_pylist(
        [{"source": "web", "text": "äb", "copy": copy} for copy in (0, 1, 2, 0)]
        + [{"source": "web", "text": None, "copy": 0, "dropped_by": "mix", "drop_reason": "over_quota"}],
        schema=schema,
    )
    kept, dropped = summed(counted(batch))
    assert (kept.documents, kept.copies, kept.text_bytes) == (2, 2, 12)
    assert (dropped.drop_reason, dropped.documents, dropped.copies, dropped.text_bytes) == ("over_quota", 1, 0, 0)


def test_a_commit_record_is_canonical(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    writer(folder).write(4, [judged(["a"])], DOCUMENT)
    data = (folder / "commits" / ("f" * 16)).read("00004.json")
    assert set(json.loads(data)) == {"info", "tally", "measures"}
    assert str(tmp_path) not in data.decode()
