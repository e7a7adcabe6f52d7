"""Checkpoints on disk: folders that come and go whole or not at all, and know their own content.

    checkpoints/step-00000200/checkpoint.json                step, identity, tokens, sha256 of each file; written last
    checkpoints/step-00000200/shard-00001-....safetensors    what each rank has of weights and optimizer state
    checkpoints/writing-step-00000300/                       a checkpoint that is being written

Any number of ranks reads what any other number wrote. Nothing in it is code.
"""

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
from torch.distributed.checkpoint.metadata import Metadata
from torch.distributed.checkpoint.storage import WriteResult

from corpus.errors import ConfigError, DataError

log = logging.getLogger(__name__)

RECORD = "checkpoint.json"
SHARDS = "*.safetensors"
WRITING = "writing-"
NAME = re.compile(r"step-[0-9]{8,}")
Says = dict[str, Any]


class Writer(HuggingFaceStorageWriter):
    """Writes the ranks' parts as safetensors files and, once all are on the disk, the record; then gives the folder its
    name and removes all but the newest `keep`, and damaged ones of later steps."""

    def __init__(self, folder: Path, says: Says, keep: int) -> None:
        self.final, self.says, self.keep = folder / name_of(says["step"]), says, keep
        self.beside = folder / f"{WRITING}{self.final.name}"
        super().__init__(str(self.beside), save_distributed=True)

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        """On one rank, after all have written."""
        files = {path.name: digest(path) for path in sorted(self.beside.iterdir())}
        write_record(self.beside / RECORD, self.says | {"files": files})
        _flush(self.beside)
        shutil.rmtree(self.final, ignore_errors=True)  # damaged, or the step would not have been done again
        self.beside.rename(self.final)
        _flush(self.final.parent)
        found = newest_first(self.final.parent)
        this = found.index(self.final)
        for other in [*found[:this], *found[this + self.keep :]]:  # a later one is damaged, or the run had begun there
            other.rename(self.beside)  # what a crash leaves half removed has no checkpoint's name
            shutil.rmtree(self.beside)


def name_of(step: int) -> str:
    """`step-00000200`."""
    return f"step-{step:08d}"


def step_of(path: Path) -> int:
    """How many steps a checkpoint has behind it."""
    return int(path.name.removeprefix("step-"))


def newest_first(folder: Path) -> list[Path]:
    """The checkpoints of a folder, whole or damaged."""
    found = [path for path in folder.glob("step-*") if NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=step_of, reverse=True)


def newest_whole(folder: Path) -> tuple[Path, Says] | None:
    """The newest checkpoint that is what its record says; a damaged one is said in the log and passed over. None where
    there is no checkpoint; DataError where all are damaged, for a run that begins anew would seem to have gone on."""
    damaged = []
    for path in newest_first(folder):
        says = read_record(path / RECORD)
        if (why := _damage(path, says)) is None:
            return path, cast(Says, says)
        log.warning("checkpoint %s is damaged (%s) and passed over", path, why)
        damaged.append(f"{path.name} ({why})")
    if damaged:
        raise DataError(
            f"no checkpoint in {folder} is whole: {'; '.join(damaged)}; put one back from a copy, or remove the folder "
            f"to train from the first step again"
        )
    return None


def _damage(path: Path, says: Says | None) -> str | None:
    """What a checkpoint's files and its record disagree about."""
    if says is None:
        return "its record is cut short or changed"
    if says["step"] != step_of(path):
        return f"its record is that of step {says['step']}"
    if wrong := [name for name, was in says["files"].items() if not _is(path / name, was)]:
        return f"{', '.join(wrong)} is missing or has another sha256"
    if more := sorted({shard.name for shard in path.glob(SHARDS)} - says["files"].keys()):
        return f"{', '.join(more)} is not its own"  # all there would be read
    return None


def clear_unfinished(folder: Path) -> None:
    """Removes what a crash left half written."""
    for path in folder.glob(f"{WRITING}*"):
        shutil.rmtree(path, ignore_errors=True)


def check_same_run(path: Path, was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """ConfigError if a checkpoint is another run's, field by field; a field that is not there was not given."""
    now = json.loads(json.dumps(now))  # as `was` has been through it: lists for tuples
    names = sorted(was.keys() | now.keys())
    changed = [f"{name}: {was.get(name)!r} -> {now.get(name)!r}" for name in names if was.get(name) != now.get(name)]
    if changed:
        raise ConfigError(
            f"{path} belongs to a run with other settings ({'; '.join(changed)}); train into another folder, or put "
            "the settings back"
        )


def write_record(path: Path, says: Says) -> None:
    """JSON with its own sha256."""
    body = json.dumps(says, sort_keys=True)
    path.write_text(f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}\n", encoding="utf-8")
    _flush(path)


def read_record(path: Path) -> Says | None:
    """What it says; None if it is not whole."""
    try:
        said, body, _ = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError):
        return None
    if hashlib.sha256(body.encode()).hexdigest() != said:
        return None
    says: Says = json.loads(body)
    return says


def digest(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is(path: Path, was: str) -> bool:
    return path.is_file() and digest(path) == was


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
