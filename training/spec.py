"""ModelSpec: what a model is, in numbers, checked when it is made. No torch here: a scheduler may read this file."""

from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from corpus.errors import ConfigError
from training.families import FAMILIES, Family
from training.families.family import Kind
from training.families.multiplies import Positions
from training.fields import check, unknown

SIZES = ("layers", "width", "heads", "ffn", "vocab", "context", "kv_heads", "head_width")


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """The shape of one model. The fields after `norm_eps` are options of some families; for another family they must
    stay as they are.

    `ffn` is the inner width of a block's feed-forward part (three matrices of width x ffn where it is gated); `layers`
    are the encoder's where there are two stacks. `context` is the longest row.
    """

    family: str = "llama"
    layers: int
    width: int
    heads: int
    ffn: int
    vocab: int
    context: int
    tied: bool = True  # the output matrix is the embedding
    norm_eps: float = 1e-5
    kv_heads: int = 0  # heads of keys and values; 0: as many as heads
    head_width: int = 0  # numbers in one head's query; 0: width / heads
    qk_norm: bool = False  # queries and keys of unit scale
    rope_base: float = 10_000.0  # Su et al. 2021, RoFormer, section 3.3
    decoder_layers: int = 0  # 0: as many as layers
    gated: bool = False  # feed-forward parts with a gate
    shared: bool = False  # encoder and decoder share their parameters
    relative_buckets: int = 32  # Raffel et al. 2020, section 2.1
    relative_distance: int = 128  # ... the distance from which all share a bucket
    relative_both_ways: bool = False  # a decoder's buckets tell after from before, as a prefix LM's must

    def __post_init__(self) -> None:
        check("model", vars(self), {field.name: field.type for field in fields(self)})
        if self.family not in FAMILIES:
            raise ConfigError(f'model family "{self.family}" {unknown(self.family, FAMILIES)}')
        derived = {
            "kv_heads": self.heads,
            "head_width": self.width // max(self.heads, 1),
            "decoder_layers": self.layers if "decoder_layers" in self.about.options else 0,
        }
        self._check_options(derived)
        if self.heads >= 1 and not self.head_width and self.width % self.heads:
            raise ConfigError(
                f"model width {self.width} does not split over {self.heads} heads; take a multiple of {self.heads}, "
                f"or say head_width"
            )
        for name, value in derived.items():
            object.__setattr__(self, name, getattr(self, name) or value)
        self._check_sizes()

    def _check_options(self, derived: dict[str, int]) -> None:
        known = self.about.options
        for option in fields(self)[_N_COMMON:]:
            unset = option.default, derived.get(option.name)  # a spec that was written out says what it derived
            if option.name not in known and getattr(self, option.name) not in unset:
                raise ConfigError(
                    f'model {option.name} is {getattr(self, option.name)}, but the family "{self.family}" has no such '
                    f"option; leave it out"
                )

    def _check_sizes(self) -> None:
        for name in (*SIZES, *({"decoder_layers"} & self.about.options)):
            if getattr(self, name) < 1:
                raise ConfigError(f"model {name} is {getattr(self, name)}; it must be 1 or more")
        if "rope_base" in self.about.options and self.head_width % 2:
            raise ConfigError(
                f"model head width {self.head_width} is odd, and rotary positions turn pairs; take a width that is a "
                f"multiple of {2 * self.heads}"
            )
        if self.shared and self.decoder_layers != self.layers:
            raise ConfigError(
                f"model layers {self.layers} and decoder_layers {self.decoder_layers} cannot share their parameters; "
                f"leave decoder_layers out"
            )
        if self.heads % self.kv_heads:
            raise ConfigError(
                f"model heads {self.heads} cannot share {self.kv_heads} kv_heads evenly; take a divisor of {self.heads}"
            )
        if self.relative_buckets < 4 or self.relative_distance <= self.relative_buckets // 2:
            raise ConfigError(
                f"model relative_buckets {self.relative_buckets} must be 4 or more, and relative_distance "
                f"{self.relative_distance} above half of them, which are single distances"
            )
        if self.rope_base <= 0 or self.norm_eps <= 0:
            raise ConfigError(
                f"model rope_base {self.rope_base} and norm_eps {self.norm_eps} must be above 0; leave them out "
                "for the usual values"
            )

    @property
    def about(self) -> Family:
        """What is known of its family."""
        return FAMILIES[self.family]

    @property
    def kind(self) -> Kind:
        """Encoder, decoder, or both."""
        return self.about.kind

    @property
    def ffn_matrices(self) -> int:
        """Of a feed-forward part: up and down, and a gate where it has one."""
        return 3 if self.gated or self.about.gated else 2

    def identity(self) -> dict[str, Any]:
        """Its numbers, without the options that its family does not have."""
        unread = {option.name for option in fields(self)[_N_COMMON:]} - self.about.options
        return {name: value for name, value in asdict(self).items() if name not in unread}

    def n_params(self) -> int:
        """Exact count of trainable numbers; a tied output matrix counts once."""
        return self.about.n_params(self)

    def flops(self, row: Positions) -> int:
        """Training FLOPs for one row: a multiply-add is 2, and the backward pass has two for each of the forward one
        (Chowdhery et al. 2022, PaLM, appendix B). What is computed again to save memory counts nothing."""
        return round(6 * self.about.multiplies(self, row))

    def flops_per_token(self) -> int:
        """A decoder's training FLOPs for one token of a full row."""
        return self.flops(Positions(self.context)) // self.context


_N_COMMON = [field.name for field in fields(ModelSpec)].index("norm_eps") + 1


def presets() -> dict[str, dict[str, Any]]:
    """The fields of every named size."""
    return {
        name: {"family": family, **shape} for family, about in FAMILIES.items() for name, shape in about.presets.items()
    }


def preset(name: str, **changes: Any) -> ModelSpec:
    """A named size, with some fields changed (a recipe's vocabulary, its context); ConfigError for an unknown name or
    another family, whose sizes these are not."""
    known = presets()
    if name not in known:
        raise ConfigError(f'model preset "{name}" {unknown(name, known)}')
    if (family := changes.get("family", known[name]["family"])) != known[name]["family"]:
        raise ConfigError(
            f'model preset "{name}" is of the family "{known[name]["family"]}", not "{family}"; leave family out, or '
            f"give a size of that family"
        )
    return model(**known[name] | changes)


def model(**given: Any) -> ModelSpec:
    """The spec of fields that a person gave; ConfigError for one that it does not have, or that is missing."""
    check("model", given, {field.name: field.type for field in fields(ModelSpec)})
    missing = [field.name for field in fields(ModelSpec) if field.default is MISSING and field.name not in given]
    if missing:
        raise ConfigError(f"model lacks {', '.join(missing)}; give them, or the name of a size as preset")
    return ModelSpec(**given)
