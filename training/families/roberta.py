"""RoBERTa (Liu et al. 2019, appendix A): sizes and parameters."""

from typing import TYPE_CHECKING

from training.families.bert import encoder, lm_head, multiplies_masked
from training.families.family import Family

if TYPE_CHECKING:
    from training.spec import ModelSpec

TYPES = 1  # of no use to the model; the published weights have it
FIRST_POSITION = 2  # fairseq counts positions from padding_idx + 1, and its padding is token 1


def n_params(spec: "ModelSpec") -> int:
    """Encoder and the head of masked tokens."""
    return encoder(spec, rows=FIRST_POSITION + spec.context, types=TYPES) + lm_head(spec)


def _published(layers: int, width: int) -> dict[str, object]:
    shape = {"layers": layers, "width": width, "heads": width // 64, "ffn": 4 * width, "vocab": 50_265, "context": 512}
    return {**shape, "norm_eps": 1e-5}


ROBERTA = Family(
    kind="encoder",
    n_params=n_params,
    multiplies=multiplies_masked,
    presets={"roberta-base": _published(12, 768), "roberta-large": _published(24, 1024)},
)
