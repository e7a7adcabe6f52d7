"""Rows, tokens and epochs that a run has read of each source, over all ranks and restarts."""

from typing import Any, cast

import lightning
import numpy as np
import torch
from torch import Tensor

from training.data import READ, RowData
from training.record import show

EVERY = 50
"""Steps between sums over the ranks, which a checkpoint asks for too."""


class SourceCounts(lightning.Callback):
    """Adds up what the batches say that they were read from; `measures` tells, after every sum."""

    def __init__(self, data: RowData) -> None:
        self.data, self.config = data, data.config
        self.before = data.sources.nothing()
        self.here: Tensor | None = None

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if READ in batch:
            self.here = batch[READ].clone() if self.here is None else self.here.add_(batch[READ])
        step = trainer.global_step
        if (batch_idx + 1) % trainer.accumulate_grad_batches or not (step % EVERY == 0 or self.config.saves(step)):
            return
        self.sum(trainer)
        if trainer.is_global_zero:
            rows = self.measures().items()
            told = {f"sources/{source}/{name}": value for source, row in rows for name, value in row.items()}
            show(trainer, told, step)

    def sum(self, trainer: lightning.Trainer) -> None:
        """Over the ranks, which must all ask."""
        if self.here is None:
            return
        total = cast(Tensor, trainer.strategy.reduce(self.here, reduce_op="sum"))
        self.before = self.before + total.cpu().numpy().astype(np.int64)
        self.here = torch.zeros_like(self.here)

    def measures(self) -> dict[str, dict[str, float]]:
        """By source."""
        return self.data.sources.measures(self.before)

    def state_dict(self) -> dict[str, Any]:
        return self.data.sources.state(self.before)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.before = self.data.sources.restored(state_dict)
