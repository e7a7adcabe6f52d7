"""Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon): a matrix's momentum is replaced by the nearest matrix
with equal singular values, found by five Newton-Schulz steps.

With steps of equal RMS to AdamW's (factor 0.2 x sqrt(longer side): Liu et al. 2025, "Muon is scalable for LLM
training") one learning rate fits both. Matrices of a shape go through the steps together. Where each rank holds some
rows, every rank gets its share of the matrices whole, in bfloat16, and sends back their rows: all ranks together
compute what one does alone, and a matrix crosses the network twice.

Legend: N matrices, R rows, C columns.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from training.sharded import alike, holders, local, portions

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # Jordan's quintic: singular values in (0, 1] land in about 0.7 .. 1.2
NEWTON_SCHULZ_STEPS = 5
MOMENTUM = 0.95  # Jordan et al. 2024
RMS_OF_ADAMW = 0.2  # Liu et al. 2025, section 2.2


def fresh(weight: Tensor) -> dict[str, Tensor]:
    """The state before the first step, under torch's name."""
    return {"momentum_buffer": torch.zeros_like(weight)}


def step(weights: Sequence[Tensor], states: Mapping[Tensor, dict[str, Tensor]], group: Mapping[str, Any]) -> None:
    """Moves the matrices of a group with `lr` and `weight_decay`. All have gradients."""
    for same in alike(weights):
        parts = [local(weight) for weight in same]
        grads = [local(weight.grad) for weight in same if weight.grad is not None]
        momenta = [local(states[weight]["momentum_buffer"]) for weight in same]
        torch._foreach_lerp_(momenta, grads, 1 - MOMENTUM)
        ahead_NRC = torch.stack(torch._foreach_lerp(grads, momenta, MOMENTUM))  # Nesterov's look ahead
        steps_NRC = _orthogonal_rows(ahead_NRC.bfloat16(), same[0]).to(ahead_NRC.dtype)
        torch._foreach_mul_(parts, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(parts, steps_NRC.unbind(), alpha=-group["lr"] * RMS_OF_ADAMW * max(same[0].shape) ** 0.5)


def orthogonal(matrices_NRC: Tensor) -> Tensor:
    """Matrices with the same singular vectors and singular values near 1, in bfloat16, which is exact enough here."""
    a, b, c = NEWTON_SCHULZ
    tall = matrices_NRC.shape[1] > matrices_NRC.shape[2]
    x = (matrices_NRC.mT if tall else matrices_NRC).bfloat16()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def _orthogonal_rows(part_NRC: Tensor, like: Tensor) -> Tensor:
    """This rank's rows of `orthogonal`, given its rows of N matrices that are spread as `like` is."""
    group = holders(like)
    if group is None:
        return orthogonal(part_NRC)
    rows, matrices, rank = portions(like.shape[0], group.size()), portions(len(part_NRC), group.size()), group.rank()
    width = part_NRC.shape[2]
    there, back = [n * rows[rank] * width for n in matrices], [matrices[rank] * r * width for r in rows]
    pieces = torch.split(_exchanged(part_NRC.flatten(), there, back, group), back)
    whole_NRC = torch.cat([flat.view(matrices[rank], r, width) for flat, r in zip(pieces, rows, strict=True)], dim=1)
    flat = torch.cat([some_NRC.flatten() for some_NRC in torch.split(orthogonal(whole_NRC), rows, dim=1)])
    return _exchanged(flat, back, there, group).view(part_NRC.shape)


def _exchanged(sent: Tensor, sizes: list[int], sizes_back: list[int], group: dist.ProcessGroup) -> Tensor:
    """What the ranks sent here, one after the other."""
    taken = sent.new_empty(sum(sizes_back))
    dist.all_to_all_single(taken, sent, sizes_back, sizes, group=group)
    return taken
