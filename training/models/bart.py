"""BART (Lewis et al. 2020): BERT's encoder, and a decoder that also looks at what it made; learnt positions, norms
after each sum, one embedding for inputs, tokens and output. No dropout.

Legend: B batch, T tokens, I inputs of the encoder, D width.
"""

from torch import Tensor, nn

from corpus.errors import ConfigError
from training.families.bart import FIRST_POSITION
from training.models.attention import Attention
from training.models.cache import Cache, LayerCache
from training.models.encoder import PostNormBlock, initialise
from training.models.feedforward import FeedForward
from training.models.mask import Mask
from training.models.model import Batch, Model
from training.models.positions import positions
from training.spec import ModelSpec

INIT_STD = 0.02  # fairseq, bart/model.py, which takes BERT's


class Bart(Model):
    """Logits for the next token of the text, in the light of the whole corrupted text. With segments a token sees the
    inputs of its own document only, and positions begin again with each."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.embedding = nn.Embedding(spec.vocab, spec.width)
        self.encoder = Placed(spec, [PostNormBlock(spec) for _ in range(spec.layers)])
        self.decoder = Placed(spec, [DecoderBlock(spec) for _ in range(spec.decoder_layers)])
        self.output = nn.Linear(spec.width, spec.vocab, bias=False)
        if spec.tied:
            self.output.weight = self.embedding.weight
        initialise(self, lambda weight: nn.init.normal_(weight, std=INIT_STD))

    def encode(self, batch: Batch) -> Tensor:
        """memory_BID. Reads inputs, and input_segments where there are any."""
        segments_BI = batch.get("input_segments")
        x_BID = self._placed(self.encoder, batch["inputs"], segments_BI)
        mask = Mask.within(segments_BI, "all").prepared(batch["inputs"])
        for block in self.encoder.blocks:
            x_BID = block(x_BID, mask)
        return x_BID

    def hidden(self, batch: Batch, cache: Cache | None = None, memory: Tensor | None = None) -> Tensor:
        """BTD. Reads tokens, and segments and input_segments where there are any, and inputs unless `memory` is what
        `encode` made of them; with a cache, tokens that go on from it."""
        tokens_BT, segments_BT = batch["tokens"], batch.get("segments")
        memory_BID = self.encode(batch) if memory is None else memory
        offset = cache.length if cache else 0
        x_BTD = self._placed(self.decoder, tokens_BT, segments_BT, offset)
        own = Mask.within(segments_BT, "past", offset=offset).prepared(tokens_BT)
        across = Mask.across(tokens_BT, segments_BT, batch.get("input_segments"))
        across = across.prepared(tokens_BT, memory_BID.shape[1])
        for n, block in enumerate(self.decoder.blocks):
            x_BTD = block(x_BTD, own, memory_BID, across, cache.layers[n] if cache else None)
        return x_BTD

    def _placed(self, stack: "Placed", tokens_BT: Tensor, segments_BT: Tensor | None, offset: int = 0) -> Tensor:
        """What the first block reads; ConfigError for more tokens than there are positions."""
        if offset + tokens_BT.shape[1] > self.spec.context:
            raise ConfigError(
                f"{offset + tokens_BT.shape[1]} tokens, and the model has {self.spec.context} positions; cut the text, "
                f"or train with a larger context"
            )
        embedded_BTD: Tensor = stack(self.embedding(tokens_BT), positions(tokens_BT, segments_BT, offset))
        return embedded_BTD


class Placed(nn.Module):
    """Tokens with their positions, normed; and the blocks that read them."""

    def __init__(self, spec: ModelSpec, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.positions = nn.Embedding(FIRST_POSITION + spec.context, spec.width)
        self.norm = nn.LayerNorm(spec.width, eps=spec.norm_eps)
        self.blocks = nn.ModuleList(blocks)

    def forward(self, tokens_BTD: Tensor, positions_BT: Tensor) -> Tensor:
        out_BTD: Tensor = self.norm(tokens_BTD + self.positions(positions_BT + FIRST_POSITION))
        return out_BTD


class DecoderBlock(nn.Module):
    """Attention to the past, to the encoder's output, then the feed-forward part; each added to what it read and normed
    (Vaswani et al. 2017, section 3.1)."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.attention = Attention(spec.width, spec.heads, bias=True)
        self.attention_norm = nn.LayerNorm(spec.width, eps=spec.norm_eps)
        self.cross = Attention(spec.width, spec.heads, bias=True)
        self.cross_norm = nn.LayerNorm(spec.width, eps=spec.norm_eps)
        self.ffn = FeedForward(spec.width, spec.ffn, "gelu", bias=True)
        self.ffn_norm = nn.LayerNorm(spec.width, eps=spec.norm_eps)

    def forward(self, x_BTD: Tensor, own: Mask, memory_BID: Tensor, across: Mask, cache: LayerCache | None) -> Tensor:
        x_BTD = self.attention_norm(x_BTD + self.attention(x_BTD, own, cache=cache))
        x_BTD = self.cross_norm(x_BTD + self.cross(x_BTD, across, source_BKD=memory_BID, cache=cache))
        out_BTD: Tensor = self.ffn_norm(x_BTD + self.ffn(x_BTD))
        return out_BTD
