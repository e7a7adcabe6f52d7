"""What a run needs to go on: written beside the training, read back into any number of ranks.

Weights and optimizer state go through torch.distributed.checkpoint (each rank writes what it has), in safetensors; all
else is small and stands in the record: steps done, the run's identity, the tokens', and what callbacks remember.
"""

import logging
import shutil
from concurrent.futures import Future
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import lightning
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import async_save

from corpus.errors import ConfigError, DataError, MillstreamError
from training import loggers
from training.checkpoint_files import (
    Says,
    Writer,
    check_same_run,
    clear_unfinished,
    newest_first,
    newest_whole,
)
from training.config import TrainingConfig
from training.data import RowData
from training.module import LanguageModule
from training.optim import ByRule

log = logging.getLogger(__name__)

ROOM = 1.05  # file headers and records, over the bytes of the tensors


class Checkpoints(lightning.Callback):
    """Goes on from the newest whole checkpoint of the folder when training begins, and writes one every
    `checkpoint_every` steps and after the last, while the next steps are computed.

    ConfigError where a checkpoint is another run's or the disk has no room, DataError where none is whole,
    MillstreamError where writing failed.
    """

    def __init__(self, folder: Path, config: TrainingConfig) -> None:
        self.folder, self.config = folder, config
        self.pending: Future[Any] | None = None
        self.group: dist.ProcessGroup | None = None

    @cached_property
    def newest(self) -> tuple[Path, Says] | None:
        """What to go on from; the first rank asks, once, and takes away what a crash left half written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        clear_unfinished(self.folder)
        return newest_whole(self.folder)

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if dist.is_initialized():
            # writing sends messages while training does
            self.group = dist.new_group(backend="gloo", timeout=timedelta(seconds=2 * self.config.run.timeout))
        found = trainer.strategy.broadcast(self.newest if trainer.is_global_zero else None)
        if found is not None:
            self._resume(trainer, cast(LanguageModule, module), *found)
        self._check_room(trainer, cast(LanguageModule, module))

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0 and self.config.saves(trainer.global_step):
            self.write(trainer, cast(LanguageModule, module))

    def on_train_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.finish()

    def on_exception(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, exception: BaseException
    ) -> None:
        if self.pending is not None and not dist.is_initialized():  # other ranks may be gone
            self.pending.exception()

    def write(self, trainer: lightning.Trainer, module: LanguageModule) -> None:
        """Copies the state, and writes the copy while training goes on."""
        self.finish()
        loggers.flush(trainer.loggers)  # these steps are not done again
        data = cast(RowData, trainer.datamodule)  # type: ignore[attr-defined]
        says = {
            **data.state_dict(),
            "identity": self.config.identity(),
            "arithmetic": _arithmetic(trainer),
            "callbacks": {name: state for name, state in _states(trainer).items() if state},
        }
        self.pending = cast(
            "Future[Any]",
            async_save(
                tensors(module, trainer.optimizers[0]),
                storage_writer=Writer(self.folder, says, self.config.run.keep_checkpoints),
                process_group=self.group,
                no_dist=self.group is None,
            ),
        )

    def finish(self) -> None:
        """Waits for the checkpoint that is being written; MillstreamError if it could not be."""
        pending, self.pending = self.pending, None
        if pending is None:
            return
        try:
            pending.result()
        except (Exception, CheckpointException) as error:
            raise MillstreamError(
                f"no checkpoint could be written to {self.folder}: {_reason(error)}; make room or mend the disk, and "
                f"start again: the run goes on from the last whole checkpoint there"
            ) from error

    def _resume(self, trainer: lightning.Trainer, module: LanguageModule, path: Path, says: Says) -> None:
        check_same_run(path, says["identity"], self.config.identity())
        cast(RowData, trainer.datamodule).load_state_dict(says)  # type: ignore[attr-defined]
        if trainer.is_global_zero:
            _tell_arithmetic(says["arithmetic"], _arithmetic(trainer))
        _optimizer(trainer).make_state()
        try:
            load(
                tensors(module, trainer.optimizers[0]),
                storage_reader=HuggingFaceStorageReader(str(path)),
                process_group=self.group,
                no_dist=self.group is None,
            )
        except (Exception, CheckpointException) as error:
            raise DataError(
                f"{path} cannot be read: {_reason(error)}; let every host see that folder, or remove it, and the run "
                f"goes on from the one before"
            ) from error
        for name, callback in _named(trainer).items():
            if name in says["callbacks"]:
                callback.load_state_dict(says["callbacks"][name])
        # Lightning counts steps here, and reads them back only from checkpoints of its own
        counted = trainer.fit_loop.epoch_loop.automatic_optimization.optim_progress.optimizer.step.total
        counted.ready = counted.completed = says["step"]

    def _check_room(self, trainer: lightning.Trainer, module: LanguageModule) -> None:
        """As the first rank sees it."""
        _optimizer(trainer).make_state()
        size = ROOM * sum(
            value.numel() * value.element_size() for value in tensors(module, trainer.optimizers[0]).values()
        )
        short = trainer.strategy.broadcast(self._short(size, trainer.global_step) if trainer.is_global_zero else None)
        if short:
            raise ConfigError(short)

    def _short(self, size: float, step: int) -> str | None:
        """What is wrong with the room for what will be written from a step on. A checkpoint more than are kept is there
        while it is written."""
        every, keep, steps = self.config.run.checkpoint_every, self.config.run.keep_checkpoints, self.config.steps
        to_come = -(-steps // every) - step // every if step < steps else 0
        more = min(to_come, max(1, keep + 1 - len(newest_first(self.folder))))
        free = shutil.disk_usage(self.folder).free
        if more * size <= free:
            return None
        return (
            f"{self.folder} has {free / 1e6:,.1f} MB free, and takes {more} more checkpoints of {size / 1e6:,.1f} MB; "
            f"make room, or set training.run.keep_checkpoints lower"
        )


def tensors(module: LanguageModule, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Weights and optimizer state by name, as they are: to be written, or read into. A tied matrix comes once."""
    found: dict[str, Tensor] = {}
    for name, weight in module.model.named_parameters():
        found[f"model.{name}"] = weight.detach()
        for key, value in optimizer.state.get(weight, {}).items():
            found[f"optimizer.{name}.{key}"] = value
    return found


