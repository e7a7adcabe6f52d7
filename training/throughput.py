"""How much of what a card can do a run makes use of.

    MFU = model FLOPs of a step / (seconds x ranks x the card's peak)

Model FLOPs are what the mathematics needs, forward and backward; what is computed twice to save memory counts once
(Chowdhery et al. 2022, PaLM, appendix B). The peak is that of dense bfloat16 (training/cards.py).
"""

from dataclasses import dataclass

import torch

from training.cards import card_of
from training.config import TrainingConfig
from training.flops import row_flops
from training.objective import Objective
from training.stretches import at


@dataclass(frozen=True)
class Throughput:
    """Of a run over `world` ranks on cards of `peak` FLOP/s each."""

    config: TrainingConfig
    task: Objective
    world: int
    peak: float

    def mfu(self, step: int, tokens_per_second: float, targets: float) -> float:
        """The share of the peak at a step, counted from 1, whose rows had so many targets in all."""
        stretch = self.config.stretches[at(self.config.stretches, step - 1)]
        features = self.task.features(stretch.context)
        row = row_flops(self.config.model, features, targets / stretch.batch_rows)
        return row * tokens_per_second / stretch.context / (self.peak * self.world)


def throughput(config: TrainingConfig, task: Objective, world: int, device: str) -> Throughput | None:
    """For a card whose peak is known."""
    card = card_of(torch.cuda.get_device_name()) if device == "cuda" else None
    return Throughput(config, task, world, card.flops) if card else None
