"""BERT (Devlin et al. 2019, section 3): sizes and parameters."""

from typing import TYPE_CHECKING

from training.families.family import Family, attention, linear
from training.families.multiplies import Positions, output, stack

if TYPE_CHECKING:
    from training.spec import ModelSpec

TYPES = 2  # the first text of a pair and the second


def n_params(spec: "ModelSpec") -> int:
    """Encoder, pooler, next-sentence head and the head of masked tokens."""
    pooler = linear(spec.width, spec.width, bias=True)
    return encoder(spec, rows=spec.context, types=TYPES) + pooler + linear(spec.width, 2, bias=True) + lm_head(spec)


def encoder(spec: "ModelSpec", *, rows: int, types: int) -> int:
    """Embeddings of tokens, positions (`rows` of them) and types with a norm; per layer attention + feed-forward + two
    norms, all with biases."""
    norm = 2 * spec.width
    ffn = linear(spec.width, spec.ffn, bias=True) + linear(spec.ffn, spec.width, bias=True)
    embeddings = (spec.vocab + rows + types) * spec.width + norm
    return embeddings + spec.layers * (attention(spec, bias=True) + ffn + 2 * norm)


def lm_head(spec: "ModelSpec") -> int:
    """Matrix and norm before the output matrix, whose bias is its own also where its weight is the embedding."""
    output = spec.vocab + (0 if spec.tied else spec.vocab * spec.width)
    return linear(spec.width, spec.width, bias=True) + 2 * spec.width + output


def multiplies(spec: "ModelSpec", row: Positions) -> float:
    """Encoder and head of masked tokens; the pooler and the next-sentence head see one position of a row."""
    return multiplies_masked(spec, row) + row.pairs * (spec.width + 2) * spec.width


def multiplies_masked(spec: "ModelSpec", row: Positions) -> float:
    """The encoder over all positions; the head of masked tokens and the output matrix over targets alone."""
    head = row.targets * spec.width * spec.width + output(spec, row.targets)
    return stack(spec, spec.layers, row.tokens) + head


def _published(layers: int, width: int) -> dict[str, object]:
    """Heads are 64 wide and the inner width is four times the outer in all of them."""
    shape = {"layers": layers, "width": width, "heads": width // 64, "ffn": 4 * width, "vocab": 30_522, "context": 512}
    return {**shape, "norm_eps": 1e-12}


BERT = Family(
    kind="encoder",
    pairs=True,
    n_params=n_params,
    multiplies=multiplies,
    presets={
        # Turc et al. 2019, Well-Read Students Learn Better; google-research/bert, README.md
        "bert-tiny": _published(2, 128),
        "bert-mini": _published(4, 256),
        "bert-small": _published(4, 512),
        "bert-medium": _published(8, 512),
        "bert-base": _published(12, 768),
        "bert-large": _published(24, 1024),
    },
)
