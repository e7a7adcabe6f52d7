"""Fine-tuning of one model on one task, in plain steps: runs take seconds, and many start from one checkpoint."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import numpy as np
import torch
from torch import nn

from corpus.errors import ConfigError, GateError
from tokenizer.vocab import Vocab
from training.adapt.adapted import Adapted, Assignment
from training.adapt.classifier import Classifier
from training.adapt.delimiters import Delimited
from training.adapt.formats import Reading, collated
from training.adapt.settings import FineTuning
from training.adapt.text_to_text import TextToText
from training.config import TrainingConfig
from training.evaluation.items import FineTask
from training.families.family import Kind
from training.models import Model
from training.optim import ByRule, set_rates
from training.placement import MIXED, precision

KINDS: Mapping[Kind, type[Adapted]] = {"encoder": Classifier, "decoder": Delimited, "encoder-decoder": TextToText}
"""What a kind of model becomes. Another one is a file and a line here."""
POOL = 16  # batches whose examples are sorted by length together; their order and the rest of it is random

OnProgress = Callable[[int, int, float], None]
"""Told the number of a step, from 1, of how many, and its loss."""


@dataclass(frozen=True, kw_only=True)
class FineTuned:
    """Of each dev item what was predicted and what is right: numbers of labels, or scores. `truncated` of the items
    trained on and of the dev items lost the end of a text."""

    ids: tuple[str, ...]
    predictions: tuple[int | float, ...]
    gold: tuple[int | float, ...]
    seconds: float
    steps: int
    truncated: int


def finetune(
    model: Model,
    vocab: Vocab,
    task: FineTask,
    how: FineTuning,
    *,
    objective: str,
    on_progress: OnProgress | None = None,
) -> FineTuned:
    """What a copy of the model says of the dev items once it has learnt from the others; it stays where the model is.
    `objective` is what the model was pretrained with. The same seed gives the same bits (same processor, as many
    threads). ConfigError for a task without examples, or a vocabulary or context that its format cannot do with;
    GateError for a loss that is no number."""
    if not task.train:
        raise ConfigError(f'task "{task.name}" has no examples to learn from; give it some, or leave it out')
    started = time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(how.seed)
        adapted = KINDS[model.spec.kind](model, Assignment(vocab, task, how, objective))
    adapted.to(model.output.weight.device)
    learnt = adapted.readings(chosen(task.train, how))
    asked = adapted.readings(task.dev)
    config = how.config(model.spec, objective, len(learnt))
    fit(adapted, learnt, config, on_progress)
    return FineTuned(
        ids=tuple(item.id for item in task.dev),
        predictions=tuple(predict(adapted, asked, config)),
        gold=tuple(item.label for item in task.dev),
        seconds=time.perf_counter() - started,
        steps=config.steps,
        truncated=sum(reading.cut for reading in (*learnt, *asked)),
    )


def fit(
    adapted: Adapted, readings: Sequence[Reading], config: TrainingConfig, on_progress: OnProgress | None = None
) -> None:
    """Moves the weights for `config.steps` steps."""
    moved, lengths = optimizer(adapted, config), [reading.length for reading in readings]
    for step, numbers in enumerate(islice(batches(lengths, config), config.steps)):
        with _computed(adapted, config):
            loss = adapted.loss(_batch(adapted, [readings[i] for i in numbers]))
        if not math.isfinite(said := loss.item()):
            raise GateError(
                f'task "{adapted.task.name}": the loss of step {step + 1} of {config.steps} is {said}; lower the '
                f"learning rate, {config.learning_rate}"
            )
        moved.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        set_rates(moved, step, config)
        nn.utils.clip_grad_norm_(adapted.parameters(), config.clip_norm)
        moved.step()
        if on_progress is not None:
            on_progress(step + 1, config.steps, said)


@torch.no_grad()
def predict(adapted: Adapted, readings: Sequence[Reading], config: TrainingConfig) -> list[int | float]:
    """An answer for each; by the weights alone, whatever the labels say."""
    order = sorted(range(len(readings)), key=lambda i: readings[i].length)
    size = config.batch_rows or len(order)
    answers: dict[int, int | float] = {}
    for start in range(0, len(order), size):
        numbers = order[start : start + size]
        with _computed(adapted, config):
            said = adapted.answers(_batch(adapted, [readings[i] for i in numbers]))
        answers.update(zip(numbers, said, strict=True))
    return [answers[i] for i in range(len(readings))]


def optimizer(adapted: Adapted, config: TrainingConfig) -> ByRule:
    """Two groups: matrices, and vectors without weight decay (google-research/bert, optimization.py: LayerNorm, bias).
    What no loss reads, such as BERT's other heads, has no gradient and stays."""
    weights = list(adapted.parameters())
    common = {"rule": config.optimizer, "peak": config.learning_rate, "betas": config.betas, "eps": config.eps}
    return ByRule(
        [
            {**common, "params": [w for w in weights if w.ndim >= 2], "weight_decay": config.weight_decay},
            {**common, "params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
        ]
    )


def batches(lengths: Sequence[int], config: TrainingConfig) -> Iterator[list[int]]:
    """Numbers of examples of like length, epoch after epoch without end; each epoch has each once, in an order of its
    own that depends on the seed alone."""
    size = config.batch_rows or len(lengths)
    for epoch in count():
        rng = _random(config.seed, epoch + 1)
        order = rng.permutation(len(lengths)).tolist()
        pools = [
            sorted(order[start : start + POOL * size], key=lengths.__getitem__)
            for start in range(0, len(order), POOL * size)
        ]
        cut = [pool[start : start + size] for pool in pools for start in range(0, len(pool), size)]
        yield from (cut[i] for i in rng.permutation(len(cut)))


def chosen(items: Sequence[Any], how: FineTuning) -> list[Any]:
    """`max_examples` of them at random, in their order."""
    if how.max_examples is None or how.max_examples >= len(items):
        return list(items)
    picked = _random(how.seed, 0).permutation(len(items))[: how.max_examples]
    return [items[i] for i in sorted(picked)]


def _random(seed: int, epoch: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.array([seed, epoch], np.uint64)))


def _batch(adapted: Adapted, readings: Sequence[Reading]) -> dict[str, torch.Tensor]:
    return collated(readings, adapted.room, adapted.model.output.weight.device)


def _computed(adapted: Adapted, config: TrainingConfig) -> AbstractContextManager[None]:
    """In the precision that is asked for; weights stay float32."""
    device = adapted.model.output.weight.device.type
    return torch.autocast(device, torch.bfloat16, enabled=precision(config, device) == MIXED)
