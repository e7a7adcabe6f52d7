"""The part of a block that looks at one position. Legend: B batch, T tokens, D width, F inner width."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional


def gelu_tanh(x: Tensor) -> Tensor:
    """The tanh form of GELU (Hendrycks and Gimpel 2016, section 2), which GPT, GPT-2 and T5 v1.1 were trained with."""
    return functional.gelu(x, approximate="tanh")


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "gelu_tanh": gelu_tanh,
    "relu": functional.relu,
    "silu": functional.silu,
}


class FeedForward(nn.Module):
    """down(act(up(x)))."""

    def __init__(self, width: int, inner: int, activation: str, *, bias: bool) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.up = nn.Linear(width, inner, bias=bias)
        self.down = nn.Linear(inner, width, bias=bias)

    def forward(self, x_BTD: Tensor) -> Tensor:
        out_BTD: Tensor = self.down(self.activation(self.up(x_BTD)))
        return out_BTD


class GatedFeedForward(nn.Module):
    """down(act(gate(x)) * up(x)) (Shazeer 2020, GLU variants); SwiGLU with "silu", GEGLU with "gelu_tanh"."""

    def __init__(self, width: int, inner: int, activation: str) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.gate = nn.Linear(width, inner, bias=False)
        self.up = nn.Linear(width, inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        out_BTD: Tensor = self.down(self.activation(self.gate(x_BTD)) * self.up(x_BTD))
        return out_BTD