def _optimizer(trainer: lightning.Trainer) -> ByRule:
    return cast(ByRule, trainer.optimizers[0])


def _named(trainer: lightning.Trainer) -> dict[str, lightning.Callback]:
    return {callback.state_key: callback for callback in trainer.callbacks}  # type: ignore[attr-defined]


def _states(trainer: lightning.Trainer) -> dict[str, dict[str, Any]]:
    return {name: callback.state_dict() for name, callback in _named(trainer).items()}


def _arithmetic(trainer: lightning.Trainer) -> dict[str, Any]:
    """What decides the last bits of a loss beside the configuration, and may be another after a restart."""
    return {
        "precision": str(trainer.precision),
        "threads": torch.get_num_threads(),
        "ranks": trainer.world_size,
        "pieces": trainer.accumulate_grad_batches,
        "device": str(trainer.strategy.root_device.type),
    }


def _tell_arithmetic(was: dict[str, Any], now: dict[str, Any]) -> None:
    if changed := ", ".join(f"{name} {was.get(name)} -> {now[name]}" for name in now if was.get(name) != now[name]):
        log.warning("going on from a checkpoint with %s: the losses' last digits may differ from here", changed)


def _reason(error: BaseException) -> str:
    """The first rank's error, where ranks failed."""
    if isinstance(error, CheckpointException) and error.failures:
        error = next(iter(error.failures.values()))[0]
    return str(error) or repr(error)
