"""Encoders: a layer over the first token (Devlin et al. 2019, section 4.1). Legend: B batch, D width, L labels."""

import torch
from torch import Tensor

from tokenizer.specials import Specials
from training.adapt.adapted import Adapted, Assignment, fresh_copy
from training.adapt.formats import Features, Format, Tokens
from training.adapt.head import Head, new_layer
from training.models import Batch, Model
from training.objectives import requirements


def encoder_format(specials: Specials, objective: str, *, pairs: bool) -> Format:
    """BERT's [CLS] A [SEP] B [SEP] for models of pairs; else RoBERTa's <s> A </s> </s> B </s> (Liu et al. 2019, as in
    fairseq's roberta/hub_interface.py, encode)."""
    start = requirements.special(objective, specials, "start")
    separator = requirements.special(objective, specials, "separator")
    return Format(before=(start,), between=(separator,) * (1 if pairs else 2), after=(separator,))


class Classifier(Adapted):
    """logits = head(tanh(dense(first token))). BERT's dense layer is the one that next-sentence prediction has trained;
    another encoder's is new (fairseq, roberta/model.py, RobertaClassificationHead)."""

    def __init__(self, model: Model, given: Assignment) -> None:
        super().__init__(fresh_copy(model), given)
        self.pairs = model.spec.about.pairs
        self.format = encoder_format(given.vocab.specials, given.objective, pairs=self.pairs)
        width = model.spec.width
        self.dense = self.model.get_submodule("pooler") if self.pairs else new_layer(width, width)
        self.head = Head(width, given.task)

    def features(self, first: Tokens, second: Tokens | None) -> tuple[tuple[Features, ...], bool]:
        """Tokens, segments that tell them from padding, and for models of pairs types."""
        tokens, start, cut = self.format.line(first, second, self.room)
        features: dict[str, Tokens] = {"tokens": tokens, "segments": [1] * len(tokens)}
        if self.pairs:
            ones = 0 if second is None else len(tokens) - start
            features["types"] = [0] * (len(tokens) - ones) + [1] * ones
        return (features,), cut

    def logits(self, batch: Batch) -> Tensor:
        """BL"""
        first_BD = self.model.hidden(batch)[:, 0]
        logits_BL: Tensor = self.head(torch.tanh(self.dense(first_BD)))
        return logits_BL

    def loss(self, batch: Batch) -> Tensor:
        """Of the labels alone."""
        return self.head.loss(self.logits(batch), batch["labels"])

    def answers(self, batch: Batch) -> list[int] | list[float]:
        """By the largest logit, or the score."""
        return self.head.answers(self.logits(batch))
