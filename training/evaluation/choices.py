"""Choices and endings, scored by likelihood as lm-evaluation-harness does (0.4.13, api/task.py, process_results)."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from tokenizer.vocab import Vocab
from training.evaluation.items import Choices, Completion
from training.evaluation.likelihood import scored
from training.evaluation.results import Scores
from training.models import Model


def choices(
    model: Model,
    vocab: Vocab,
    items: Sequence[Choices],
    before: tuple[int, ...] | None = None,
    objective: str | None = None,
) -> dict[str, Scores]:
    """Accuracy by -ln p ("", the harness's acc) and by -ln p per character of the continuation without the blank that
    joins it to its context ("norm", its acc_norm; not per byte, which is acc_bytes).

    k choices that tie for the best share the point, 1 / k to the right one, so that a model that knows nothing has the
    accuracy of guessing; the harness gives it to the first of them. `before` and `objective` as in `scored`.
    """
    requests = [list(zip(item.contexts, item.continuations, strict=True)) for item in items]
    each = iter(scored(model, vocab, list(chain.from_iterable(requests)), before, objective))
    plain, norm = [], []
    for item, asked in zip(items, requests, strict=True):
        nats_C = np.array([next(each).nats for _ in asked])
        characters_C = [max(1, len(continuation.removeprefix(" "))) for _, continuation in asked]
        plain.append(credit(nats_C, item.gold))
        norm.append(credit(nats_C / characters_C, item.gold))
    return {name: _means([item.id for item in items], values) for name, values in (("", plain), ("norm", norm))}


def completions(
    model: Model,
    vocab: Vocab,
    items: Sequence[Completion],
    before: tuple[int, ...] | None = None,
    objective: str | None = None,
) -> dict[str, Scores]:
    """The share of endings each of whose tokens is the likeliest ("", the harness's acc), and nats of an ending
    ("nats_per_target"): perplexity is there exp(mean of these), every ending counting as much, long or short."""
    found = scored(model, vocab, [(item.context, item.continuation) for item in items], before, objective)
    ids = [item.id for item in items]
    return {
        "": _means(ids, [score.greedy for score in found]),
        "nats_per_target": _means(ids, [score.nats for score in found]),
    }


def credit(nats_C: npt.NDArray[np.float64], gold: int) -> float:
    """What the right choice has of one point.

    [3, 1, 2] with gold 1 -> 1, [1, 1, 2] -> 1/2, [1, 2, 3] -> 0
    """
    best_C = nats_C == nats_C.min()
    return float(best_C[gold] / best_C.sum())


def _means(ids: Sequence[str], values: Sequence[float]) -> Scores:
    return Scores(tuple(ids), np.array(values, np.float64), np.ones(len(values)))
