"""GPT (Radford et al. 2018, section 4.1): sizes and parameters."""

from typing import TYPE_CHECKING

from training.families.family import Family, attention, linear
from training.families.multiplies import decoder

if TYPE_CHECKING:
    from training.spec import ModelSpec


def n_params(spec: "ModelSpec") -> int:
    """Embeddings of tokens and positions, per layer attention + feed-forward + two norms, and an untied output."""
    feed_forward = linear(spec.width, spec.ffn, bias=True) + linear(spec.ffn, spec.width, bias=True)
    layer = attention(spec, bias=True) + feed_forward + 4 * spec.width
    embeddings = ((1 if spec.tied else 2) * spec.vocab + spec.context) * spec.width
    return embeddings + spec.layers * layer


GPT = Family(
    kind="decoder",
    n_params=n_params,
    multiplies=decoder,
    presets={"gpt": {"layers": 12, "width": 768, "heads": 12, "ffn": 3072, "vocab": 40_478, "context": 512}},
)
