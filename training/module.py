"""What Lightning trains: a model under an objective."""

from typing import Any, cast

import lightning
import torch
from torch import Tensor

from training import models
from training.config import TrainingConfig
from training.data import Batch
from training.loss import n_targets, nats
from training.optim import optimizer, set_rates


class LanguageModule(lightning.LightningModule):
    """The loss is nats per target token, over the targets of all ranks: a mean of means would weigh a token by how
    many others happened to share its rank."""

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self.config = config
        self.model = models.build(config.model)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        hidden_BTD = self.model.hidden(batch["tokens"], batch.get("segments"))
        total = nats(hidden_BTD.flatten(0, 1), self.model.output.weight, batch["targets"].flatten())
        counted = self.trainer.strategy.reduce(n_targets(batch["targets"]).float(), reduce_op="sum")
        # ranks' gradients are averaged, so each rank's share is scaled up by their number
        return total * self.trainer.world_size / cast(Tensor, counted)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return optimizer(self.model, self.config)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        set_rates(optimizer, self.global_step, self.config)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["identity"] = self.config.identity()
