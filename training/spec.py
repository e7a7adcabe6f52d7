"""ModelSpec: what a model is, in numbers, checked when it is made. No torch here: a scheduler may read this file.

One entry in PARAMETERS for each family says how its parameters are counted; the torch classes stand in
`training/models/` under the same names.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from corpus.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """The shape of one model. `ffn` is the width inside a SwiGLU block (three matrices of width x ffn); the usual
    choice, 8/3 x width, gives it the parameters of a plain block of 4 x width (Shazeer 2020, GLU variants)."""

    family: str = "decoder"
    layers: int
    width: int
    heads: int
    kv_heads: int
    ffn: int
    vocab: int
    context: int
    tied: bool = True
    qk_norm: bool = True
    rope_base: float = 10_000.0  # Su et al. 2021, RoFormer, section 3.3
    norm_eps: float = 1e-5  # Llama's

    def __post_init__(self) -> None:
        if self.family not in PARAMETERS:
            raise ConfigError(f'model family "{self.family}" is unknown; known: {", ".join(sorted(PARAMETERS))}')
        for field in ("layers", "width", "heads", "kv_heads", "ffn", "vocab", "context"):
            if getattr(self, field) < 1:
                raise ConfigError(f"model {field} is {getattr(self, field)}; it must be 1 or more")
        if self.width % (2 * self.heads):
            raise ConfigError(
                f"model width {self.width} over {self.heads} heads gives no even head width, which rotary positions "
                f"need; take a width that is a multiple of {2 * self.heads}"
            )
        if self.heads % self.kv_heads:
            raise ConfigError(
                f"model heads {self.heads} cannot share {self.kv_heads} kv_heads evenly; take a divisor of {self.heads}"
            )
        if self.rope_base <= 0 or self.norm_eps <= 0:
            raise ConfigError(
                f"model rope_base {self.rope_base} and norm_eps {self.norm_eps} must be above 0; leave them out "
                "for the usual values"
            )

    @property
    def head_width(self) -> int:
        """Numbers in one head's query."""
        return self.width // self.heads

    def n_params(self) -> int:
        """Exact count of trainable numbers; a tied output matrix counts once."""
        return PARAMETERS[self.family](self)

    def flops_per_token(self) -> int:
        """Training FLOPs for one token of a full row, forward and backward: 6 for each weight that multiplies (the
        output matrix too, tied or not; a look-up costs nothing) and 12 x layers x width x context for attention, not
        halved for causality (Chowdhery et al. 2022, PaLM, appendix B)."""
        lookup = 0 if self.tied else self.vocab * self.width
        return 6 * (self.n_params() - lookup) + 12 * self.layers * self.width * self.context


def decoder_params(spec: ModelSpec) -> int:
    """Embedding, per layer attention + SwiGLU + two norms, last norm, and an untied output."""
    kv_width = spec.kv_heads * spec.head_width
    attention = 2 * spec.width * spec.width + 2 * spec.width * kv_width
    layer = attention + 3 * spec.width * spec.ffn + 2 * spec.width
    embeddings = (1 if spec.tied else 2) * spec.vocab * spec.width
    return embeddings + spec.layers * layer + spec.width


PARAMETERS: dict[str, Callable[[ModelSpec], int]] = {"decoder": decoder_params}

PRESETS: dict[str, ModelSpec] = {
    "tiny-decoder": ModelSpec(layers=2, width=256, heads=4, kv_heads=4, ffn=688, vocab=8192, context=256),
}


def preset(name: str, *, vocab: int, context: int) -> ModelSpec:
    """A named shape with the recipe's vocabulary and context; an unknown name is a ConfigError."""
    if name not in PRESETS:
        raise ConfigError(f'model preset "{name}" is unknown; known: {", ".join(sorted(PRESETS))}')
    return replace(PRESETS[name], vocab=vocab, context=context)
