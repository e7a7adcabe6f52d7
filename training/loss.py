"""Cross-entropy over a large vocabulary in pieces, so that the logits of a whole batch never stand in memory.

Legend: N tokens (batch and row in one), C tokens of a piece, V vocabulary, D width. Targets of IGNORED count nothing.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from training.objective import IGNORED

PIECE_TOKENS = 256  # 256 x 8192 logits are 8 MB; 64 and 1024 were slower on a CPU
SMALLEST = torch.finfo(torch.float32).tiny  # a probability below it counts as it: 87 nats


def nats(hidden_ND: Tensor, output_VD: Tensor, targets_N: Tensor, bias_V: Tensor | None = None) -> Tensor:
    """Sum over targets of -ln p(target); divide by `n_targets` of everything that is summed.

    The same as torch's cross_entropy(reduction="sum") of hidden @ output.T + bias, in a third of the time: the gradient
    is made together with the loss, piece by piece. The matrices are multiplied in autocast's dtype.
    """
    total: Tensor = _Nats.apply(hidden_ND, output_VD, targets_N, bias_V)  # type: ignore[no-untyped-call]
    return total


@torch.no_grad()
def token_nats(hidden_ND: Tensor, output_VD: Tensor, targets_N: Tensor, bias_V: Tensor | None = None) -> Tensor:
    """-ln p of each target, without gradient; 0 where ignored."""
    dtype = _matmul_dtype(hidden_ND)
    weight_VD, nats_N = output_VD.to(dtype), torch.empty(len(targets_N), device=hidden_ND.device)
    for start in range(0, len(targets_N), PIECE_TOKENS):
        piece = slice(start, start + PIECE_TOKENS)
        logits_CV = (hidden_ND[piece].to(dtype) @ weight_VD.T).float()
        logits_CV = logits_CV if bias_V is None else logits_CV + bias_V
        nats_N[piece] = functional.cross_entropy(logits_CV, targets_N[piece], ignore_index=IGNORED, reduction="none")
    return nats_N


def _matmul_dtype(like: Tensor) -> torch.dtype:
    device = like.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else like.dtype


class _Nats(torch.autograd.Function):
    """With p the softmax of logits, d nats / d logits = p - onehot(target)."""

    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, output_VD: Tensor, targets_N: Tensor, bias_V: Tensor | None) -> Tensor:
        dtype = _matmul_dtype(hidden_ND)
        hidden_grad_ND, output_grad_VD = torch.empty_like(hidden_ND), torch.zeros_like(output_VD)
        bias_grad_V = None if bias_V is None else torch.zeros_like(bias_V)
        weight_VD, total = output_VD.to(dtype), hidden_ND.new_zeros((), dtype=torch.float32)
        for start in range(0, len(targets_N), PIECE_TOKENS):
            piece = slice(start, start + PIECE_TOKENS)
            counts_C1 = (targets_N[piece] != IGNORED)[:, None]
            target_C1 = targets_N[piece, None].clamp(min=0)
            hidden_CD = hidden_ND[piece].to(dtype) * counts_C1
            logits_CV = hidden_CD @ weight_VD.T
            p_CV = torch.softmax(logits_CV if bias_V is None else logits_CV + bias_V, dim=1, dtype=torch.float32)
            total -= (p_CV.gather(1, target_C1).clamp(min=SMALLEST).log() * counts_C1).sum()
            p_CV.scatter_add_(1, target_C1, -torch.ones_like(target_C1, dtype=p_CV.dtype))
            if bias_grad_V is not None:
                bias_grad_V += (p_CV * counts_C1).sum(dim=0)
            grad_CV = p_CV.to(dtype)
            hidden_grad_ND[piece] = (grad_CV @ weight_VD) * counts_C1
            output_grad_VD += grad_CV.T @ hidden_CD
        ctx.save_for_backward(hidden_grad_ND, output_grad_VD, bias_grad_V)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, Tensor | None]:
        hidden_grad_ND, output_grad_VD, bias_grad_V = ctx.saved_tensors
        bias_V = None if bias_grad_V is None else bias_grad_V * grads[0]
        return hidden_grad_ND * grads[0], output_grad_VD * grads[0], None, bias_V
