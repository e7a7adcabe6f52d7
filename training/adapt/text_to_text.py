"""Encoder-decoders: "rte sentence1: A sentence2: B" -> "entailment" (Raffel et al. 2020, section 2.4 and appendix D).

Legend: B batch, T tokens written, D width.
"""

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from corpus.errors import ConfigError
from tokenizer.vocab import Vocab
from training.adapt.adapted import Adapted, Assignment, fresh_copy
from training.adapt.formats import Features, Format, Tokens, padded
from training.evaluation.items import FineTask
from training.generation.decoding import text_of
from training.generation.frame import Frame
from training.models import Batch, Model
from training.models.cache import Cache
from training.objective import IGNORED

NO_LABEL, NO_SCORE = -1, -1.0  # t5/data/postprocessors.py, string_label_to_class_id and string_to_float
STEPS = 5  # scores are told in steps of 1 / 5 (section 2.4)


def text_format(vocab: Vocab, task: FineTask, frame: Frame) -> Format:
    """<frame> rte sentence1: A sentence2: B <frame>; the texts are encoded with a blank before them. Fields stand in
    the order of their names: mnli hypothesis: B premise: A (appendix D)."""
    first, second = (*sorted(task.fields), "")[:2]
    named, also = (tuple(tokens.tolist()) for tokens in vocab.encode_batch([f"{task.name} {first}:", f" {second}:"]))
    return Format(before=(*frame.before, *named), between=also, after=frame.after)


def spoken(score: float) -> str:
    """2.57 -> "2.6" (t5/data/preprocessors.py, stsb)."""
    return f"{round(score * STEPS) / STEPS:.1f}"


class TextToText(Adapted):
    """An answer is what the model writes greedily; a text that is no label, or no number, is wrong: NO_LABEL or
    NO_SCORE. Inputs and targets stand in the frame of the objective that the model was pretrained with."""

    lead: ClassVar[str] = " "

    def __init__(self, model: Model, given: Assignment) -> None:
        super().__init__(fresh_copy(model), given)
        self.frame = Frame.of(given.objective, given.vocab.specials)
        self.format = text_format(given.vocab, given.task, self.frame)
        self.turned = list(given.task.fields) != sorted(given.task.fields)
        words = given.task.labels or sorted({spoken(item.label) for item in given.task.train})
        targets = self._targets(words)
        self.longest = max(map(len, targets))
        self.said = {self._text(tokens): number for number, tokens in enumerate(targets)}
        if len(self.said) < len(words):
            raise ConfigError(
                f'task "{given.task.name}": the vocabulary cannot write and tell apart {", ".join(words)}; take one '
                f"that has their characters"
            )

    def features(self, first: Tokens, second: Tokens | None) -> tuple[tuple[Features, ...], bool]:
        """Inputs, and segments that tell them from padding."""
        if self.turned and second is not None:
            first, second = second, first
        inputs, _, cut = self.format.line(first, second, self.room)
        return ({"inputs": inputs, "input_segments": [1] * len(inputs)},), cut

    def loss(self, batch: Batch) -> Tensor:
        """Mean over the tokens of the batch's targets."""
        labels = self.task.labels
        targets = self._targets([labels[y] if labels else spoken(y) for y in batch["labels"].tolist()])
        device = batch["inputs"].device
        tokens_BT = padded([[self._start, *target[:-1]] for target in targets], 0, self.longest).to(device)
        targets_BT = padded(targets, IGNORED, self.longest).to(device)
        term = self.model.terms({**batch, "tokens": tokens_BT, "targets": targets_BT})["tokens"]
        return term.nats / term.targets

    @torch.no_grad()
    def answers(self, batch: Batch) -> list[int] | list[float]:
        """What the written texts mean."""
        texts = [self._text(row) if self.vocab.eod_id in row else "" for row in self._written(batch).tolist()]
        return [self.said.get(text, NO_LABEL) for text in texts] if self.task.labels else [score(t) for t in texts]

    def _written(self, batch: Batch) -> Tensor:
        """The likeliest token after the likeliest, BT, as many as the longest target has."""
        model, cache = self.model, Cache.of(self.model.spec.decoder_layers)
        memory = model.encode(batch)  # type: ignore[operator]
        last_B1 = torch.full((len(batch["inputs"]), 1), self._start, device=batch["inputs"].device)
        written: list[Tensor] = []
        for _ in range(self.longest):
            tokens = {"tokens": last_B1, "input_segments": batch["input_segments"]}
            hidden_BD = model.hidden(tokens, cache=cache, memory=memory)[:, -1]  # type: ignore[call-arg]
            last_B1 = model.output(model.head(hidden_BD))[:, : self.vocab.size].argmax(dim=1, keepdim=True)
            written.append(last_B1)
        return torch.cat(written, dim=1)

    @property
    def _start(self) -> int:
        assert self.frame.decoder_start is not None  # objectives of encoder-decoders have one
        return self.frame.decoder_start

    def _targets(self, words: Sequence[str]) -> list[list[int]]:
        framed = self.vocab.encode_batch(words)
        return [[*self.frame.before, *tokens.tolist(), *self.frame.after] for tokens in framed]

    def _text(self, row: list[int]) -> str:
        """Of what stands before the end."""
        return text_of(self.vocab, row[: row.index(self.vocab.eod_id)]).strip()


def score(text: str) -> float:
    """The number that a text is, else NO_SCORE."""
    try:
        number = float(text)
    except ValueError:
        return NO_SCORE
    return number if math.isfinite(number) else NO_SCORE
