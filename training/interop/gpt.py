"""GPT as OpenAIGPTLMHeadModel: queries, keys and values in one matrix, all matrices inputs x outputs."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from corpus.errors import ConfigError
from training.interop.naming import State, backwards, filled, renamed, tensors
from training.interop.settings import Config, spec_from
from training.models import Model

ARCHITECTURES: tuple[str, ...] = ("OpenAIGPTLMHeadModel",)
BLOCK, LAYER = "decoder.blocks.{n}.", "transformer.h.{n}."
LAYER_RULES = [
    (BLOCK + "attention.fused.{p}", LAYER + "attn.c_attn.{p}"),
    (BLOCK + "attention.out.{p}", LAYER + "attn.c_proj.{p}"),
    (BLOCK + "attention_norm.{p}", LAYER + "ln_1.{p}"),
    (BLOCK + "ffn.up.{p}", LAYER + "mlp.c_fc.{p}"),
    (BLOCK + "ffn.down.{p}", LAYER + "mlp.c_proj.{p}"),
    (BLOCK + "ffn_norm.{p}", LAYER + "ln_2.{p}"),
    ("output.weight", "lm_head.weight"),
]
RULES = [
    ("decoder.tokens.weight", "transformer.tokens_embed.weight"),
    ("decoder.positions.weight", "transformer.positions_embed.weight"),
    *LAYER_RULES,
]
NAMES = {
    "layers": "n_layer",
    "width": "n_embd",
    "heads": "n_head",
    "vocab": "vocab_size",
    "context": "n_positions",
    "tied": "tie_word_embeddings",
    "norm_eps": "layer_norm_epsilon",
}
DEFAULTS = {"tie_word_embeddings": True, "layer_norm_epsilon": 1e-5}
NO_DROPOUT = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
FIXED = {"afn": "gelu"}  # the tanh form, by that name
QKV = ("query", "key", "value")
CONSTANT = re.compile(r"(transformer\.)?h\.\d+\.attn\.(masked_)?bias")  # causal masks in published files


def to_hf(model: Model) -> tuple[Config, State]:
    """Config and weights of OpenAIGPTLMHeadModel."""
    spec = model.spec
    if spec.ffn != 4 * spec.width:
        raise ConfigError(f"model ffn is {spec.ffn}; OpenAIGPTLMHeadModel has 4 x width = {4 * spec.width} only")
    config: Config = {
        "architectures": list(ARCHITECTURES),
        "model_type": "openai-gpt",
        "dtype": "float32",
        **{theirs: getattr(spec, ours) for ours, theirs in NAMES.items()},
        **FIXED,
        **NO_DROPOUT,
    }
    return config, to_conv1d(tensors(model), RULES)


def from_hf(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Model:
    """The model; published files without "transformer." before the names are read too."""
    spec = spec_from(config, NAMES, fixed=FIXED, defaults=DEFAULTS, family="gpt", ffn=_ffn(config))
    return filled(spec, from_conv1d(state, RULES))


def to_conv1d(state: State, rules: list[tuple[str, str]]) -> State:
    """Their names, with one matrix for queries, keys and values, and matrices transposed."""
    fused: State = {}
    for name, tensor in state.items():
        if ".attention.query." in name:
            parts = [state[name.replace("query", part)] for part in QKV]
            fused[name.replace("query", "fused")] = torch.cat(parts)
        elif not any(f".attention.{part}." in name for part in QKV):
            fused[name] = tensor
    return _transposed(renamed(fused, rules))


def from_conv1d(state: Mapping[str, Tensor], rules: list[tuple[str, str]]) -> State:
    """Our names, the other way round."""
    weights = {name: tensor for name, tensor in state.items() if not CONSTANT.fullmatch(name)}
    if not any(name.startswith("transformer.") for name in weights):
        weights = {f"transformer.{name}": tensor for name, tensor in weights.items()}
    split: State = {}
    for name, tensor in renamed(_transposed(weights), backwards(rules)).items():
        if ".fused." in name and tensor.dim() and tensor.shape[0] % 3 == 0:
            split |= {name.replace("fused", part): piece for part, piece in zip(QKV, tensor.chunk(3), strict=True)}
        else:
            split[name] = tensor
    return split


def _transposed(state: State) -> State:
    return {
        name: tensor.T if ".c_" in name and name.endswith(".weight") and tensor.dim() == 2 else tensor
        for name, tensor in state.items()
    }


def _ffn(config: Mapping[str, Any]) -> int | None:
    width = config.get("n_embd")
    return 4 * width if isinstance(width, int) else None
