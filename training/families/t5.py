"""T5 (Raffel et al. 2020): sizes and parameters of the encoder-decoder and of the decoder alone."""

from typing import TYPE_CHECKING

from training.families.family import Family, attention, linear
from training.families.multiplies import decoder, encoder_decoder

if TYPE_CHECKING:
    from training.spec import ModelSpec


def n_params(spec: "ModelSpec") -> int:
    """Embeddings and two stacks; shared ones have the decoder's parameters, of which the encoder uses all but the
    cross-attention."""
    encoder = 0 if spec.shared else _stack(spec, spec.layers, cross=False)
    return _embeddings(spec) + encoder + _stack(spec, spec.decoder_layers, cross=True)


def n_params_lm(spec: "ModelSpec") -> int:
    """Embeddings and one stack."""
    return _embeddings(spec) + _stack(spec, spec.layers, cross=False)


def _embeddings(spec: "ModelSpec") -> int:
    return (1 if spec.tied else 2) * spec.vocab * spec.width


def _stack(spec: "ModelSpec", layers: int, *, cross: bool) -> int:
    """Per layer attention, feed-forward and perhaps cross-attention, each with a gain; the last gain; the biases of
    distances, which the layers share."""
    ffn = (3 if spec.gated else 2) * linear(spec.width, spec.ffn, bias=False)
    layer = (1 + cross) * attention(spec, bias=False) + ffn + (2 + cross) * spec.width
    return layers * layer + spec.width + spec.relative_buckets * spec.heads


def _published(layers: int, width: int, heads: int, ffn: int, **more: object) -> dict[str, object]:
    shape = {"layers": layers, "width": width, "heads": heads, "ffn": ffn, "vocab": 32_128, "context": 512}
    return {**shape, "head_width": 64, "norm_eps": 1e-6, **more}


V1_1 = {"gated": True, "tied": False}
BASE = _published(12, 768, 12, 3072)
LM = {**BASE, "context": 1024}  # inputs and targets in one row

T5 = Family(
    kind="encoder-decoder",
    n_params=n_params,
    multiplies=encoder_decoder,
    options=frozenset(
        {"head_width", "decoder_layers", "gated", "shared", "relative_buckets", "relative_distance"},
    ),
    presets={
        # Raffel et al. 2020, section 3.7
        "t5-small": _published(6, 512, 8, 2048),
        "t5-base": BASE,
        "t5-large": _published(24, 1024, 16, 4096),
        "t5-3b": _published(24, 1024, 32, 16_384, head_width=128),
        "t5-11b": _published(24, 1024, 128, 65_536, head_width=128),
        # google-research/text-to-text-transfer-transformer, released_checkpoints.md and gin/models/t5.1.1.*
        "t5-v1_1-small": _published(8, 512, 6, 1024, **V1_1),
        "t5-v1_1-base": _published(12, 768, 12, 2048, **V1_1),
        "t5-v1_1-large": _published(24, 1024, 16, 2816, **V1_1),
        "t5-v1_1-xl": _published(24, 2048, 32, 5120, **V1_1),
        "t5-v1_1-xxl": _published(24, 4096, 64, 10_240, **V1_1),
        # ... section 3.2.2, table 2; t5-base is its first line (gin/models/bi_v1_shared, bi_v1_l6)
        "t5-base-shared": {**BASE, "shared": True},
        "t5-base-6-layers": {**BASE, "layers": 6},
    },
)

T5_LM = Family(
    kind="decoder",
    n_params=n_params_lm,
    multiplies=decoder,
    options=frozenset({"head_width", "gated", "relative_buckets", "relative_distance", "relative_both_ways"}),
    presets={  # table 2's last two architectures (gin/models/lm_v1, lm_v1_ifa)
        "t5-lm-base": LM,
        "t5-prefix-lm-base": {**LM, "relative_both_ways": True},
    },
)
