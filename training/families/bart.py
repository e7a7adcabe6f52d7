"""BART (Lewis et al. 2020, sections 2.1 and 4): sizes and parameters."""

from typing import TYPE_CHECKING

from training.families.family import Family, attention, linear
from training.families.multiplies import encoder_decoder

if TYPE_CHECKING:
    from training.spec import ModelSpec

FIRST_POSITION = 2  # rows 0 and 1 of the position tables are never read (fairseq, learned_positional_embedding.py)


def n_params(spec: "ModelSpec") -> int:
    """Embedding, and two stacks of normed embeddings with positions of their own; per layer attention, feed-forward and
    in the decoder cross-attention, each with a norm, all with biases."""
    norm = 2 * spec.width
    attended = attention(spec, bias=True) + norm
    ffn = linear(spec.width, spec.ffn, bias=True) + linear(spec.ffn, spec.width, bias=True) + norm
    positions = (FIRST_POSITION + spec.context) * spec.width + norm
    embeddings = (1 if spec.tied else 2) * spec.vocab * spec.width + 2 * positions
    return embeddings + spec.layers * (attended + ffn) + spec.decoder_layers * (2 * attended + ffn)


def _published(layers: int, width: int) -> dict[str, object]:
    """Heads are 64 wide and the inner width is four times the outer in both."""
    shape = {"layers": layers, "width": width, "heads": width // 64, "ffn": 4 * width}
    return {**shape, "vocab": 50_265, "context": 1024}


BART = Family(
    kind="encoder-decoder",
    n_params=n_params,
    multiplies=encoder_decoder,
    options=frozenset({"decoder_layers"}),
    presets={"bart-base": _published(6, 768), "bart-large": _published(12, 1024)},
)
