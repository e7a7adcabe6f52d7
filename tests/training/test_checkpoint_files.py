"""Checkpoints on disk: whatever is done to one, it is passed over and told, and the one before is taken."""

import ast
import json
import logging
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from corpus.errors import ConfigError, DataError
from training.checkpoint_files import (
    RECORD,
    Writer,
    check_same_run,
    clear_unfinished,
    digest,
    name_of,
    newest_first,
    newest_whole,
    read_record,
    step_of,
    write_record,
)

SHARD = "shard-00001-model-00001-of-00001.safetensors"
OTHER = "shard-00002-model-00001-of-00001.safetensors"


def made(folder: Path, step: int) -> Path:
    """A whole checkpoint of two shards."""
    path = folder / name_of(step)
    path.mkdir(parents=True)
    for name in (SHARD, OTHER):
        save_file({name: torch.full((4,), float(step))}, path / name)
    write_record(path / RECORD, {"step": step, "files": {name: digest(path / name) for name in (SHARD, OTHER)}})
    return path


def told_record(path: Path, step: int) -> None:
    """A record that fits the files as they are."""
    write_record(path / RECORD, {"step": step, "files": {shard.name: digest(shard) for shard in path.glob("shard-*")}})


def flipped(path: Path) -> None:
    shard = path / SHARD
    data = bytearray(shard.read_bytes())
    data[-3] ^= 16
    shard.write_bytes(data)


def long_header(path: Path) -> None:
    (path / SHARD).write_bytes(struct.pack("<Q", 2**60) + b"{}")


