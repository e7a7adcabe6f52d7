"""transformers' BertForPreTraining, which keeps the bias of the output matrix under two names."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from corpus.errors import ConfigError
from training.families.bert import TYPES
from training.interop.naming import Rules, State, backwards, filled, renamed, tensors
from training.interop.settings import Config, spec_from
from training.models import Model

ARCHITECTURES: tuple[str, ...] = ("BertForPreTraining",)

NAMES = {
    "layers": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "ffn": "intermediate_size",
    "vocab": "vocab_size",
    "context": "max_position_embeddings",
    "norm_eps": "layer_norm_eps",
}
ENCODER = {"hidden_act": "gelu", "is_decoder": False, "add_cross_attention": False, "tie_word_embeddings": True}
FIXED = {**ENCODER, "model_type": "bert", "type_vocab_size": TYPES}
UNUSED = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}  # ours have no dropout


def encoder_rules(root: str) -> list[tuple[str, str]]:
    """Names of the encoder's weights, theirs under `root`."""
    ours, theirs = "encoder.blocks.{n}.", f"{root}.encoder.layer.{{n}}."
    return [
        ("encoder.tokens.weight", f"{root}.embeddings.word_embeddings.weight"),
        ("encoder.positions.weight", f"{root}.embeddings.position_embeddings.weight"),
        ("encoder.types.weight", f"{root}.embeddings.token_type_embeddings.weight"),
        ("encoder.norm.{p}", f"{root}.embeddings.LayerNorm.{{p}}"),
        (ours + "attention.out.{p}", theirs + "attention.output.dense.{p}"),
        (ours + "attention.{q}.{p}", theirs + "attention.self.{q}.{p}"),
        (ours + "attention_norm.{p}", theirs + "attention.output.LayerNorm.{p}"),
        (ours + "ffn.up.{p}", theirs + "intermediate.dense.{p}"),
        (ours + "ffn.down.{p}", theirs + "output.dense.{p}"),
        (ours + "ffn_norm.{p}", theirs + "output.LayerNorm.{p}"),
    ]


RULES: Rules = [
    *encoder_rules("bert"),
    ("pooler.{p}", "bert.pooler.dense.{p}"),
    ("next_sentence.{p}", "cls.seq_relationship.{p}"),
    ("masked_head.dense.{p}", "cls.predictions.transform.dense.{p}"),
    ("masked_head.norm.{p}", "cls.predictions.transform.LayerNorm.{p}"),
    ("output.bias", "cls.predictions.bias"),
    ("output.{p}", "cls.predictions.decoder.{p}"),
]


def to_hf(model: Model) -> tuple[Config, State]:
    """Config and weights; ConfigError for a model whose output matrix is not its embedding."""
    return settings(model, FIXED, ARCHITECTURES), renamed(tensors(model), RULES)


def from_hf(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Model:
    """Our model; DataError where config or weights are not one of theirs."""
    spec = spec_from(config, NAMES, fixed=FIXED, defaults={}, family="bert")
    once = without_copy(state, "cls.predictions.decoder.bias", of="cls.predictions.bias")
    return filled(spec, renamed(once, backwards(RULES)))


def settings(model: Model, fixed: Mapping[str, Any], architectures: tuple[str, ...]) -> Config:
    """An encoder's config; ConfigError for one whose output matrix is not its embedding."""
    if not model.spec.tied:
        raise ConfigError(f"{architectures[0]} has its embedding as output matrix; train the model with tied: true")
    numbers = {theirs: getattr(model.spec, ours) for ours, theirs in NAMES.items()}
    return {"architectures": list(architectures), **fixed, **UNUSED, **numbers}


def without_copy(state: Mapping[str, Tensor], name: str, *, of: str) -> Mapping[str, Tensor]:
    """The state less `name`, where that is `of` once more: so in a live model's state, and not in its file."""
    if name in state and of in state and torch.equal(state[name], state[of]):
        return {other: tensor for other, tensor in state.items() if other != name}
    return state
