"""Whether a step is bad, told from its loss and gradient norm and those of the good steps before it. No torch.

    "nonfinite"   the loss or the norm is no finite number
    "spike"       the loss or the norm is more than SIGMAS standard deviations above the mean of the last WINDOW good
                  steps, once FEWEST are known

The rule and its constants are OLMo-core's (optim/skip_step_optimizer.py, SkipStepOptimizer), but bad steps do not enter
the history here: one leap would widen the deviation so much that the next ones passed unseen.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from corpus.errors import GateError

WINDOW = 128
SIGMAS = 6.0
FEWEST = WINDOW // 2
"""Levanter's reading (optim/skipstep.py) of the same rule; OLMo-core counts the step itself among the 64."""
PATIENCE = 4
"""Bad steps in a row that are borne: LLM Foundry's KillLossSpike stops at the fifth. Rows are shuffled, so that batches
are independent draws: were even one in ten bad by itself, five in a row would come once in 100,000 steps. It is the
weights that have gone wrong then, or the machine, and a skipped step does not mend them."""

Verdict = Literal["nonfinite", "spike"]


@dataclass(frozen=True)
class Spikes:
    """Losses and norms of the last good steps, oldest first, and how many bad steps have come since. Where rows or
    batches change their size, begin anew with `Spikes()`: other levels are no spikes."""

    losses: tuple[float, ...] = ()
    norms: tuple[float, ...] = ()
    bad_in_a_row: int = 0

    def verdict(self, loss: float, norm: float) -> Verdict | None:
        """What is wrong with a step of this loss and this gradient norm (before clipping); None for a good one."""
        if not (math.isfinite(loss) and math.isfinite(norm)):
            return "nonfinite"
        if len(self.losses) >= FEWEST and (_leaps(loss, self.losses) or _leaps(norm, self.norms)):
            return "spike"
        return None

    def after(self, loss: float, norm: float) -> "Spikes":
        """What is known once the step is over."""
        if self.verdict(loss, norm):
            return Spikes(self.losses, self.norms, self.bad_in_a_row + 1)
        return Spikes((*self.losses, loss)[-WINDOW:], (*self.norms, norm)[-WINDOW:])

    def check(self, step: int) -> None:
        """GateError where more than PATIENCE steps in a row were bad, `step` the last of them."""
        if self.bad_in_a_row > PATIENCE:
            raise GateError(
                f"steps {step - self.bad_in_a_row + 1:,} to {step:,} were all bad: a loss or gradient norm that is no "
                f"number, or {SIGMAS:g} standard deviations above those before; go on from an earlier checkpoint with "
                f"a lower training.learning_rate, and look at the rows in spikes.jsonl"
            )

    def state(self) -> dict[str, Any]:
        """Plain numbers that JSON writes and reads back exactly."""
        return {"losses": list(self.losses), "norms": list(self.norms), "bad_in_a_row": self.bad_in_a_row}

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Self:
        """The history that `state` told of."""
        return cls(tuple(state["losses"]), tuple(state["norms"]), state["bad_in_a_row"])


def _leaps(value: float, known: Sequence[float]) -> bool:
    """Sums are exact before they are rounded (fsum), so a history decides the same however it was summed."""
    mean = math.fsum(known) / len(known)
    variance = math.fsum((other - mean) ** 2 for other in known) / (len(known) - 1)
    return value - mean > SIGMAS * math.sqrt(variance)
