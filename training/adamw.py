"""AdamW (Loshchilov and Hutter 2019) by torch's fused kernel, on what each rank holds: no number looks at another."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from training.sharded import local


def fresh(weight: Tensor) -> dict[str, Tensor]:
    """The state before the first step, under torch's names."""
    return {
        "step": torch.zeros((), device=weight.device),
        "exp_avg": torch.zeros_like(weight),
        "exp_avg_sq": torch.zeros_like(weight),
    }


def step(weights: Sequence[Tensor], states: Mapping[Tensor, dict[str, Tensor]], group: Mapping[str, Any]) -> None:
    """Moves the weights of a group with `lr`, `weight_decay`, `betas` and `eps`. All have gradients."""
    means, squares = ([local(states[weight][key]) for weight in weights] for key in ("exp_avg", "exp_avg_sq"))
    first, second = group["betas"]
    adamw(
        [local(weight) for weight in weights],
        [local(weight.grad) for weight in weights if weight.grad is not None],
        means,
        squares,
        [],
        [states[weight]["step"] for weight in weights],
        fused=True,
        amsgrad=False,
        beta1=first,
        beta2=second,
        lr=group["lr"],
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        maximize=False,
    )
