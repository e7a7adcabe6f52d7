"""Cross-entropy over a large vocabulary in pieces, so that the logits of a whole batch never stand in memory.

Legend: N tokens (batch and row in one), C tokens of a piece, V vocabulary, D width. Targets of IGNORED count nothing.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from training.objective import IGNORED

PIECE_TOKENS = {"cpu": 256, "cuda": 4096}
"""256 x 8192 logits are 8 MB, which a CPU's caches hold; 64 and 1024 were slower. A GPU wants large matrices."""
SMALLEST = torch.finfo(torch.float32).tiny  # a probability below it counts as it: 87 nats

Softmax = Callable[[Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]


def softmax_nats(logits_CV: Tensor, targets_C: Tensor, bias_V: Tensor | None) -> tuple[Tensor, Tensor]:
    """The sum of -ln p(target), and its gradient with regard to the logits, p - onehot(target); ignored targets have
    neither."""
    counts_C1, target_C1 = (targets_C != IGNORED)[:, None], targets_C[:, None].clamp(min=0)
    p_CV = torch.softmax(logits_CV if bias_V is None else logits_CV + bias_V, dim=1, dtype=torch.float32)
    total = -(p_CV.gather(1, target_C1).clamp(min=SMALLEST).log() * counts_C1).sum()
    p_CV.scatter_add_(1, target_C1, -torch.ones_like(target_C1, dtype=p_CV.dtype))
    return total, p_CV.mul_(counts_C1)


def fusible_nats(logits_CV: Tensor, targets_C: Tensor, bias_V: Tensor | None) -> tuple[Tensor, Tensor]:
    """`softmax_nats` for a GPU's compiler: all of it goes over the logits number by number and becomes few passes. As
    it stands, it takes half as long again; compiled for a CPU, as long as the other, which is not compiled."""
    counts_C1, target_C1 = (targets_C != IGNORED)[:, None], targets_C[:, None].clamp(min=0)
    logits_CV = logits_CV.float() if bias_V is None else logits_CV.float() + bias_V
    largest_C1 = logits_CV.amax(dim=1, keepdim=True)
    powers_CV = (logits_CV - largest_C1).exp()
    sums_C1 = powers_CV.sum(dim=1, keepdim=True)
    nats_C1 = (sums_C1.log() + largest_C1 - logits_CV.gather(1, target_C1)).clamp(max=-math.log(SMALLEST))
    onehot_CV = torch.arange(logits_CV.shape[1], device=logits_CV.device) == target_C1
    return (nats_C1 * counts_C1).sum(), (powers_CV / sums_C1 - onehot_CV.float()) * counts_C1


def nats(
    hidden_ND: Tensor,
    output_VD: Tensor,
    targets_N: Tensor,
    bias_V: Tensor | None = None,
    softmax: Softmax = softmax_nats,
) -> Tensor:
    """Sum over targets of -ln p(target); divide by `n_targets` of everything that is summed.

    The same as torch's cross_entropy(reduction="sum") of hidden @ output.T + bias, in a third of the time: the gradient
    is made together with the loss, piece by piece. The matrices are multiplied in autocast's dtype. `softmax` may be
    `fusible_nats`, compiled.
    """
    total: Tensor = _Nats.apply(hidden_ND, output_VD, targets_N, bias_V, softmax)  # type: ignore[no-untyped-call]
    return total


@torch.no_grad()
def token_nats(hidden_ND: Tensor, output_VD: Tensor, targets_N: Tensor, bias_V: Tensor | None = None) -> Tensor:
    """-ln p of each target, without gradient; 0 where ignored."""
    dtype = _matmul_dtype(hidden_ND)
    weight_VD, nats_N = output_VD.to(dtype), torch.empty(len(targets_N), device=hidden_ND.device)
    for piece in _pieces(targets_N):
        logits_CV = (hidden_ND[piece].to(dtype) @ weight_VD.T).float()
        logits_CV = logits_CV if bias_V is None else logits_CV + bias_V
        nats_N[piece] = functional.cross_entropy(logits_CV, targets_N[piece], ignore_index=IGNORED, reduction="none")
    return nats_N


def _matmul_dtype(like: Tensor) -> torch.dtype:
    device = like.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else like.dtype


def _pieces(targets_N: Tensor) -> Iterator[slice]:
    size = PIECE_TOKENS.get(targets_N.device.type, PIECE_TOKENS["cuda"])
    return (slice(start, start + size) for start in range(0, len(targets_N), size))


class _Nats(torch.autograd.Function):
    """The gradient is made with the loss, in float32 where sums over pieces are kept."""

    @staticmethod
    def forward(
        ctx: Any, hidden_ND: Tensor, output_VD: Tensor, targets_N: Tensor, bias_V: Tensor | None, softmax: Softmax
    ) -> Tensor:
        dtype = _matmul_dtype(hidden_ND)
        hidden_grad_ND, output_grad_VD = torch.empty_like(hidden_ND), torch.zeros_like(output_VD, dtype=torch.float32)
        bias_grad_V = None if bias_V is None else torch.zeros_like(bias_V, dtype=torch.float32)
        weight_VD, total = output_VD.to(dtype), hidden_ND.new_zeros((), dtype=torch.float32)
        for piece in _pieces(targets_N):
            hidden_CD = hidden_ND[piece].to(dtype)
            piece_nats, grad_CV = softmax(hidden_CD @ weight_VD.T, targets_N[piece], bias_V)
            total += piece_nats
            if bias_grad_V is not None:
                bias_grad_V += grad_CV.sum(dim=0)
            grad_CV = grad_CV.to(dtype)
            hidden_grad_ND[piece] = grad_CV @ weight_VD
            output_grad_VD += grad_CV.T @ hidden_CD
        ctx.save_for_backward(hidden_grad_ND, output_grad_VD.to(output_VD.dtype), _like(bias_grad_V, bias_V))
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, Tensor | None, None]:
        hidden_grad_ND, output_grad_VD, bias_grad_V = ctx.saved_tensors
        bias_V = None if bias_grad_V is None else bias_grad_V * grads[0]
        return hidden_grad_ND * grads[0], output_grad_VD * grads[0], None, bias_V, None


def _like(grad: Tensor | None, of: Tensor | None) -> Tensor | None:
    return None if grad is None or of is None else grad.to(of.dtype)
