"""A decoder with learnt positions: what GPT and GPT-2 share. Legend: B batch, T tokens of a row, D width."""

from collections.abc import Callable

from torch import Tensor, nn

from corpus.errors import ConfigError
from training.models.cache import Cache
from training.models.mask import Mask
from training.models.model import Batch
from training.models.positions import positions
from training.spec import ModelSpec


class LearnedDecoder(nn.Module):
    """Embeddings of tokens and positions, then blocks in which a token sees those before it (and, in a prefix, all of
    it). With segments a token sees its own document only, and positions begin again with each."""

    def __init__(self, spec: ModelSpec, block: Callable[[ModelSpec], nn.Module]) -> None:
        super().__init__()
        self.tokens = nn.Embedding(spec.vocab, spec.width)
        self.positions = nn.Embedding(spec.context, spec.width)
        self.blocks = nn.ModuleList(block(spec) for _ in range(spec.layers))

    def forward(self, batch: Batch, cache: Cache | None = None) -> Tensor:
        """BTD. Reads tokens, and segments and prefix where there are any; with a cache, tokens that go on from it."""
        tokens_BT, segments_BT = batch["tokens"], batch.get("segments")
        offset = cache.length if cache else 0
        if offset + tokens_BT.shape[1] > self.positions.num_embeddings:
            raise ConfigError(
                f"{offset + tokens_BT.shape[1]} tokens are more than the context of {self.positions.num_embeddings}, "
                "and positions are learnt: there are none beyond it; shorten the text, or train with a longer context"
            )
        x_BTD: Tensor = self.tokens(tokens_BT) + self.positions(positions(tokens_BT, segments_BT, offset))
        mask = Mask.within(segments_BT, "past", batch.get("prefix"), offset).prepared(tokens_BT)
        for n, block in enumerate(self.blocks):
            x_BTD = block(x_BTD, mask, cache.layers[n] if cache else None)
        return x_BTD
