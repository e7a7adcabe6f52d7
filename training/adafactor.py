"""Adafactor (Shazeer and Stern 2018) as T5 was trained with it (Raffel et al. 2020, section 3.1.2; mesh_tensorflow,
optimize.py, AdafactorOptimizer): no momentum, a matrix's second moment kept as one number a row and one a column.

The rate is relative: times the weight's own RMS. So is weight decay (fairseq, adafactor.py), of which T5 had none.
torch.optim.Adafactor has another rule for the rate, at most 1 / sqrt(step), factors small matrices too, and waits for
the device.

Legend: N weights of one shape, R rows, C columns.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from training.sharded import alike, holders, local, summed

State = dict[str, Tensor]

DECAY = 0.8  # the second moment's memory: 1 - step^-0.8 (Shazeer and Stern 2018, section 7.2)
CLIP = 1.0  # the largest RMS of an update (section 6)
SQUARE_FLOOR = 1e-30  # epsilon 1
SCALE_FLOOR = 1e-3  # epsilon 2: lets a weight that is 0 move
FACTORED_FROM = 128  # the shorter side of a factored matrix (T5's operative_config.gin, min_dim_size_to_factor)


def fresh(weight: Tensor) -> State:
    """The state before the first step, in float32, under the names of transformers."""
    counted = {"step": torch.zeros((), device=weight.device)}
    if not _factored(weight):
        return counted | {"exp_avg_sq": torch.zeros_like(weight, dtype=torch.float32)}
    return counted | {
        "exp_avg_sq_row": torch.zeros_like(weight[:, 0], dtype=torch.float32),
        "exp_avg_sq_col": torch.zeros(weight.shape[1], device=weight.device),  # of all rows, on each rank
    }


def step(weights: Sequence[Tensor], states: Mapping[Tensor, State], group: Mapping[str, Any]) -> None:
    """Moves the weights of a group with `lr` and `weight_decay`. All have gradients."""
    for same in alike(weights):
        _step(same, [states[weight] for weight in same], group)


def _step(weights: Sequence[Tensor], states: Sequence[State], group: Mapping[str, Any]) -> None:
    """Moves weights of one shape."""
    ranks, numel = holders(weights[0]), weights[0].numel()
    parts = [local(weight) for weight in weights]
    grads = _stacked([local(weight.grad) for weight in weights if weight.grad is not None])
    each = (len(weights), *[1] * weights[0].ndim)  # a number for each weight, to be spread over it

    counts = [state["step"] for state in states]
    torch._foreach_add_(counts, 1)
    news_N1 = torch.stack(counts).pow(-DECAY)[:, None]
    squares = grads.square()
    if _factored(weights[0]):
        rows_NR = _averaged(states, "exp_avg_sq_row", squares.mean(2), news_N1)
        columns_NC = _averaged(states, "exp_avg_sq_col", summed(squares.sum(1), ranks) / weights[0].shape[0], news_N1)
        mean_N1 = columns_NC.mean(1, keepdim=True)  # that of the rows too
        update = torch.mul(grads, (rows_NR / mean_N1).rsqrt()[:, :, None], out=squares)
        update.mul_(columns_NC.rsqrt()[:, None, :])
    else:
        average = _averaged(states, "exp_avg_sq", squares, news_N1.view(each))
        update = torch.mul(grads, average.rsqrt(), out=squares)

    sizes_2N = torch.stack([_square_sums(_stacked(parts)), _square_sums(update)])
    scale_N, rms_N = (summed(sizes_2N, ranks) / numel).sqrt()
    rate_N = group["lr"] * scale_N.clamp(min=SCALE_FLOOR)
    update.mul_((rate_N / (rms_N / CLIP).clamp(min=1)).view(each))
    if group["weight_decay"]:
        torch._foreach_mul_(parts, (1 - rate_N * group["weight_decay"]).to(parts[0].dtype).unbind())
    torch._foreach_sub_(parts, update.to(parts[0].dtype).unbind())


def _factored(weight: Tensor) -> bool:
    return weight.ndim == 2 and min(weight.shape) >= FACTORED_FROM


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    """All in one, in float32. One alone is not copied."""
    return (tensors[0][None] if len(tensors) == 1 else torch.stack(list(tensors))).float()


def _square_sums(values_N: Tensor) -> Tensor:
    """The sum of squares of each."""
    # row by row: one float32 sum of millions is off by 4e-5, and by another amount where ranks hold parts
    norms: Tensor = torch.linalg.vector_norm(values_N, dim=-1).view(len(values_N), -1)
    return norms.square().sum(1)


def _averaged(states: Sequence[State], key: str, squares: Tensor, news: Tensor) -> Tensor:
    """The running means of all weights, moved by a share `news` of each."""
    kept = [local(state[key]) for state in states]
    average = torch.stack(kept).lerp_(squares + SQUARE_FLOOR, news)
    torch._foreach_copy_(kept, average.unbind())
    return average
