"""Whether a cheaper experiment would have chosen the same corpus: decision accuracy.

Magnusson et al. 2025, DataDecide: of all pairs of corpora, the share whose order under the smaller budget is the one
under the largest, which is judged by means over seeds; there budgets are sizes of models, here they are tokens of one
training. Compared are signs, so a tie agrees with a tie alone.
Legend: P budgets, A arms, S seeds.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]


class DecisionAccuracy(NamedTuple):
    """How well a budget decides: `accuracy` by its means over seeds, `one_seed` by single trainings, on average."""

    accuracy: float
    one_seed: float
    pairs: int


def decision_accuracy(values_PAS: Numbers) -> list[DecisionAccuracy]:
    """One for each budget, the last of which is the largest and gives the right order.

    `one_seed` is what someone decides who trains once per corpus, as DataDecide's predictions do. Limit: a budget is a
    point on the way to the largest, so the two share a training and agree more than separate trainings would.
    """
    target = _orders(values_PAS[-1].mean(axis=1))
    return [
        DecisionAccuracy(
            accuracy=_agreement(_orders(values_AS.mean(axis=1)), target),
            one_seed=float(np.mean([_agreement(_orders(values_A), target) for values_A in values_AS.T])),
            pairs=len(target),
        )
        for values_AS in values_PAS
    ]


def _orders(values_A: Numbers) -> Numbers:
    """-1, 0 or 1 for each pair of arms."""
    first, second = np.triu_indices(len(values_A), k=1)
    signs: Numbers = np.sign(values_A[first] - values_A[second])
    return signs


def _agreement(orders: Numbers, target: Numbers) -> float:
    return float((orders == target).mean())
