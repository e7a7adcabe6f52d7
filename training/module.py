"""What Lightning trains: a model under an objective."""

from typing import Any, cast

import lightning
import torch
from torch import Tensor

from training import models
from training.config import TrainingConfig
from training.models import Batch, Term
from training.optim import optimizer, set_rates


class LanguageModule(lightning.LightningModule):
    """The loss is the sum over a model's terms of nats per target, over the targets of all ranks: a mean of means would
    weigh a target by how many others happened to share its rank."""

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self.config = config
        self.model = models.build(config.model)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        losses = [self._per_target(term) for term in self.model.terms(batch).values()]
        return torch.stack(losses).sum()

    def _per_target(self, term: Term) -> Tensor:
        n_targets = cast(Tensor, self.trainer.strategy.reduce(term.targets.float(), reduce_op="sum"))
        # ranks' gradients are averaged, so each rank's share is scaled up by their number; a batch may have no target
        return term.nats * self.trainer.world_size / n_targets.clamp(min=1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return optimizer(self.model, self.config)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        set_rates(optimizer, self.global_step, self.config)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["identity"] = self.config.identity()
