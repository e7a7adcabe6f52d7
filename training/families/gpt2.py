"""GPT-2 (Radford et al. 2019, table 2; heads from the published models): sizes and parameters."""

from typing import TYPE_CHECKING

from training.families import gpt
from training.families.family import Family
from training.families.multiplies import decoder

if TYPE_CHECKING:
    from training.spec import ModelSpec


def n_params(spec: "ModelSpec") -> int:
    """GPT's, and a last norm."""
    return gpt.n_params(spec) + 2 * spec.width


def _published(layers: int, width: int, heads: int) -> dict[str, int]:
    shape = {"layers": layers, "width": width, "heads": heads, "ffn": 4 * width}
    return {**shape, "vocab": 50_257, "context": 1024}


GPT2 = Family(
    kind="decoder",
    n_params=n_params,
    multiplies=decoder,
    presets={
        "gpt2": _published(12, 768, 12),
        "gpt2-medium": _published(24, 1024, 16),
        "gpt2-large": _published(36, 1280, 20),
        "gpt2-xl": _published(48, 1600, 25),
    },
)
