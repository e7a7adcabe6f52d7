"""Checkpoints that appear whole or not at all, and name their own content.

    checkpoints/step-00000200-3fa9c1d2e4b7a018.ckpt      the first 16 hex digits of the file's sha256

A file is written beside, flushed to the disk and renamed. On restart the newest file whose content is what its name
says is taken; a damaged one is said in the log and passed over. Loading never unpickles code (`weights_only`).
"""

import hashlib
import logging
import os
from pathlib import Path
from typing import Any

import lightning
import torch

from corpus.errors import ConfigError
from training.config import TrainingConfig

log = logging.getLogger(__name__)

PATTERN = "step-*.ckpt"
DIGEST_DIGITS = 16


class Checkpoints(lightning.Callback):
    """Writes one every `checkpoint_every` steps and after the last, and removes all but the newest few."""

    def __init__(self, folder: Path, config: TrainingConfig) -> None:
        self.folder, self.config = folder, config

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        step = trainer.global_step
        if step % self.config.checkpoint_every == 0 or step == self.config.steps:
            self.write(trainer)

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["arithmetic"] = _arithmetic(trainer)

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        was, now = checkpoint["arithmetic"], _arithmetic(trainer)
        if was != now:
            changed = ", ".join(f"{name} {was[name]} -> {now[name]}" for name in now if was[name] != now[name])
            log.warning("going on from a checkpoint with %s: the losses' last digits may differ from here", changed)

    def write(self, trainer: lightning.Trainer) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = self.folder / f"writing-{trainer.global_rank}.tmp"
        trainer.save_checkpoint(beside)
        if not trainer.is_global_zero:
            return
        name = f"step-{trainer.global_step:08d}-{_digest(beside)}.ckpt"
        _flush(beside)
        beside.replace(self.folder / name)
        _flush(self.folder)
        for old in _newest_first(self.folder)[self.config.keep_checkpoints :]:
            old.unlink()


def latest(folder: Path, config: TrainingConfig) -> Path | None:
    """The newest whole checkpoint of this very run, None if there is none; ConfigError if it is another run's."""
    for path in _newest_first(folder):
        checkpoint = _load(path)
        if checkpoint is not None:
            _check_identity(path, checkpoint["identity"], config.identity())
            return path
    return None


def step_of(path: Path) -> int:
    """How many steps a checkpoint has behind it."""
    return int(path.stem.split("-")[1])


def _arithmetic(trainer: lightning.Trainer) -> dict[str, Any]:
    """What decides the last bits of a loss beside the configuration, and may be another after a restart."""
    return {"precision": str(trainer.precision), "threads": torch.get_num_threads()}


def _load(path: Path) -> dict[str, Any] | None:
    """The content, or None with a line in the log if it is not what the name says."""
    if _digest(path) != path.stem.rsplit("-", 1)[-1]:
        log.warning("checkpoint %s is damaged (its sha256 is not the one in its name) and passed over", path)
        return None
    loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return loaded


def _check_identity(path: Path, was: dict[str, Any], now: dict[str, Any]) -> None:
    changed = [f"{name}: {was.get(name)!r} -> {now.get(name)!r}" for name in now if was.get(name) != now.get(name)]
    if changed:
        raise ConfigError(
            f"{path} belongs to a run with other settings ({'; '.join(changed)}); train into another folder, or put "
            "the settings back"
        )


def _newest_first(folder: Path) -> list[Path]:
    def age(path: Path) -> tuple[int, int]:
        # a step that was done again, under another name, only after a damaged checkpoint
        return step_of(path), path.stat().st_mtime_ns

    return sorted(folder.glob(PATTERN), key=age, reverse=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGEST_DIGITS]


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
