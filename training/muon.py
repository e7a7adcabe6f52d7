"""Muon for matrices, AdamW for the rest, as one optimizer, so that a trainer counts one step and saves one state.

Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) replaces a matrix's momentum by the nearest matrix with
equal singular values, found by five Newton-Schulz steps. With steps of equal RMS to AdamW's (factor 0.2 x
sqrt(longer side): Liu et al. 2025, "Muon is scalable for LLM training") one learning rate fits both.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # Jordan's quintic: singular values in (0, 1] land in about 0.7 .. 1.2
NEWTON_SCHULZ_STEPS = 5
RMS_OF_ADAMW = 0.2  # Liu et al. 2025, section 2.2


class MuonAdamW(torch.optim.Optimizer):
    """Groups with `muon=True` hold matrices and take Muon's steps, the others AdamW's. Weight decay is decoupled:
    each step shrinks weights by lr x weight_decay."""

    def __init__(self, groups: Iterable[dict[str, Any]], *, lr: float) -> None:
        defaults = {
            "lr": lr, "muon": False, "weight_decay": 0.0, "momentum": 0.95, "betas": (0.9, 0.95), "eps": 1e-10,
        }  # fmt: skip
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step for every parameter that has a gradient; the closure's loss, if one is given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            update = self._muon if group["muon"] else self._adamw
            for weight in group["params"]:
                if weight.grad is not None:
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.add_(update(weight.grad, self.state[weight], group), alpha=-group["lr"])
        return loss

    @staticmethod
    def _muon(grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        if not state:
            state["momentum"] = torch.zeros_like(grad)
        momentum = state["momentum"].lerp_(grad, 1 - group["momentum"])
        ahead = grad.lerp(momentum, group["momentum"])  # Nesterov's look ahead
        step: Tensor = orthogonal(ahead).to(grad.dtype) * (RMS_OF_ADAMW * max(grad.shape) ** 0.5)
        return step

    @staticmethod
    def _adamw(grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        if not state:
            state.update(step=0, mean=torch.zeros_like(grad), square=torch.zeros_like(grad))
        state["step"] += 1
        first, second = group["betas"]
        mean = state["mean"].lerp_(grad, 1 - first) / (1 - first ** state["step"])
        square = state["square"].lerp_(grad.square(), 1 - second) / (1 - second ** state["step"])
        step: Tensor = mean / (square.sqrt() + group["eps"])
        return step


def orthogonal(matrix: Tensor) -> Tensor:
    """A matrix with the same singular vectors and singular values near 1, in bfloat16, which is exact enough here."""
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = (matrix.T if tall else matrix).bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x
