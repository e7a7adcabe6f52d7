"""Our corpora and stages in datatrove pipelines: the same rows as in ours, whole or not at all."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datatrove.data import Document
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from tiny_stages import Append, DropWord, Repeat, Wrong, documents

from corpus.errors import DataError, DriftError, LeaseError, SchemaError
from corpus.schema import DOCUMENT
from corpus.stage import fuse
from corpus.storage import Folder
from pipelines.artifact import Place
from pipelines.engines.datatrove.io import CorpusReader, CorpusWriter, Stages, finish
from pipelines.verify import file_faults, tally_faults

N_RANKS = 3
STAGES = [DropWord(word="bad"), Repeat(times=2), Append(word="end")]


class Made(PipelineStep):
    """Seven documents a rank, as a reader of datatrove's gives them."""

    type = "READER"
    name = "made"

    def run(self, data: object = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        for n in range(7):
            text = "a bad one" if n % 3 == 1 else f"text {n}"
            yield Document(text=text, id=f"{rank}/{n}", metadata={"url": f"http://a.test/{n}", "score": n / 2})


class Broken(Made):
    """Ends in the middle."""

    def run(self, data: object = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        yield from list(super().run(data, rank, world_size))[:3]
        raise RuntimeError("broken")


@pytest.fixture(autouse=True)
def _quiet(capfd: pytest.CaptureFixture[str]) -> None:
    """datatrove writes to the terminal of whoever runs it here, which is not us."""


def writer(root: Path, made_by: str = "test", version: str = "dev") -> CorpusWriter:
    columns = pa.schema([("score", pa.float64())])
    return CorpusWriter(str(root), "corpus/mine", {"how": made_by}, version, columns)


def run(tmp_path: Path, *steps: PipelineStep, workers: int = 1) -> dict[str, dict[str, int]]:
    """The totals of each step's statistics."""
    logs = tmp_path / f"logs-{len(list(tmp_path.iterdir()))}"
    LocalPipelineExecutor(list(steps), tasks=N_RANKS, workers=workers, logging_dir=str(logs)).run()
    found = json.loads((logs / "stats.json").read_text())
    return {
        step["name"]: {k: v["total"] if isinstance(v, dict) else v for k, v in step["stats"].items()} for step in found
    }


def texts(root: Path) -> list[tuple[str, str]]:
    reader = CorpusReader(str(root), "corpus/mine")
    return [(document.id, document.text) for rank in range(2) for document in reader.run(None, rank, 2)]


def test_written_and_read_again(tmp_path: Path) -> None:
    mine = writer(tmp_path / "root")
    run(tmp_path, Made(), mine, workers=2)
    manifest = finish(mine, N_RANKS)
    assert (manifest.kept, manifest.read, len(manifest.shards)) == (21, 21, 3)
    place = Place(mine.place.root)
    assert place.need("corpus/mine") == manifest
    faults = [
        f
        for shard in manifest.shards
        for info in shard.files.values()
        for f in file_faults(mine.place.folder("corpus/mine"), info)
    ]
    assert faults + list(tally_faults(place.folder("corpus/mine"), manifest)) == []
    told = [
        document
        for rank in range(2)
        for document in CorpusReader(str(tmp_path / "root"), "corpus/mine").run(None, rank, 2)
    ]
    assert sorted(document.id for document in told) == sorted(f"{rank}/{n}" for rank in range(3) for n in range(7))
    (one,) = [document for document in told if document.id == "1/4"]
    assert one.text == "a bad one"
    home = {"shard": 1, "row": 4, "source": "datatrove", "origin": "1/4"}
    assert one.metadata == home | {"url": "http://a.test/4", "score": 2.0, "timestamp": None}


def test_stages_give_the_rows_of_our_own_pass(tmp_path: Path) -> None:
    rows = [f"bad {n}" if n % 4 == 3 else f"good {n}" for n in range(1200)]  # more than a batch
    batch = documents(rows)
    step, _ = fuse(STAGES, DOCUMENT)
    ours = [row for out in step(batch) for row in out.to_pylist()]
    given = [
        Document(text=row.pop("text"), id=row.pop("id"), metadata={k: v for k, v in row.items() if "drop" not in k})
        for row in batch.to_pylist()
    ]
    stages = Stages(STAGES)
    theirs = list(stages.run(iter(given)))
    kept = [row for row in ours if row["drop_reason"] is None]
    assert [(d.id, d.text, d.metadata["shard"], d.metadata["row"]) for d in theirs] == [
        (row["id"], row["text"], row["shard"], row["row"]) for row in kept
    ]
    assert stages.stats["dropped_has_word"].total == len(ours) - len(kept) == 300
    assert stages.stats["forwarded"].total == len(kept)


def test_documents_of_two_corpora_with_one_home_are_not_mixed_up(tmp_path: Path) -> None:
    homes = []
    for name in ("here", "there"):
        made = writer(tmp_path / name)
        run(tmp_path, Made(), made)
        finish(made, N_RANKS)
        homes.append(CorpusReader(str(tmp_path / name), "corpus/mine"))
    both = [
        replace(d, id=f"{n}: {d.id}", metadata=d.metadata | {"from": n})
        for n, home in enumerate(homes)
        for d in home.run()
    ]
    elsewhere = Document(text="no home", id="2: x", metadata={"from": 2})
    through = list(Stages([Append(word="end")]).run(iter([*both, elsewhere])))
    assert [(d.id, d.metadata) for d in through[:-1]] == [(d.id, d.metadata) for d in both]
    assert through[-1].metadata["from"] == 2
    assert "row" not in through[-1].metadata


def test_documents_from_elsewhere_through_stages_into_a_corpus(tmp_path: Path) -> None:
    mine = writer(tmp_path / "root")
    stats = run(tmp_path, Made(), Stages([DropWord(word="bad"), Append(word="end")]), mine, workers=2)
    assert stats["MILLSTREAM: stages"] == {"total": 21, "forwarded": 15, "dropped": 6, "dropped_has_word": 6}
    assert finish(mine, N_RANKS).kept == 15
    assert ("2/6", "text 6 end") in texts(tmp_path / "root")


def test_a_rank_that_fails_leaves_nothing_and_there_is_no_manifest(tmp_path: Path) -> None:
    mine = writer(tmp_path / "root")
    with pytest.raises(RuntimeError, match="broken"):
        run(tmp_path, Broken(), mine)
    with pytest.raises(DataError, match=r"00000\.json is missing"):
        finish(mine, N_RANKS)
    assert [path for path in (tmp_path / "root").rglob("*") if path.is_file() and path.parent.name != "run"] == []
    run(tmp_path, Made(), mine)
    assert finish(mine, N_RANKS).kept == 21


def test_a_rank_asks_for_its_own_record_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were each to list them all, a million ranks would be told of a million records each."""
    mine = writer(tmp_path / "root")
    monkeypatch.delattr(Folder, "names")
    mine.run(Made().run(None, 0, N_RANKS), 0, N_RANKS)
    mine.run(Broken().run(None, 0, N_RANKS), 0, N_RANKS)  # done already: nothing is read


def test_a_file_that_has_not_the_rows_of_its_manifest_is_told(tmp_path: Path) -> None:
    mine = writer(tmp_path / "root")
    run(tmp_path, Made(), mine)
    manifest = finish(mine, N_RANKS)
    first, second = (mine.shards(N_RANKS).folder.path(shard.files["data"].file) for shard in manifest.shards[:2])
    rows = pq.read_table(second)
    pq.write_table(rows.slice(1), second)
    reader = CorpusReader(str(tmp_path / "root"), "corpus/mine")
    assert len(list(reader.run(None, 0, N_RANKS))) == 7
    with pytest.raises(DataError, match=r"00001-.*\.parquet has 6 rows, but its manifest says 7"):
        list(reader.run(None, 1, N_RANKS))
    Path(first).unlink()
    with pytest.raises(DataError, match=r"00000-.*\.parquet is missing"):
        list(reader.run(None, 0, N_RANKS))


def test_another_making_or_number_of_ranks_is_another_build(tmp_path: Path) -> None:
    root = tmp_path / "root"
    first = writer(root)
    run(tmp_path, Made(), first)
    before = finish(first, N_RANKS)
    second = writer(root, made_by="other")
    run(tmp_path, Made(), Stages([DropWord(word="bad")]), second)
    after = finish(second, N_RANKS)
    assert (before.kept, after.kept) == (21, 15)
    assert len(list((root / "corpus" / "mine" / "dev" / "data").iterdir())) == N_RANKS  # the old ones are gone
    with pytest.raises(DataError):
        finish(second, N_RANKS + 1)
    with pytest.raises(LeaseError):  # an older run that is still alive
        finish(first, N_RANKS)


def test_a_released_version_is_not_overwritten(tmp_path: Path) -> None:
    released = writer(tmp_path / "root", version="1")
    run(tmp_path, Made(), released)
    finish(released, N_RANKS)
    other = writer(tmp_path / "root", made_by="other", version="1")
    run(tmp_path, Made(), other)
    with pytest.raises(DriftError, match="corpus/mine@1 is released"):
        finish(other, N_RANKS)


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(SchemaError, match='stage "wrong" makes other rows than documents'):
        Stages([Wrong(way="none", rows="project")])
    odd = Document(text="", id="x", metadata={"timestamp": "noon"})
    with pytest.raises(SchemaError, match="the metadata of a document from x on fit no column"):
        list(Stages([Append(word="end")]).run(iter([odd])))
    with pytest.raises(DataError, match="corpus/none@dev is not in"):
        list(CorpusReader("/nowhere", "corpus/none").run())
