"""transformers' RobertaForMaskedLM. It counts positions from the padding token's id + 1: padding must be token 1."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from training.families.roberta import FIRST_POSITION, TYPES
from training.interop.bert import ENCODER, NAMES, encoder_rules, settings, without_copy
from training.interop.naming import Rules, State, backwards, filled, renamed, tensors
from training.interop.settings import Config, spec_from
from training.models import Model

ARCHITECTURES: tuple[str, ...] = ("RobertaForMaskedLM",)

FIXED = {**ENCODER, "model_type": "roberta", "type_vocab_size": TYPES, "pad_token_id": FIRST_POSITION - 1}

RULES: Rules = [
    *encoder_rules("roberta"),
    ("masked_head.dense.{p}", "lm_head.dense.{p}"),
    ("masked_head.norm.{p}", "lm_head.layer_norm.{p}"),
    ("output.bias", "lm_head.bias"),
    ("output.{p}", "lm_head.decoder.{p}"),
]


def to_hf(model: Model) -> tuple[Config, State]:
    """Config and weights; ConfigError for a model whose output matrix is not its embedding."""
    config = settings(model, FIXED, ARCHITECTURES)
    rows = model.spec.context + FIRST_POSITION
    return {**config, "max_position_embeddings": rows}, renamed(tensors(model), RULES)


def from_hf(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Model:
    """Our model; DataError where config or weights are not one of theirs."""
    rows = config.get("max_position_embeddings")
    if isinstance(rows, int):
        config = {**config, "max_position_embeddings": rows - FIRST_POSITION}
    spec = spec_from(config, NAMES, fixed=FIXED, defaults={}, family="roberta")
    once = without_copy(state, "lm_head.decoder.bias", of="lm_head.bias")
    return filled(spec, renamed(once, backwards(RULES)))
