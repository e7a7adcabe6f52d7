"""RoBERTa (Liu et al. 2019): BERT's encoder for masked tokens alone. Legend: D width."""

from functools import partial

from torch import Tensor, nn

from training.families.roberta import FIRST_POSITION, TYPES
from training.models.encoder import Encoder, MaskedHead, initialise, output_matrix
from training.models.model import Batch, Model
from training.spec import ModelSpec

INIT_STD = 0.02  # fairseq, modules/transformer_sentence_encoder.py, init_bert_params


class Roberta(Model):
    """Logits for every position; the loss asks for those of masked ones only. No dropout."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.encoder = Encoder(spec, types=TYPES, first_position=FIRST_POSITION)
        self.masked_head = MaskedHead(spec)
        self.output = output_matrix(spec, self.encoder)
        initialise(self, partial(nn.init.normal_, std=INIT_STD))

    def hidden(self, batch: Batch) -> Tensor:
        """BTD. Reads tokens, and segments where there are any."""
        hidden_BTD: Tensor = self.encoder(batch)
        return hidden_BTD

    def head(self, hidden_D: Tensor) -> Tensor:
        out_D: Tensor = self.masked_head(hidden_D)
        return out_D
