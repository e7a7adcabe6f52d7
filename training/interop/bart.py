"""transformers' BartForConditionalGeneration, which keeps the embedding under three names and a bias of the output that
is not trained: zero, and ours has none."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from corpus.errors import ConfigError, DataError
from training.interop.bert import without_copy
from training.interop.naming import Rules, State, backwards, filled, renamed, tensors
from training.interop.settings import Config, spec_from
from training.models import Model

ARCHITECTURES: tuple[str, ...] = ("BartForConditionalGeneration",)

NAMES = {
    "layers": "encoder_layers",
    "decoder_layers": "decoder_layers",
    "width": "d_model",
    "heads": "encoder_attention_heads",
    "ffn": "encoder_ffn_dim",
    "vocab": "vocab_size",
    "context": "max_position_embeddings",
}
SAME = {"decoder_attention_heads": "encoder_attention_heads", "decoder_ffn_dim": "encoder_ffn_dim"}
FIXED = {
    "model_type": "bart",
    "is_encoder_decoder": True,
    "activation_function": "gelu",
    "scale_embedding": False,
    "tie_word_embeddings": True,
}
OLDER = {  # settings of other models of the class, in configs from before 2021
    "add_final_layer_norm": False,
    "normalize_before": False,
    "normalize_embedding": True,
    "static_position_embeddings": False,
}
EPS = 1e-5  # torch's own, which their config does not tell
UNUSED = {"dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0}  # ours have no dropout
COPIES = ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight")
BIAS = "final_logits_bias"


def _part(stack: str, ours: str, theirs: str) -> tuple[str, str]:
    return f"{stack}.blocks.{{n}}.{ours}.{{p}}", f"model.{stack}.layers.{{n}}.{theirs}.{{p}}"


def _attention(stack: str, ours: str, theirs: str) -> list[tuple[str, str]]:
    matrices = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "out": "out_proj"}
    named = [_part(stack, f"{ours}.{matrix}", f"{theirs}.{name}") for matrix, name in matrices.items()]
    return [*named, _part(stack, f"{ours}_norm", f"{theirs}_layer_norm")]


def _stack(stack: str) -> list[tuple[str, str]]:
    return [
        (f"{stack}.positions.weight", f"model.{stack}.embed_positions.weight"),
        (f"{stack}.norm.{{p}}", f"model.{stack}.layernorm_embedding.{{p}}"),
        *_attention(stack, "attention", "self_attn"),
        _part(stack, "ffn.up", "fc1"),
        _part(stack, "ffn.down", "fc2"),
        _part(stack, "ffn_norm", "final_layer_norm"),
    ]


RULES: Rules = [
    ("embedding.weight", "model.shared.weight"),
    ("output.weight", "lm_head.weight"),
    *_stack("encoder"),
    *_stack("decoder"),
    *_attention("decoder", "cross", "encoder_attn"),
]


def to_hf(model: Model) -> tuple[Config, State]:
    """Config and weights; ConfigError for a model whose output matrix is not its embedding, or with another epsilon."""
    spec = model.spec
    if not spec.tied or spec.norm_eps != EPS:
        raise ConfigError(
            f"{ARCHITECTURES[0]} has its embedding as output matrix and norm_eps {EPS}; train the model with both"
        )
    numbers = {theirs: getattr(spec, ours) for ours, theirs in NAMES.items()}
    same = {theirs: numbers[other] for theirs, other in SAME.items()}
    state = renamed(tensors(model), RULES) | {BIAS: torch.zeros(1, spec.vocab)}
    return {"architectures": list(ARCHITECTURES), **FIXED, **UNUSED, **numbers, **same}, state


def from_hf(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Model:
    """Our model; DataError where config or weights are not one of theirs, or where the bias is not zero."""
    for name, other in SAME.items():
        if config.get(name) != config.get(other):
            raise DataError(f"config {name} is {config.get(name)} and {other} {config.get(other)}; ours are the same")
    if BIAS in state and state[BIAS].any():
        raise DataError(f"{BIAS} is not zero, and our output has no bias")
    once = {name: state[name] for name in state if name != BIAS}
    for name in COPIES:
        once = dict(without_copy(once, name, of="model.shared.weight"))
    spec = spec_from(config, NAMES, fixed=FIXED | OLDER, family="bart", norm_eps=EPS)
    return filled(spec, renamed(once, backwards(RULES)))
