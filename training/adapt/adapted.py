"""A pretrained model made ready for a task: what every kind of model is to fine-tuning."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from corpus.errors import ConfigError, DataError
from tokenizer.vocab import Vocab
from training.adapt.formats import Features, Reading, Tokens
from training.adapt.settings import FineTuning
from training.evaluation.items import FineTask, Labelled
from training.models import Batch, Model, build


@dataclass(frozen=True)
class Assignment:
    """A task to be learnt: in which vocabulary, how, and under which objective the model was pretrained."""

    vocab: Vocab
    task: FineTask
    how: FineTuning
    objective: str


class Adapted(nn.Module):
    """A kind of model fills in the three methods that raise. `model` is changed by training: give a `fresh_copy`.
    `lead` goes before each text in its encoding."""

    lead: ClassVar[str] = ""

    def __init__(self, model: Model, given: Assignment) -> None:
        super().__init__()
        if given.vocab.size > model.spec.vocab:
            raise ConfigError(
                f"the vocabulary has {given.vocab.size} entries and the model {model.spec.vocab}; take the model's own"
            )
        self.model, self.vocab, self.task = model, given.vocab, given.task
        self.room = given.how.room(model.spec)

    def features(self, first: Tokens, second: Tokens | None) -> tuple[tuple[Features, ...], bool]:
        """What the model reads of a text or two, in one order or both; and whether a text lost its end."""
        raise NotImplementedError

    def loss(self, batch: Batch) -> Tensor:
        """What to make small. Reads labels, too."""
        raise NotImplementedError

    def answers(self, batch: Batch) -> list[int] | list[float]:
        """The number of a label for each item, or its score; labels are not looked at."""
        raise NotImplementedError

    def readings(self, items: Sequence[Labelled]) -> list[Reading]:
        """Items as the model reads them; DataError for a label that the task does not have."""
        for item in items:
            if self.task.labels and not (isinstance(item.label, int) and 0 <= item.label < len(self.task.labels)):
                raise DataError(
                    f'task "{self.task.name}", item {item.id}: the label is {item.label}, and labels are 0 to '
                    f"{len(self.task.labels) - 1}; take a part of the task with known labels"
                )
        firsts = self._encoded(item.first for item in items)
        seconds = self._encoded(item.second or "" for item in items)
        return [
            self._reading(item, first, None if item.second is None else second)
            for item, first, second in zip(items, firsts, seconds, strict=True)
        ]

    def _encoded(self, texts: Iterable[str]) -> list[Tokens]:
        return [tokens.tolist() for tokens in self.vocab.encode_batch([self.lead + text for text in texts])]

    def _reading(self, item: Labelled, first: Tokens, second: Tokens | None) -> Reading:
        orders, cut = self.features(first, second)
        return Reading(orders, item.label if self.task.labels else float(item.label), cut)


def fresh_copy(model: Model, *, more_tokens: int = 0) -> Model:
    """The model once more, all its weights free to move; with `more_tokens` the vocabulary has so many new last
    entries, drawn as a new model's are."""
    spec = model.spec
    copy = build(replace(spec, vocab=spec.vocab + more_tokens)).to(model.output.weight.device)
    old = model.state_dict()
    with torch.no_grad():
        for name, weight in copy.state_dict().items():
            weight[: len(old[name])] = old[name]
    return copy
