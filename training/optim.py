"""Which parameters move how, and how fast at each step."""

import math

import torch
from torch import nn

from training.config import TrainingConfig
from training.models import Batch, Model
from training.muon import MuonAdamW

FLOOR = 0.05  # cosine ends at this share of the peak; Chinchilla's 0.1, halved for short runs


def freeze_unread(model: Model, batch: Batch) -> None:
    """Parameters that no term of the batch's loss reads get no gradient from here on: BERT's pooler where nothing asks
    whether a text follows. Ranks that share a batch stop where a gradient never comes (DistributedDataParallel)."""
    weights = list(model.parameters())
    total = torch.stack([term.nats for term in model.terms(batch).values()]).sum()
    for weight, grad in zip(weights, torch.autograd.grad(total, weights, allow_unused=True), strict=True):
        weight.requires_grad_(grad is not None)


def optimizer(model: Model, config: TrainingConfig) -> MuonAdamW:
    """Three groups: matrices between vectors (with weight decay), embeddings with the output matrix, and gains (both
    without). Frozen parameters are in none.

    Each group remembers its `peak` rate; `set_rates` fills in `lr`.
    """
    looked_up = {id(part.weight) for part in model.modules() if isinstance(part, nn.Embedding)}
    looked_up.add(id(model.output.weight))
    weights = [weight for weight in model.parameters() if weight.requires_grad]  # a tied matrix comes once
    embeddings = [weight for weight in weights if id(weight) in looked_up]
    matrices = [weight for weight in weights if weight.ndim == 2 and id(weight) not in looked_up]
    gains = [weight for weight in weights if weight.ndim < 2]
    peak, embedding_peak = config.learning_rate, config.embedding_learning_rate
    groups = [
        {
            "params": matrices,
            "peak": peak,
            "weight_decay": config.weight_decay,
            "muon": config.optimizer == "muon",
        },
        {"params": embeddings, "peak": embedding_peak},
        {"params": gains, "peak": embedding_peak},
    ]
    return MuonAdamW(groups, lr=peak)


def set_rates(optimizer: torch.optim.Optimizer, step: int, config: TrainingConfig) -> None:
    """Sets each group's `lr` for a step, a pure function of its number: nothing to save, nothing to restore."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * rate_share(step, config)


def rate_share(step: int, config: TrainingConfig) -> float:
    """The share of the peak rate at a step, counted from 0.

    A line up over the warm-up, then a cosine down to FLOOR ("cosine": Loshchilov and Hutter 2017), or level and a
    line down to 0 over the last `decay_share` ("wsd": Hu et al. 2024, MiniCPM).
    """
    warmup = min(1.0, (step + 1) / max(1, round(config.warmup_share * config.steps)))
    if config.schedule == "cosine":
        down = FLOOR + (1 - FLOOR) * (0.5 + 0.5 * math.cos(math.pi * step / config.steps))
    else:
        down = min(1.0, (config.steps - step) / max(1, round(config.decay_share * config.steps)))
    return warmup * down
