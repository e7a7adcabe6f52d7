"""What Lightning trains: a model under an objective."""

from collections.abc import Callable
from typing import Any, NamedTuple

import lightning
import torch
import torch.distributed as dist
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor
from torch.distributed.tensor import DTensor

from training import models
from training.config import TrainingConfig
from training.data import Batch, RowData
from training.optim import optimizer, set_rates
from training.parallel import compiled, mesh_of, recompute, spread

Gate = Callable[[int, float, float], bool]
"""Asked with a step's number, loss and gradient norm before the weights move, whether they had better not."""


class Figures(NamedTuple):
    """What a step was: nats per target over all ranks, by term and in sum; the gradient's norm before clipping; how
    many of the targets were tokens."""

    loss: Tensor
    terms: dict[str, Tensor]
    grad_norm: Tensor
    targets: Tensor


class LanguageModule(lightning.LightningModule):
    """The loss is the sum over a model's terms of nats per target, over the targets of all ranks and pieces of a step:
    a mean of means would weigh a target by how many others happened to share its rank.

    After each step `figures` says what it was. Gradients are clipped here, not by the Trainer.
    """

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self.config = config
        self.model = models.build(config.model)
        self.figures: Figures | None = None
        self.gate: Gate | None = None
        self._prepared = False
        self._nats: dict[str, Tensor] = {}
        self._targets: dict[str, Tensor] = {}

    def setup(self, stage: str) -> None:
        """Weights that the data give no use for are left as they are."""
        data = getattr(self.trainer, "datamodule", None)
        if isinstance(data, RowData):
            for weight in self.model.idle(data.objective.features(self.config.model.context)):
                weight.requires_grad_(False)

    def configure_model(self) -> None:
        """Once: Lightning asks before each of fit, validate, test."""
        if self._prepared:
            return
        self._prepared = True
        run, strategy, device = self.config.run, self.trainer.strategy, self.trainer.strategy.root_device
        if run.compile or (run.compile is None and device.type == "cuda"):
            compiled(self.model, device.type)
        if run.activation_checkpointing:
            recompute(self.model)
        if isinstance(strategy, ModelParallelStrategy):
            mesh = mesh_of(run, self.trainer.world_size, strategy.num_processes, device.type)
            spread(self.model, mesh, str(self.trainer.precision))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        if not self._targets:  # of the whole step, which its first piece knows
            counts = {name[2:]: count for name, count in batch.items() if name.startswith("n_")}
            self._targets = {name: count.clamp(min=1) for name, count in self._over_ranks(counts).items()}
        losses = []
        for name, term in self.model.terms(batch).items():
            self._nats[name] = self._nats.get(name, 0) + term.nats.detach()
            losses.append(term.nats / self._targets[name])
        # the ranks' gradients are averaged, and Lightning divides by the number of pieces
        return torch.stack(losses).sum() * (self.trainer.world_size * self.trainer.accumulate_grad_batches)

    def _over_ranks(self, parts: dict[str, Tensor]) -> dict[str, Tensor]:
        total = torch.stack(list(parts.values())).float()
        if self.trainer.world_size > 1:
            dist.all_reduce(total)  # Lightning's own waits for all ranks twice
        return dict(zip(parts, total, strict=True))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return optimizer(self.model, self.config)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        set_rates(optimizer, self.global_step, self.config)
        nats, targets = self._over_ranks(self._nats), self._targets
        terms = {name: nats[name] / targets[name] for name in nats}
        weights = [weight for weight in self.model.parameters() if weight.grad is not None]
        norm = torch.nn.utils.clip_grad_norm_(weights, self.config.clip_norm)
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
        self.figures = Figures(torch.stack(list(terms.values())).sum(), terms, norm, targets["tokens"])
        self._nats, self._targets = {}, {}
        if self.gate and self.gate(self.global_step + 1, float(self.figures.loss), float(norm)):
            for weight in weights:
                weight.grad = None  # nothing moves without one, nor decays

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["identity"] = self.config.identity()
