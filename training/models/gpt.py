"""GPT (Radford et al. 2018): a decoder with learnt positions that norms after each sum.

Legend: B batch, T tokens of a row, D width.
"""

from torch import Tensor, nn

from training.models.attention import Attention
from training.models.cache import Cache, LayerCache
from training.models.decoder import LearnedDecoder
from training.models.feedforward import FeedForward
from training.models.mask import Mask
from training.models.model import Batch, Model
from training.spec import ModelSpec

INIT_STD = 0.02  # Radford et al. 2018, section 4.1


class Gpt(Model):
    """Logits for the next token at each position. No dropout."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.decoder = LearnedDecoder(spec, PostNormBlock)
        self.output = nn.Linear(spec.width, spec.vocab, bias=False)
        if spec.tied:
            self.output.weight = self.decoder.tokens.weight
        self.apply(initialise)

    def hidden(self, batch: Batch, cache: Cache | None = None) -> Tensor:
        """BTD. Reads tokens, and segments and prefix where there are any; with a cache, tokens that go on from it."""
        hidden_BTD: Tensor = self.decoder(batch, cache)
        return hidden_BTD


class PostNormBlock(nn.Module):
    """Attention, then the feed-forward part; each added to what it read and normed."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.attention = Attention(spec.width, spec.heads, bias=True)
        self.attention_norm = nn.LayerNorm(spec.width, eps=spec.norm_eps)
        self.ffn = FeedForward(spec.width, spec.ffn, "gelu_tanh", bias=True)
        self.ffn_norm = nn.LayerNorm(spec.width, eps=spec.norm_eps)

    def forward(self, x_BTD: Tensor, mask: Mask, cache: LayerCache | None) -> Tensor:
        x_BTD = self.attention_norm(x_BTD + self.attention(x_BTD, mask, cache=cache))
        out_BTD: Tensor = self.ffn_norm(x_BTD + self.ffn(x_BTD))
        return out_BTD


def initialise(module: nn.Module) -> None:
    """Small normal matrices; biases are 0."""
    if isinstance(module, nn.Embedding | nn.Linear):
        nn.init.normal_(module.weight, std=INIT_STD)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
