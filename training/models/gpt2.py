"""GPT-2 (Radford et al. 2019): GPT with the norms before each part, and one after the last block.

Legend: B batch, T tokens of a row, D width.
"""

import math

from torch import Tensor, nn

from training.models.attention import Attention
from training.models.cache import Cache, LayerCache
from training.models.decoder import LearnedDecoder
from training.models.feedforward import FeedForward
from training.models.gpt import INIT_STD, initialise
from training.models.mask import Mask
from training.models.model import Batch, Model
from training.spec import ModelSpec

POSITION_STD = 0.01  # openai/gpt-2, src/model.py, wpe


class Gpt2(Model):
    """Logits for the next token at each position. No dropout."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.decoder = LearnedDecoder(spec, PreNormBlock)
        self.norm = nn.LayerNorm(spec.width, eps=spec.norm_eps)
        self.output = nn.Linear(spec.width, spec.vocab, bias=False)
        if spec.tied:
            self.output.weight = self.decoder.tokens.weight
        self.apply(initialise)
        nn.init.normal_(self.decoder.positions.weight, std=POSITION_STD)
        for module in self.modules():
            if isinstance(module, PreNormBlock):
                module.quieten(2 * spec.layers)

    def hidden(self, batch: Batch, cache: Cache | None = None) -> Tensor:
        """BTD. Reads tokens, and segments and prefix where there are any; with a cache, tokens that go on from it."""
        hidden_BTD: Tensor = self.norm(self.decoder(batch, cache))
        return hidden_BTD


class PreNormBlock(nn.Module):
    """Attention, then the feed-forward part; each reads the stream normed and is added to it."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(spec.width, eps=spec.norm_eps)
        self.attention = Attention(spec.width, spec.heads, bias=True)
        self.ffn_norm = nn.LayerNorm(spec.width, eps=spec.norm_eps)
        self.ffn = FeedForward(spec.width, spec.ffn, "gelu_tanh", bias=True)

    def forward(self, x_BTD: Tensor, mask: Mask, cache: LayerCache | None) -> Tensor:
        x_BTD = x_BTD + self.attention(self.attention_norm(x_BTD), mask, cache=cache)
        out_BTD: Tensor = x_BTD + self.ffn(self.ffn_norm(x_BTD))
        return out_BTD

    def quieten(self, n_branches: int) -> None:
        """Draws what joins the stream anew, 1 / sqrt(n) as large, as `n_branches` add up (section 2.3)."""
        for joining in (self.attention.out, self.ffn.down):
            nn.init.normal_(joining.weight, std=INIT_STD / math.sqrt(n_branches))
