"""Llama (Touvron et al. 2023): a decoder with RMSNorm before each part, rotary positions, grouped queries, SwiGLU, and
no biases. With `qk_norm` queries and keys have unit scale.

Legend: B batch, T tokens of a row, D width.
"""

from torch import Tensor, nn

from training.models.attention import Attention
from training.models.cache import Cache, LayerCache
from training.models.feedforward import GatedFeedForward
from training.models.mask import Mask
from training.models.model import Batch, Model
from training.models.positions import Rotation, positions, rotary
from training.spec import ModelSpec

INIT_STD = 0.02  # GPT-2's


class Llama(Model):
    """Logits for the next token at each position. With segments a token sees its own document only, and positions begin
    again with each; beginning them again alone would still leak across documents."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.embedding = nn.Embedding(spec.vocab, spec.width)
        self.blocks = nn.ModuleList(Block(spec) for _ in range(spec.layers))
        self.norm = nn.RMSNorm(spec.width, eps=spec.norm_eps)
        self.output = nn.Linear(spec.width, spec.vocab, bias=False)
        if spec.tied:
            self.output.weight = self.embedding.weight
        self.apply(_init)

    def hidden(self, batch: Batch, cache: Cache | None = None) -> Tensor:
        """BTD. Reads tokens, and segments and prefix where there are any; with a cache, tokens that go on from it."""
        tokens_BT, segments_BT = batch["tokens"], batch.get("segments")
        offset = cache.length if cache else 0
        mask = Mask.within(segments_BT, "past", batch.get("prefix"), offset).prepared(tokens_BT)
        rotation = rotary(positions(tokens_BT, segments_BT, offset), self.spec.head_width, self.spec.rope_base)
        x_BTD = self.embedding(tokens_BT)
        for n, block in enumerate(self.blocks):
            x_BTD = block(x_BTD, mask, rotation, cache.layers[n] if cache else None)
        hidden_BTD: Tensor = self.norm(x_BTD)
        return hidden_BTD


class Block(nn.Module):
    """Attention, then SwiGLU, each added to the stream."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(spec.width, eps=spec.norm_eps)
        self.attention = Attention(
            spec.width,
            spec.heads,
            kv_heads=spec.kv_heads,
            head_width=spec.head_width,
            qk_norm_eps=spec.norm_eps if spec.qk_norm else None,
        )
        self.ffn_norm = nn.RMSNorm(spec.width, eps=spec.norm_eps)
        self.ffn = GatedFeedForward(spec.width, spec.ffn, "silu")

    def forward(self, x_BTD: Tensor, mask: Mask, rotation: Rotation, cache: LayerCache | None) -> Tensor:
        x_BTD = x_BTD + self.attention(self.attention_norm(x_BTD), mask, rotation=rotation, cache=cache)
        out_BTD: Tensor = x_BTD + self.ffn(self.ffn_norm(x_BTD))
        return out_BTD


def _init(module: nn.Module) -> None:
    """Small normal weights; zero where a branch joins the stream, so that a fresh model is the identity on it and
    its loss is near ln V (muP and modded-nanogpt start alike)."""
    if isinstance(module, nn.Embedding | nn.Linear):
        nn.init.normal_(module.weight, std=INIT_STD)
    if isinstance(module, Attention):
        nn.init.zeros_(module.out.weight)
    if isinstance(module, GatedFeedForward):
        nn.init.zeros_(module.down.weight)
