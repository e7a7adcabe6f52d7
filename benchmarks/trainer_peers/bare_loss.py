"""Cross-entropy for the yardstick. Legend: N targets, P of a piece, D width, V vocabulary."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

PIECE = 256  # rows of logits that a CPU's caches hold


def mean_nats(hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, bias_V: Tensor | None = None) -> Tensor:
    """Cross-entropy of the logits. On a GPU the compiler makes good kernels of it; on a CPU, whose memory is slow, the
    gradient is made in the forward pass, a piece that the caches hold at a time."""
    if hidden_ND.is_cuda:
        return functional.cross_entropy(functional.linear(hidden_ND, weight_VD, bias_V), targets_N)
    return _InPieces.apply(hidden_ND, weight_VD, targets_N, bias_V)


class _InPieces(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, bias_V: Tensor | None) -> Tensor:
        grads, total = [], hidden_ND.new_zeros(())
        weight_grad_VD = torch.zeros_like(weight_VD)
        bias_grad_V = None if bias_V is None else torch.zeros_like(bias_V)
        for h_PD, t_P in zip(hidden_ND.split(PIECE), targets_N.split(PIECE), strict=True):
            logits_PV = functional.linear(h_PD, weight_VD, bias_V)
            log_p_PV = logits_PV.log_softmax(dim=1)
            total = total - log_p_PV.gather(1, t_P[:, None]).sum()
            grad_PV = (log_p_PV.exp() - functional.one_hot(t_P, len(weight_VD))) / len(targets_N)
            grads.append(grad_PV @ weight_VD)
            weight_grad_VD = weight_grad_VD.addmm(grad_PV.T, h_PD)
            bias_grad_V = None if bias_grad_V is None else bias_grad_V + grad_PV.sum(dim=0)
        ctx.save_for_backward(torch.cat(grads), weight_grad_VD, bias_grad_V)
        return total / len(targets_N)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> Any:
        hidden, weight, bias = ctx.saved_tensors
        return hidden * outer[0], weight * outer[0], None, None if bias is None else bias * outer[0]