def cut(name: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        (path / name).write_bytes((path / name).read_bytes()[:-2])

    return damage


def record_of_another_step(path: Path) -> None:
    told_record(path, 10)


def body_changed(path: Path) -> None:
    text = (path / RECORD).read_text()
    (path / RECORD).write_text(text.replace('"step": 20', '"step": 21'))


def one_more_shard(path: Path) -> None:
    shutil.copy(path / OTHER, path / "shard-00003-model-00001-of-00001.safetensors")


def emptied(path: Path) -> None:
    for file in path.iterdir():
        file.unlink()


DAMAGES = {
    flipped: f"{SHARD} is missing or has another sha256",
    long_header: f"{SHARD} is missing or has another sha256",
    cut(SHARD): f"{SHARD} is missing or has another sha256",
    cut(RECORD): "its record is cut short or changed",
    body_changed: "its record is cut short or changed",
    record_of_another_step: "its record is that of step 10",
    one_more_shard: "shard-00003-model-00001-of-00001.safetensors is not its own",
    lambda path: (path / OTHER).unlink(): f"{OTHER} is missing or has another sha256",
    lambda path: (path / RECORD).unlink(): "its record is cut short or changed",
    lambda path: (path / RECORD).write_bytes(b"\xff\xfe\n\n"): "its record is cut short or changed",
    emptied: "its record is cut short or changed",
}


@pytest.mark.parametrize(("damage", "why"), DAMAGES.items())
def test_what_is_damaged_is_passed_over_and_told(damage, why, tmp_path, caplog):
    older, newest = made(tmp_path, 10), made(tmp_path, 20)
    assert newest_whole(tmp_path) == (newest, read_record(newest / RECORD))
    assert caplog.text == ""
    damage(newest)
    found = newest_whole(tmp_path)
    assert found is not None
    assert (found[0], found[1]["step"]) == (older, 10)
    assert f"checkpoint {newest} is damaged ({why}) and passed over" in caplog.text
    (older / SHARD).unlink()
    with pytest.raises(DataError) as told:
        newest_whole(tmp_path)
    assert f"is whole: {newest.name} ({why}); {older.name} ({SHARD} is" in str(told.value)
    assert "put one back from a copy, or remove the folder to train from the first step" in str(told.value)


@given(st.data())
def test_no_flipped_bit_is_taken_for_whole(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("flips")
    path = made(folder, 7)
    file = path / data.draw(st.sampled_from([RECORD, SHARD, OTHER]))
    content = bytearray(file.read_bytes())
    at, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
    content[at] ^= 1 << bit
    file.write_bytes(content)
    logging.disable(logging.WARNING)
    try:
        with pytest.raises(DataError):
            newest_whole(folder)
    finally:
        logging.disable(logging.NOTSET)
        shutil.rmtree(folder)


def test_only_what_is_named_as_one_is_a_checkpoint(tmp_path):
    for name in ("step-xyz", "step-", "step-²0000000", "step-5", "writing-step-00000030", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "step-00000040").write_text("a file")
    assert newest_first(tmp_path) == []
    assert newest_whole(tmp_path) is None
    made(tmp_path, 20)
    made(tmp_path, 123_456_789)
    assert [step_of(path) for path in newest_first(tmp_path)] == [123_456_789, 20]
    clear_unfinished(tmp_path)
    assert not (tmp_path / "writing-step-00000030").exists()
    assert (tmp_path / "step-xyz").exists()


def written(folder: Path, step: int, keep: int) -> list[int]:
    """The steps that are there once a checkpoint has been finished."""
    writer = Writer(folder, {"step": step}, keep)
    writer.beside.mkdir()
    save_file({"x": torch.zeros(1)}, writer.beside / SHARD)
    writer.finish(None, [])
    return [step_of(path) for path in newest_first(folder)]


def test_the_newest_stay(tmp_path):
    assert [written(tmp_path, step, 2) for step in (5, 10, 15)] == [[5], [10, 5], [15, 10]]
    assert written(tmp_path, 20, 1) == [20]
    assert not list(tmp_path.glob("writing-*"))
    found = newest_whole(tmp_path)
    assert found is not None
    assert found[1] == {"step": 20, "files": {SHARD: digest(tmp_path / name_of(20) / SHARD)}}


@pytest.mark.parametrize("keep", [1, 2])
def test_a_damaged_one_of_a_later_step_pushes_out_no_whole_one(keep, tmp_path):
    """The run has gone on from before it, and writes more often now."""
    for step in (10, 20, 30):
        made(tmp_path, step)
    emptied(tmp_path / name_of(30))
    flipped(tmp_path / name_of(20))
    assert written(tmp_path, 12, keep) == [12, 10][:keep]


def test_a_damaged_one_is_replaced(tmp_path):
    emptied(made(tmp_path, 10))
    assert written(tmp_path, 10, 2) == [10]
    assert newest_whole(tmp_path) is not None


def test_another_run_s_checkpoint_is_told_field_by_field(tmp_path):
    was = json.loads(json.dumps({"steps": 10, "warmup_steps": 3, "betas": (0.9, 0.95), "model": {"width": 8}}))
    check_same_run(tmp_path, was, {"steps": 10, "warmup_steps": 3, "betas": (0.9, 0.95), "model": {"width": 8}})
    for now, changed in (
        ({**was, "steps": 20}, "steps: 10 -> 20"),
        ({**was, "model": {"width": 9}}, "model: {'width': 8} -> {'width': 9}"),
        ({**was, "curriculum": [1]}, "curriculum: None -> [1]"),
        ({name: value for name, value in was.items() if name != "warmup_steps"}, "warmup_steps: 3 -> None"),
    ):
        with pytest.raises(ConfigError) as told:
            check_same_run(tmp_path, was, now)
        assert f"other settings ({changed}); train into another folder" in str(told.value)


def test_nothing_that_reads_checkpoints_can_unpickle():
    training = Path(__file__).parents[2] / "training"
    for path in training.rglob("*.py"):
        tree = ast.parse(path.read_text())
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not names & {"pickle", "dill", "cloudpickle", "joblib", "shelve"}, path
        assert not called & {"torch.load", "torch.jit.load", "torch.save", "np.load", "eval", "exec"}, path
