"""Decoders: <start> A <delimiter> B <extract>, and a layer over the last token (Radford et al. 2018, section 3.3 and
figure 1). The three tokens are new entries behind the vocabulary. A token sees those before it, prefix or not.

Legend: B batch, R rows (B, or 2B where texts are read in both orders), T tokens, D width, L labels.
"""

from torch import Tensor

from training.adapt.adapted import Adapted, Assignment, fresh_copy
from training.adapt.formats import Features, Format, Tokens
from training.adapt.head import Head
from training.models import Batch, Model
from training.objective import IGNORED

N_NEW = 3
SYMMETRIC = frozenset({"mrpc", "qqp", "stsb"})
"""Tasks of which text is like which: neither text comes first, so both orders are read (section 3.3, similarity)."""


def decoder_format(n_entries: int) -> Format:
    """The three entries after the model's own."""
    start, delimiter, extract = range(n_entries, n_entries + N_NEW)
    return Format(before=(start,), between=(delimiter,), after=(extract,))


class Delimited(Adapted):
    """The loss is that of the labels and, weighted, that of the rows as language, all their tokens but the first among
    the targets (section 3.2, equation 5); a mean over the tokens of a batch, where openai/finetune-transformer-lm has
    one over rows. With both orders of two texts, what their extract tokens hold is added before the layer reads it."""

    def __init__(self, model: Model, given: Assignment) -> None:
        super().__init__(fresh_copy(model, more_tokens=N_NEW), given)
        self.format = decoder_format(model.spec.vocab)
        self.both = given.task.name in SYMMETRIC
        self.auxiliary = given.how.auxiliary
        self.head = Head(model.spec.width, given.task)

    def features(self, first: Tokens, second: Tokens | None) -> tuple[tuple[Features, ...], bool]:
        """Tokens, and as targets the token after each."""
        lines = [self.format.line(first, second, self.room)]
        if self.both and second is not None:
            lines.append(self.format.line(second, first, self.room))
        orders = tuple({"tokens": tokens, "targets": [*tokens[1:], IGNORED]} for tokens, _, _ in lines)
        return orders, any(line.cut for line in lines)

    def logits(self, batch: Batch, hidden_RTD: Tensor) -> Tensor:
        """BL"""
        extracted_RD = hidden_RTD[batch["tokens"] == self.format.after[0]]
        B = len(batch["labels"])
        logits_BL: Tensor = self.head(extracted_RD.view(-1, B, extracted_RD.shape[1]).sum(dim=0))
        return logits_BL

    def loss(self, batch: Batch) -> Tensor:
        """Of labels and language."""
        hidden_RTD = self.model.hidden(batch)
        loss = self.head.loss(self.logits(batch, hidden_RTD), batch["labels"])
        if not self.auxiliary:
            return loss
        term = self.model.token_term(hidden_RTD, batch)
        return loss + self.auxiliary * term.nats / term.targets

    def answers(self, batch: Batch) -> list[int] | list[float]:
        """By the largest logit, or the score."""
        return self.head.answers(self.logits(batch, self.model.hidden(batch)))
