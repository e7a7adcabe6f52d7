"""Files of fixed names, of tokens, vocabularies and models: never another build's, never those of a run overtaken."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_run import Finished, Said, millstream

from corpus.lease import Lease
from corpus.parquet import read_batches
from corpus.storage import Folder
from pipelines import tokens_step, training_step, vocab_step

TOKENS = "tokens/main/dev"
SMALLER = "tokenizer.vocab_size=500"


@pytest.fixture
def root(finished: Finished, tmp_path: Path) -> Path:
    """A finished run to build upon."""
    return Path(shutil.copytree(finished.root, tmp_path / "root"))


def run(finished: Finished, root: Path, *sets: str) -> Said:
    asked = [word for one in sets for word in ("--set", one)]
    return millstream("run", finished.recipe, "--root", root, "--workers", 1, "--only", "tokens/main", *asked)


def stopped(finished: Finished, root: Path, *sets: str) -> None:
    """A run that ends after the first part of the tokens is committed."""
    write = tokens_step.write_shard

    def first_only(folder: Folder, part: int, *rest: Any, **more: Any) -> Any:
        if part:
            raise KeyboardInterrupt
        return write(folder, part, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens_step, "write_shard", first_only)
        assert run(finished, root, *sets).code == 130


def parts(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / TOKENS).glob("part-*")}


def records(root: Path) -> list[Path]:
    return sorted((root / TOKENS / "commits").glob("*/*"))


def test_parts_of_another_vocabulary_are_not_taken(finished: Finished, root: Path) -> None:
    expected = parts(root)
    assert len(expected) >= 6, "there are to be two parts at least"
    (root / TOKENS / "manifest.json").unlink()
    shutil.rmtree(root / TOKENS / "commits")
    stopped(finished, root)
    assert len(records(root)) == 1
    stopped(finished, root, SMALLER)
    assert len(records(root)) == 1
    assert parts(root)["part-00000.bin"] != expected["part-00000.bin"]
    assert run(finished, root).code == 0
    assert parts(root) == expected


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_record_counts_only_with_its_files(damage: str, finished: Finished, root: Path) -> None:
    expected = parts(root)
    (root / TOKENS / "manifest.json").unlink()
    path = root / TOKENS / "part-00000.bin"
    if damage == "gone":
        path.unlink()
    else:
        data = path.read_bytes()
        path.write_bytes(data[:-2] if damage == "cut" else data[2:4] + data[2:])
    assert path.exists() == (damage != "gone")
    times = (root / TOKENS / "part-00001.bin").stat().st_mtime_ns
    assert run(finished, root).code == 0
    assert parts(root) == expected
    assert (root / TOKENS / "part-00001.bin").stat().st_mtime_ns == times


@pytest.mark.parametrize(
    ("module", "taken", "kept"),
    [(vocab_step, "vocab/main", "tokenizer.json"), (tokens_step, "tokens/main", "part-00000.bin")],
)
def test_a_run_overtaken_in_its_work_overwrites_nothing(
    module: Any, taken: str, kept: str, finished: Finished, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run takes the artifact over while this one still reads."""

    def overtaken(*args: Any) -> Iterator[Any]:
        yield from read_batches(*args)
        Lease.take(Folder(str(root / taken / "dev" / "run")))

    before = (root / taken / "dev" / kept).read_bytes()
    monkeypatch.setattr(module, "read_batches", overtaken)
    said = run(finished, root, SMALLER)
    assert said.code == 5
    assert "another run has taken over" in said.err
    assert taken in said.err
    assert (root / taken / "dev" / kept).read_bytes() == before


def test_a_training_overtaken_stops_at_its_next_step(
    finished: Finished, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = root / "checkpoint/main/dev"
    read = training_step.held_out_documents

    def overtaken(*asked: Any) -> Any:
        Lease.take(Folder(str(place / "run")))
        return read(*asked)

    monkeypatch.setattr(training_step, "held_out_documents", overtaken)
    said = millstream("run", finished.recipe, "--root", root, "--workers", 1, "--set", "training.steps=3")
    assert said.code == 5
    assert "another run has taken over" in said.err
    assert len((place / "metrics.csv").read_text().splitlines()) == 2, "the head and one step"
    assert not (place / "model.safetensors").exists()
    assert not list(place.glob("checkpoints/*"))


def test_the_vocabulary_reads_texts_alone(finished: Finished, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns: list[Any] = []

    def noted(path: str, wanted: Any = None, size: int | None = None) -> Iterator[Any]:
        columns.append(wanted)
        return read_batches(path, wanted, size)

    monkeypatch.setattr(vocab_step, "read_batches", noted)
    assert run(finished, root, SMALLER).code == 0
    assert columns[0] == ["text"]
    assert None not in columns
