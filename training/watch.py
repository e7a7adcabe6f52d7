"""Bad steps, noticed and told with the rows that made them; left out, or the end of the run, where that is asked."""

import logging
from pathlib import Path
from typing import Any, cast

import lightning
import torch.distributed as dist

from corpus.errors import GateError
from training import blame
from training.config import TrainingConfig
from training.data import RowData
from training.hang import Watchdog
from training.module import LanguageModule
from training.parallel import beside_training
from training.spikes import PATIENCE, Spikes
from training.stretches import at

log = logging.getLogger(__name__)


class Beats(lightning.Callback):
    """Tells the watchdog of each piece of a step, from the first step that was done on: before it, a compiler works."""

    def __init__(self, watchdog: Watchdog) -> None:
        self.watchdog = watchdog

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        self.watchdog.beat(trainer.global_step)

    def on_train_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        self.watchdog.last = None


class Watch(lightning.Callback):
    """Judges each step before the weights move; on a GPU, which would be waited for, only where bad steps are to be
    skipped, and else a step late, when the record has its figures. Each bad step is a line of `spikes.jsonl`.

    GateError for a loss that is no number and is not to be skipped, for a leap that is to stop the run, and for too
    many skipped steps one after the other.
    """

    def __init__(self, path: Path, config: TrainingConfig) -> None:
        self.path, self.config = path, config
        self.spikes = Spikes()
        self.early = False
        self._trainer: Any = None

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self._trainer = trainer
        self.early = self.config.on_spike == "skip" or trainer.strategy.root_device.type == "cpu"
        if self.early:
            cast(LanguageModule, module).gate = self.is_bad

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if trainer.is_global_zero:
            blame.keep_events(self.path, trainer.global_step)

    def late(self, step: int, loss: float, norm: float) -> None:
        """Judges what was not judged early."""
        if not self.early:
            self.is_bad(step, loss, norm)

    def is_bad(self, step: int, loss: float, norm: float) -> bool:
        """Whether the update of a step, counted from 1, is to be left out. Asked on all ranks, and answered alike."""
        if self._begins(step):
            self.spikes = Spikes()  # rows of another length have losses of another size
        verdict, self.spikes = self.spikes.verdict(loss, norm), self.spikes.after(loss, norm)
        if verdict is None:
            return False
        skips = self.config.on_spike == "skip"
        event = blame.event(step, verdict, loss, norm, skipped=skips, rows=self._rows(step))
        if self._trainer.is_global_zero:
            blame.append(self.path, event)
            log.warning("%s", blame.told(event))
        if not skips and (verdict == "nonfinite" or self.config.on_spike == "stop"):
            raise GateError(
                f"training diverged: {blame.told(event)}; all of its rows are in {self.path}. Take a lower "
                f"training.learning_rate than {self.config.learning_rate:g} or a longer warm-up, or leave such steps "
                f"out with training.on_spike skip"
            )
        if skips:
            self.spikes.check(step)
        elif self.spikes.bad_in_a_row > PATIENCE:
            self.spikes = Spikes()  # no leap any more: the losses are others now
        return skips

    def state_dict(self) -> dict[str, Any]:
        return self.spikes.state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.spikes = Spikes.of(state_dict)

    def _begins(self, step: int) -> bool:
        stretches = self.config.stretches
        return stretches[at(stretches, step - 1)].first_step == step - 1

    def _rows(self, step: int) -> list[dict[str, Any]]:
        """The worst rows of all ranks."""
        trainer, data = self._trainer, cast(RowData, self._trainer.datamodule)
        model, device = cast(LanguageModule, trainer.lightning_module).model, trainer.strategy.root_device
        found: list[dict[str, Any]] = []
        for samples in data.pieces(step - 1, trainer.global_rank, trainer.world_size):
            batch = {name: values.to(device) for name, values in data.batch(samples).items()}
            with beside_training(model), trainer.precision_plugin.forward_context():
                nats_B = blame.row_nats(model, batch)
            found += blame.accused(data.rows, samples, nats_B)
        parts: list[Any] = [found]
        if trainer.world_size > 1:
            parts = [None] * trainer.world_size
            dist.all_gather_object(parts, found)
        return blame.worst_first(record for part in parts for record in part)
