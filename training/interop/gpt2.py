"""GPT-2 as GPT2LMHeadModel."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from training.interop.gpt import DEFAULTS, LAYER_RULES, NAMES, NO_DROPOUT, from_conv1d, to_conv1d
from training.interop.naming import State, filled, tensors
from training.interop.settings import Config, spec_from
from training.models import Model

ARCHITECTURES: tuple[str, ...] = ("GPT2LMHeadModel",)
RULES = [
    ("decoder.tokens.weight", "transformer.wte.weight"),
    ("decoder.positions.weight", "transformer.wpe.weight"),
    *LAYER_RULES,
    ("norm.{p}", "transformer.ln_f.{p}"),
]
FIXED = {
    "activation_function": "gelu_new",
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
}


def to_hf(model: Model) -> tuple[Config, State]:
    """Config and weights of GPT2LMHeadModel."""
    config: Config = {
        "architectures": list(ARCHITECTURES),
        "model_type": "gpt2",
        "dtype": "float32",
        "bos_token_id": None,
        "eos_token_id": None,
        "n_inner": model.spec.ffn,
        **{theirs: getattr(model.spec, ours) for ours, theirs in NAMES.items()},
        **FIXED,
        **NO_DROPOUT,
    }
    return config, to_conv1d(tensors(model), RULES)


def from_hf(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Model:
    """The model; published files without "transformer." before the names are read too."""
    names, width = {**NAMES, "ffn": "n_inner"}, config.get("n_embd")
    defaults = {**DEFAULTS, "n_inner": 4 * width if isinstance(width, int) else None}
    return filled(spec_from(config, names, fixed=FIXED, defaults=defaults, family="gpt2"), from_conv1d(state, RULES))
