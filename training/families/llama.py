"""Llama (Touvron et al. 2023, table 2): sizes and parameters."""

from typing import TYPE_CHECKING

from training.families.family import Family, attention, linear
from training.families.multiplies import decoder

if TYPE_CHECKING:
    from training.spec import ModelSpec


def n_params(spec: "ModelSpec") -> int:
    """Embedding, per layer attention + SwiGLU + two norms, last norm, and an untied output."""
    layer = attention(spec, bias=False) + 3 * linear(spec.width, spec.ffn, bias=False) + 2 * spec.width
    embeddings = (1 if spec.tied else 2) * spec.vocab * spec.width
    return embeddings + spec.layers * layer + spec.width


def _published(layers: int, width: int, heads: int, ffn: int) -> dict[str, object]:
    shape = {"layers": layers, "width": width, "heads": heads, "ffn": ffn, "vocab": 32_000, "context": 2048}
    return {**shape, "tied": False, "norm_eps": 1e-6}


LLAMA = Family(
    kind="decoder",
    n_params=n_params,
    multiplies=decoder,
    gated=True,
    options=frozenset({"kv_heads", "head_width", "qk_norm", "rope_base"}),
    presets={
        "tiny-decoder": {
            "layers": 2, "width": 256, "heads": 4, "ffn": 688, "vocab": 8192, "context": 256, "qk_norm": True,
        },
        # TinyLlama (Zhang et al. 2024, table 1), a Llama with grouped queries
        "llama-1b": {**_published(22, 2048, 32, 5632), "kv_heads": 4, "norm_eps": 1e-5},
        "llama-7b": _published(32, 4096, 32, 11_008),
        "llama-13b": _published(40, 5120, 40, 13_824),
        "llama-33b": _published(60, 6656, 52, 17_920),
        "llama-65b": _published(80, 8192, 64, 22_016),
    },
)  # fmt: skip
