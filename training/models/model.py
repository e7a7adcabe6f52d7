"""What every family is to the trainer: features in, a loss for each thing that it predicts out.

Legend: B batch, T tokens, N targets that count, D width, V vocabulary.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from training.loss import nats, softmax_nats, token_nats
from training.objective import IGNORED
from training.spec import ModelSpec

Batch = Mapping[str, Tensor]
"""Features by name, as an objective makes them (training/objective.py), without shapes: tokens, targets, ..."""


class Term(NamedTuple):
    """One part of a loss: -ln p summed over its targets, and how many they are. The loss is the sum over terms of
    nats / targets of all ranks."""

    nats: Tensor
    targets: Tensor


class Model(nn.Module):
    """A family's class fills in `hidden`; `head` where something lies between the last block and the output matrix. Its
    layers are in lists named `blocks`; `softmax` is the part of the loss that is worth compiling."""

    output: nn.Linear

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec, self.softmax = spec, softmax_nats

    def hidden(self, batch: Batch) -> Tensor:
        """What the last block leaves at each position of `tokens`, BTD. Targets are not looked at."""
        raise NotImplementedError

    def head(self, hidden_D: Tensor) -> Tensor:
        """What the output matrix reads, for any positions."""
        return hidden_D

    def forward(self, batch: Batch) -> Tensor:
        """logits_BTV."""
        logits_BTV: Tensor = self.output(self.head(self.hidden(batch)))
        return logits_BTV

    def terms(self, batch: Batch) -> dict[str, Term]:
        """The parts of the loss by name; "tokens" is that of the tokens."""
        return {"tokens": self.token_term(self.hidden(batch), batch)}

    def token_term(self, hidden_BTD: Tensor, batch: Batch) -> Term:
        """-ln p of the targets. Where the batch says which positions are `chosen`, only they meet head and output."""
        hidden_ND, targets_N = hidden_BTD.flatten(0, 1), batch["targets"].flatten()
        if "chosen" in batch:
            chosen_N = batch["chosen"]
            first_N = chosen_N.clamp(min=0)
            hidden_ND, targets_N = hidden_ND[first_N], targets_N[first_N].masked_fill(chosen_N < 0, IGNORED)
        total = nats(self.head(hidden_ND), self.output.weight, targets_N, self.output.bias, self.softmax)
        return Term(total, (targets_N != IGNORED).sum())

    @torch.no_grad()
    def scores(self, batch: Batch) -> Tensor:
        """-ln p of each target, BT; 0 where there is none. Only targets meet head and output matrix."""
        targets_BT = batch["targets"]
        counted_BT = targets_BT != IGNORED
        nats_BT = torch.zeros(targets_BT.shape, device=targets_BT.device)
        hidden_ND = self.head(self.hidden(batch)[counted_BT])
        nats_BT[counted_BT] = token_nats(hidden_ND, self.output.weight, targets_BT[counted_BT], self.output.bias)
        return nats_BT

    def idle(self, features: Iterable[str]) -> list[nn.Parameter]:
        """Weights that no term of the loss reads where examples have these features. Ranks that share a batch would
        wait for their gradients (DistributedDataParallel)."""
        return []
