"""Cross-entropy over a large vocabulary in pieces, so that the logits of a whole batch never stand in memory.

Legend: N tokens (batch and row in one), C tokens of a piece, V vocabulary, D width. Targets of IGNORED count nothing.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

IGNORED = -100  # torch's own choice for cross_entropy
PIECE_TOKENS = 256  # 256 x 8192 logits are 8 MB; 64 and 1024 were slower on a CPU
SMALLEST = torch.finfo(torch.float32).tiny  # a probability below it counts as it: 87 nats


def nats(hidden_ND: Tensor, output_VD: Tensor, targets_N: Tensor) -> Tensor:
    """Sum over targets of -ln p(target); divide by `n_targets` of everything that is summed.

    The same as torch's cross_entropy(reduction="sum") of hidden @ output.T, in a third of the time: the gradient is
    made together with the loss, piece by piece. The matrices are multiplied in autocast's dtype.
    """
    total: Tensor = _Nats.apply(hidden_ND, output_VD, targets_N)  # type: ignore[no-untyped-call]
    return total


def n_targets(targets: Tensor) -> Tensor:
    """How many targets count."""
    return (targets != IGNORED).sum()


@torch.no_grad()
def token_nats(hidden_ND: Tensor, output_VD: Tensor, targets_N: Tensor) -> Tensor:
    """-ln p of each target, without gradient; 0 where ignored."""
    dtype = _matmul_dtype(hidden_ND)
    weight_VD, nats_N = output_VD.to(dtype), torch.empty(len(targets_N), device=hidden_ND.device)
    for start in range(0, len(targets_N), PIECE_TOKENS):
        piece = slice(start, start + PIECE_TOKENS)
        logits_CV = (hidden_ND[piece].to(dtype) @ weight_VD.T).float()
        nats_N[piece] = functional.cross_entropy(logits_CV, targets_N[piece], ignore_index=IGNORED, reduction="none")
    return nats_N


def _matmul_dtype(like: Tensor) -> torch.dtype:
    device = like.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else like.dtype


class _Nats(torch.autograd.Function):
    """With p the softmax of logits, d nats / d logits = p - onehot(target)."""

    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, output_VD: Tensor, targets_N: Tensor) -> Tensor:
        dtype = _matmul_dtype(hidden_ND)
        hidden_grad_ND, output_grad_VD = torch.empty_like(hidden_ND), torch.zeros_like(output_VD)
        weight_VD, total = output_VD.to(dtype), hidden_ND.new_zeros((), dtype=torch.float32)
        for start in range(0, len(targets_N), PIECE_TOKENS):
            piece = slice(start, start + PIECE_TOKENS)
            counts_C1 = (targets_N[piece] != IGNORED)[:, None]
            target_C1 = targets_N[piece, None].clamp(min=0)
            hidden_CD = hidden_ND[piece].to(dtype) * counts_C1
            p_CV = torch.softmax(hidden_CD @ weight_VD.T, dim=1, dtype=torch.float32)
            total -= (p_CV.gather(1, target_C1).clamp(min=SMALLEST).log() * counts_C1).sum()
            p_CV.scatter_add_(1, target_C1, -torch.ones_like(target_C1, dtype=p_CV.dtype))
            grad_CV = p_CV.to(dtype)
            hidden_grad_ND[piece] = (grad_CV @ weight_VD) * counts_C1
            output_grad_VD += grad_CV.T @ hidden_CD
        ctx.save_for_backward(hidden_grad_ND, output_grad_VD)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        hidden_grad_ND, output_grad_VD = ctx.saved_tensors
        return hidden_grad_ND * grads[0], output_grad_VD * grads[0], None
