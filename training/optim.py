"""Which parameters move how."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from training import adafactor, adamw, muon
from training.config import TrainingConfig
from training.models import Model
from training.schedule import rate_share

BESIDE_MUON = 1.5  # embeddings' and gains' rate over that of Muon's matrices, where none is given


class Rule(Protocol):
    """A step that leaves all it must remember in tensors that begin as zeros."""

    def fresh(self, weight: Tensor) -> dict[str, Tensor]:
        """What it remembers of a weight before the first step."""

    def step(
        self, weights: Sequence[Tensor], states: Mapping[Tensor, dict[str, Tensor]], group: Mapping[str, Any]
    ) -> None:
        """Moves weights, all of which have gradients, as a group says."""


RULES: Mapping[str, Rule] = {"adafactor": adafactor, "adamw": adamw, "muon": muon}


class ByRule(torch.optim.Optimizer):
    """Moves each group by the `rule` that it names, so that a trainer counts one step and saves one state. A parameter
    without a gradient stays as it is, and so does its state."""

    def __init__(self, groups: Iterable[dict[str, Any]]) -> None:
        super().__init__(groups, {"lr": 0.0})

    def make_state(self) -> None:
        """Makes what the first step would make, for a checkpoint to be read into."""
        for group in self.param_groups:
            self._remember(group["params"], RULES[group["rule"]])

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """The closure's loss, if one is given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            rule = RULES[group["rule"]]
            if weights := [weight for weight in group["params"] if weight.grad is not None]:
                self._remember(weights, rule)
                rule.step(weights, self.state, group)
        return loss

    @torch.no_grad()
    def _remember(self, weights: Iterable[Tensor], rule: Rule) -> None:
        for weight in weights:
            if not self.state[weight]:
                self.state[weight].update(rule.fresh(weight))


def optimizer(model: Model, config: TrainingConfig) -> ByRule:
    """Three groups: matrices between vectors (with weight decay), embeddings with the matrices that make logits, and
    gains (both without). Frozen parameters are in none. Muon moves matrices between vectors only, AdamW the others.

    The matrices that make logits are those of the linear layers that a model holds itself, outside its blocks: the
    output matrix, and the pair head of BERT with the layer before it.

    Each group remembers its `peak` rate; `set_rates` fills in `lr`.
    """
    outer = {id(part.weight) for part in model.modules() if isinstance(part, nn.Embedding)}
    outer |= {id(part.weight) for part in model.children() if isinstance(part, nn.Linear)}
    weights = [weight for weight in model.parameters() if weight.requires_grad]  # a tied matrix comes once
    matrices = [weight for weight in weights if weight.ndim == 2 and id(weight) not in outer]
    embeddings = [weight for weight in weights if weight.ndim == 2 and id(weight) in outer]
    gains = [weight for weight in weights if weight.ndim < 2]
    beside_muon = config.optimizer == "muon"
    peak = config.embedding_learning_rate or config.learning_rate * (BESIDE_MUON if beside_muon else 1)
    others = {
        "rule": "adamw" if beside_muon else config.optimizer, "peak": peak, "weight_decay": 0.0,
        "betas": config.betas, "eps": config.eps,
    }  # fmt: skip
    return ByRule(
        [
            {
                **others,
                "params": matrices,
                "rule": config.optimizer,
                "peak": config.learning_rate,
                "weight_decay": config.weight_decay,
            },
            {**others, "params": embeddings},
            {**others, "params": gains},
        ]
    )


def set_rates(optimizer: torch.optim.Optimizer, step: int, config: TrainingConfig) -> None:
    """Sets each group's `lr` for a step."""
    share = rate_share(step, config)
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share
