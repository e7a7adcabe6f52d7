"""-ln p of what a model is asked, row by row.

Rows of one shape go through the model together: no padding to pay for, to mask, or to see.
Legend: N rows, B rows of a batch, T tokens, A targets of a batch, C those of a piece, D width, V vocabulary.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from training.loss import PIECE_TOKENS
from training.models import Model
from training.objective import IGNORED

BATCH_TOKENS = {"cpu": 2048, "cuda": 65536}

Asked = Mapping[str, Sequence[int]]
"""Features that a model reads, and targets, IGNORED where nothing is asked."""


class Answers(NamedTuple):
    """Of each row: -ln p summed over its targets, and whether each of them was the likeliest token."""

    nats_N: npt.NDArray[np.float64]
    greedy_N: npt.NDArray[np.bool_]


@torch.no_grad()
def answers(model: Model, rows: Sequence[Asked]) -> Answers:
    """What the model says to each row, in their order; neighbours in a batch change the last digits at most."""
    device = model.output.weight.device
    found = Answers(np.zeros(len(rows)), np.ones(len(rows), np.bool_))
    for numbers in _batches(rows, BATCH_TOKENS.get(device.type, BATCH_TOKENS["cuda"])):
        names = rows[numbers[0]].keys()
        batch = {name: torch.tensor([rows[n][name] for n in numbers], device=device) for name in names}
        targets_BT = batch.pop("targets")
        asked_BT = targets_BT != IGNORED
        nats_A, greedy_A = _judged(model, model.hidden(batch)[asked_BT], targets_BT[asked_BT])
        row_A = np.array(numbers)[asked_BT.nonzero()[:, 0].cpu().numpy()]
        np.add.at(found.nats_N, row_A, nats_A.double().cpu().numpy())
        np.logical_and.at(found.greedy_N, row_A, greedy_A.cpu().numpy())
    return found


def _batches(rows: Sequence[Asked], most_tokens: int) -> Iterator[list[int]]:
    """Numbers of rows whose features have the same lengths."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for number, row in enumerate(rows):
        alike.setdefault(tuple(map(len, row.values())), []).append(number)
    for lengths, numbers in alike.items():
        size = max(1, most_tokens // sum(lengths))
        yield from (numbers[start : start + size] for start in range(0, len(numbers), size))


def _judged(model: Model, hidden_AD: Tensor, targets_A: Tensor) -> tuple[Tensor, Tensor]:
    """-ln p of each target, and whether it was the likeliest; the logits of a whole batch never stand in memory."""
    size = PIECE_TOKENS.get(hidden_AD.device.type, PIECE_TOKENS["cuda"])
    nats_A, greedy_A = torch.zeros(len(targets_A)), torch.zeros(len(targets_A), dtype=torch.bool)
    for piece in (slice(start, start + size) for start in range(0, len(targets_A), size)):
        logits_CV = model.output(model.head(hidden_AD[piece])).float()
        nats_A[piece] = functional.cross_entropy(logits_CV, targets_A[piece], reduction="none").cpu()
        greedy_A[piece] = (logits_CV.argmax(dim=1) == targets_A[piece]).cpu()
    return nats_A, greedy_A
