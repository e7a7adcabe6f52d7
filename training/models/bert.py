"""BERT (Devlin et al. 2019) as it is pretrained: masked tokens, and whether the second text follows the first.

Legend: B batch, T tokens of a row, D width.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.families.bert import TYPES
from training.models.encoder import Encoder, MaskedHead, initialise, output_matrix
from training.models.model import Batch, Model, Term
from training.spec import ModelSpec


class Bert(Model):
    """Logits for every position; the loss asks for those of masked ones only. No dropout."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.encoder = Encoder(spec, types=TYPES)
        self.pooler = nn.Linear(spec.width, spec.width)
        self.next_sentence = nn.Linear(spec.width, 2)
        self.masked_head = MaskedHead(spec)
        self.output = output_matrix(spec, self.encoder)
        initialise(self, _truncated)

    def hidden(self, batch: Batch) -> Tensor:
        """BTD. Reads tokens, and types and segments where there are any."""
        hidden_BTD: Tensor = self.encoder(batch)
        return hidden_BTD

    def head(self, hidden_D: Tensor) -> Tensor:
        out_D: Tensor = self.masked_head(hidden_D)
        return out_D

    def pair_logits(self, hidden_BTD: Tensor) -> Tensor:
        """B2, read from the first token of each row: the second text follows, it does not (google-research/bert,
        create_pretraining_data.py, is_random_next)."""
        logits_B2: Tensor = self.next_sentence(torch.tanh(self.pooler(hidden_BTD[:, 0])))
        return logits_B2

    def terms(self, batch: Batch) -> dict[str, Term]:
        """ "tokens", and "next_sentence" where the batch has `is_next` (B or B1, 1 where the second text follows): the
        loss is the sum of the two means (Devlin et al. 2019, appendix A.2)."""
        hidden_BTD = self.hidden(batch)
        terms = {"tokens": self.token_term(hidden_BTD, batch)}
        if "is_next" in batch:
            classes_B = 1 - batch["is_next"].flatten().long()
            logits_B2 = self.pair_logits(hidden_BTD).float()
            total = functional.cross_entropy(logits_B2, classes_B, reduction="sum")
            terms["next_sentence"] = Term(total, classes_B.new_tensor(len(classes_B)))
        return terms

    def idle(self, features: Iterable[str]) -> list[nn.Parameter]:
        """Pooler and pair head, where no example is a pair."""
        return [] if "is_next_1" in features else [*self.pooler.parameters(), *self.next_sentence.parameters()]


def _truncated(weight: Tensor) -> Tensor:
    """Normal of scale 0.02, redrawn beyond two scales (google-research/bert, modeling.py, create_initializer)."""
    return nn.init.trunc_normal_(weight, std=0.02, a=-0.04, b=0.04)
