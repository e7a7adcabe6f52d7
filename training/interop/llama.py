"""Llama as LlamaForCausalLM; with `qk_norm` as Qwen3ForCausalLM, whose gains of queries and keys are then one."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from corpus.errors import DataError
from training.interop.naming import State, backwards, filled, renamed, tensors
from training.interop.settings import Config, spec_from
from training.models import Model

ARCHITECTURES: tuple[str, ...] = ("LlamaForCausalLM", "Qwen3ForCausalLM")
LAYER = "model.layers.{n}."
RULES = [
    ("embedding.weight", "model.embed_tokens.weight"),
    ("blocks.{n}.attention_norm.weight", LAYER + "input_layernorm.weight"),
    ("blocks.{n}.attention.query.weight", LAYER + "self_attn.q_proj.weight"),
    ("blocks.{n}.attention.key.weight", LAYER + "self_attn.k_proj.weight"),
    ("blocks.{n}.attention.value.weight", LAYER + "self_attn.v_proj.weight"),
    ("blocks.{n}.attention.out.weight", LAYER + "self_attn.o_proj.weight"),
    ("blocks.{n}.ffn_norm.weight", LAYER + "post_attention_layernorm.weight"),
    ("blocks.{n}.ffn.gate.weight", LAYER + "mlp.gate_proj.weight"),
    ("blocks.{n}.ffn.up.weight", LAYER + "mlp.up_proj.weight"),
    ("blocks.{n}.ffn.down.weight", LAYER + "mlp.down_proj.weight"),
    ("norm.weight", "model.norm.weight"),
    ("output.weight", "lm_head.weight"),
]
GAINS = ("self_attn.q_norm.weight", "self_attn.k_norm.weight")
NAMES = {
    "layers": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "ffn": "intermediate_size",
    "vocab": "vocab_size",
    "context": "max_position_embeddings",
    "tied": "tie_word_embeddings",
    "norm_eps": "rms_norm_eps",
    "kv_heads": "num_key_value_heads",
    "head_width": "head_dim",
}
FIXED = {
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "use_sliding_window": False,
    "rope_scaling": None,
}


def to_hf(model: Model) -> tuple[Config, State]:
    """Config and weights of LlamaForCausalLM or Qwen3ForCausalLM."""
    spec, state = model.spec, renamed(tensors(model), RULES)
    name, kind = ("Qwen3ForCausalLM", "qwen3") if spec.qk_norm else ("LlamaForCausalLM", "llama")
    if spec.qk_norm:
        one = torch.ones(spec.head_width)
        state |= {f"{LAYER.format(n=n)}{gain}": one.clone() for n in range(spec.layers) for gain in GAINS}
    config: Config = {
        "architectures": [name],
        "model_type": kind,
        "dtype": "float32",
        "bos_token_id": None,
        "eos_token_id": None,
        "rope_theta": spec.rope_base,
        **{theirs: getattr(spec, ours) for ours, theirs in NAMES.items()},
        **FIXED,
    }
    return config, state


def from_hf(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Model:
    """The model of either class; DataError for scaled rotations, biases, or gains of queries and keys but one."""
    qk_norm = config["architectures"] == ["Qwen3ForCausalLM"]
    heads, width = config.get("num_attention_heads"), config.get("hidden_size")
    per_head = width // heads if isinstance(heads, int) and isinstance(width, int) and heads > 0 else None
    spec = spec_from(
        config,
        NAMES,
        fixed=FIXED,
        defaults={
            "tie_word_embeddings": False,
            "rms_norm_eps": 1e-6,
            "num_key_value_heads": heads,
            "head_dim": 128 if qk_norm else per_head,
        },
        family="llama",
        qk_norm=qk_norm,
        rope_base=_rope_base(config),
    )
    gains = {name for name in state if qk_norm and name.endswith(GAINS)}
    if unusual := sorted(name for name in gains if not (state[name] == 1).all()):
        raise DataError(f"{len(unusual)} gains of queries and keys are not one ({unusual[0]}); ours has none")
    return filled(spec, renamed({name: state[name] for name in state if name not in gains}, backwards(RULES)))


def _rope_base(config: Mapping[str, Any]) -> float:
    """Where newer configs keep it, and where older ones do."""
    said = config.get("rope_parameters") or {"rope_theta": config.get("rope_theta", 10_000.0)}
    if not isinstance(said, dict) or said.get("rope_type", "default") != "default":
        raise DataError(f"config rope_parameters is {said!r}; only plain rotary positions can be read")
    base = said.get("rope_theta")
    if not isinstance(base, int | float):
        raise DataError(f"config rope_theta is {base!r}; it must be a number")
    return float(base)
