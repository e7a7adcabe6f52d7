"""BERT's encoder, which RoBERTa has too: normed embeddings, then blocks that norm after each sum.

Legend: B batch, T tokens of a row, D width.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from corpus.errors import ConfigError
from training.models.attention import Attention
from training.models.feedforward import FeedForward
from training.models.mask import Mask
from training.models.model import Batch
from training.models.positions import positions
from training.spec import ModelSpec


class Encoder(nn.Module):
    """Each token read in the light of its whole document (Devlin et al. 2019). Positions are learnt, the first is row
    `first_position`; with segments they begin again in each document."""

    def __init__(self, spec: ModelSpec, *, types: int, first_position: int = 0) -> None:
        super().__init__()
        self.context, self.first_position = spec.context, first_position
        self.tokens = nn.Embedding(spec.vocab, spec.width)
        self.positions = nn.Embedding(first_position + spec.context, spec.width)
        self.types = nn.Embedding(types, spec.width)
        self.norm = nn.LayerNorm(spec.width, eps=spec.norm_eps)
        self.blocks = nn.ModuleList(PostNormBlock(spec) for _ in range(spec.layers))

    def forward(self, batch: Batch) -> Tensor:
        """BTD. Reads tokens, and types (else all 0) and segments (else one document a row) where there are any."""
        tokens_BT, segments_BT = batch["tokens"], batch.get("segments")
        if tokens_BT.shape[1] > self.context:
            raise ConfigError(
                f"a row of {tokens_BT.shape[1]} tokens is longer than the model's context of {self.context}, and there "
                "are no positions beyond it; cut it, or train with a longer context"
            )
        types_BT = batch.get("types", torch.zeros_like(tokens_BT))
        positions_BT = positions(tokens_BT, segments_BT) + self.first_position
        x_BTD: Tensor = self.norm(self.tokens(tokens_BT) + self.positions(positions_BT) + self.types(types_BT))
        mask = Mask.within(segments_BT, "all").prepared(tokens_BT)
        for block in self.blocks:
            x_BTD = block(x_BTD, mask)
        return x_BTD


class PostNormBlock(nn.Module):
    """Attention, then the feed-forward part; each added to what it read, then normed (Vaswani et al. 2017, 3.1)."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.attention = Attention(spec.width, spec.heads, bias=True)
        self.attention_norm = nn.LayerNorm(spec.width, eps=spec.norm_eps)
        self.ffn = FeedForward(spec.width, spec.ffn, "gelu", bias=True)
        self.ffn_norm = nn.LayerNorm(spec.width, eps=spec.norm_eps)

    def forward(self, x_BTD: Tensor, mask: Mask) -> Tensor:
        x_BTD = self.attention_norm(x_BTD + self.attention(x_BTD, mask))
        out_BTD: Tensor = self.ffn_norm(x_BTD + self.ffn(x_BTD))
        return out_BTD


class MaskedHead(nn.Module):
    """What the output matrix reads: norm(gelu(linear(x))) (google-research/bert, run_pretraining.py,
    get_masked_lm_output)."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.dense = nn.Linear(spec.width, spec.width)
        self.norm = nn.LayerNorm(spec.width, eps=spec.norm_eps)

    def forward(self, hidden_D: Tensor) -> Tensor:
        out_D: Tensor = self.norm(functional.gelu(self.dense(hidden_D)))
        return out_D


def output_matrix(spec: ModelSpec, encoder: Encoder) -> nn.Linear:
    """The output matrix, with a bias of its own also where its weight is the embedding."""
    output = nn.Linear(spec.width, spec.vocab)
    if spec.tied:
        output.weight = encoder.tokens.weight
    return output


def initialise(model: nn.Module, weights: Callable[[Tensor], Tensor]) -> None:
    """Draws every matrix with `weights`; biases are 0."""
    for module in model.modules():
        if isinstance(module, nn.Embedding | nn.Linear):
            weights(module.weight)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
