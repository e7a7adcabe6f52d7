"""What the project knows of a family of models without torch. A scheduler may read these files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from training.families.multiplies import Positions
    from training.spec import ModelSpec

Kind = Literal["decoder", "encoder", "encoder-decoder"]


@dataclass(frozen=True, kw_only=True)
class Family:
    """Its kind, its exact counts of parameters and of multiply-adds in a forward pass over a row, which optional fields
    of a ModelSpec it reads, whether its feed-forward parts have a gate in any case, whether it can say of two texts if
    one follows the other, and its named sizes (fields of a ModelSpec less family; vocab and context are the published
    ones unless a recipe has its own)."""

    kind: Kind
    n_params: Callable[["ModelSpec"], int]
    multiplies: Callable[["ModelSpec", "Positions"], float]
    options: frozenset[str] = frozenset()
    gated: bool = False
    pairs: bool = False
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def linear(inputs: int, outputs: int, *, bias: bool) -> int:
    """Parameters of a matrix, with its bias."""
    return inputs * outputs + bias * outputs


def attention(spec: "ModelSpec", *, bias: bool) -> int:
    """Parameters of the four matrices of an attention."""
    inner, kv = spec.heads * spec.head_width, spec.kv_heads * spec.head_width
    return (
        2 * linear(spec.width, kv, bias=bias)
        + linear(spec.width, inner, bias=bias)
        + linear(inner, spec.width, bias=bias)
    )
