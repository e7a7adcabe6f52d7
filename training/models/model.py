"""What every family is to the trainer: features in, a loss for each thing that it predicts out.

Legend: B batch, T tokens, N targets that count, D width, V vocabulary.
"""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from training.loss import nats
from training.objective import IGNORED
from training.spec import ModelSpec

Batch = Mapping[str, Tensor]
"""Features by name, as an objective makes them (training/objective.py), without shapes: tokens, targets, ..."""


ROUNDED_TO = 128
"""Where only targets are looked at, their number is made a multiple of this: oneDNN keeps what it has compiled for each
of the last 1,024 shapes, which took gigabytes where every batch had its own."""


class Term(NamedTuple):
    """One part of a loss: -ln p summed over its targets, and how many they are. The loss is the sum over terms of
    nats / targets of all ranks."""

    nats: Tensor
    targets: Tensor


class Model(nn.Module):
    """A family's class fills in `hidden`; `head` where something lies between the last block and the output matrix."""

    few_targets: ClassVar[bool] = False  # most positions are no targets: only the others meet head and output matrix
    output: nn.Linear

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec

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
        return {"tokens": self.token_term(self.hidden(batch), batch["targets"])}

    def token_term(self, hidden_BTD: Tensor, targets_BT: Tensor) -> Term:
        """-ln p of the targets."""
        counted_BT = targets_BT != IGNORED
        hidden_ND, targets_N = hidden_BTD.flatten(0, 1), targets_BT.flatten()
        if self.few_targets:
            chosen_N = counted_BT.flatten().nonzero()[:, 0]
            more = -len(chosen_N) % ROUNDED_TO
            hidden_ND = hidden_ND[functional.pad(chosen_N, (0, more))]
            targets_N = functional.pad(targets_N[chosen_N], (0, more), value=IGNORED)
        total = nats(self.head(hidden_ND), self.output.weight, targets_N, self.output.bias)
        return Term(total, counted_BT.sum())
