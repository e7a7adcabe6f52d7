"""transformers' T5ForConditionalGeneration, which keeps the embedding under three names.

Its config has one word for two things: where `tie_word_embeddings` is false, the output is not scaled either (version
1.1). Release 5 says true always, with whether it is scaled beside it, and ties weights that are missing or equal.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from corpus.errors import DataError
from training.interop.bert import without_copy
from training.interop.naming import State, backwards, filled, renamed, tensors
from training.interop.settings import Config, spec_from
from training.models import Model

ARCHITECTURES: tuple[str, ...] = ("T5ForConditionalGeneration",)

NAMES = {
    "layers": "num_layers",
    "decoder_layers": "num_decoder_layers",
    "width": "d_model",
    "heads": "num_heads",
    "head_width": "d_kv",
    "ffn": "d_ff",
    "vocab": "vocab_size",
    "norm_eps": "layer_norm_epsilon",
    "relative_buckets": "relative_attention_num_buckets",
    "relative_distance": "relative_attention_max_distance",
    "context": "n_positions",  # which only the published configs have; the weights know of no longest row
}
FIXED = {"model_type": "t5", "is_encoder_decoder": True}
KINDS = {False: "relu", True: "gated-gelu"}  # by our `gated`
PROJECTIONS = {"query": "q", "key": "k", "value": "v", "out": "o"}
COPIES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
UNREAD = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"  # in the first published weights


def rules(*, gated: bool) -> list[tuple[str, str]]:
    """Names of the weights."""
    inner = {"gate": "wi_0", "up": "wi_1", "down": "wo"} if gated else {"up": "wi", "down": "wo"}
    return [
        ("embedding.weight", "shared.weight"),
        ("output.weight", "lm_head.weight"),
        *_stack("encoder", {"attention": "SelfAttention", "ffn": "DenseReluDense"}, inner),
        *_stack("decoder", {"attention": "SelfAttention", "cross": "EncDecAttention", "ffn": "DenseReluDense"}, inner),
    ]


def _stack(stack: str, parts: Mapping[str, str], inner: Mapping[str, str]) -> list[tuple[str, str]]:
    """`parts` in their order, by which they are numbered over there."""
    named = [
        (f"{stack}.norm.weight", f"{stack}.final_layer_norm.weight"),
        (f"{stack}.distances.weight", f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"),
    ]
    for i, (part, theirs) in enumerate(parts.items()):
        ours, layer = f"{stack}.blocks.{{n}}.{part}", f"{stack}.block.{{n}}.layer.{i}."
        named.append((f"{ours}_norm.weight", f"{layer}layer_norm.weight"))
        for matrix, their_matrix in (inner if part == "ffn" else PROJECTIONS).items():
            named.append((f"{ours}.{matrix}.weight", f"{layer}{theirs}.{their_matrix}.weight"))
    return named


def to_hf(model: Model) -> tuple[Config, State]:
    """Config and weights; shared ones are written for the encoder and for the decoder."""
    spec = model.spec
    numbers = {theirs: getattr(spec, ours) for ours, theirs in NAMES.items()}
    config: Config = {
        "architectures": list(ARCHITECTURES),
        **FIXED,
        **numbers,
        "feed_forward_proj": KINDS[spec.gated],
        "tie_word_embeddings": spec.tied,
        "dropout_rate": 0.0,  # ours have none
    }
    state = tensors(model)
    if spec.shared:
        state = {name: weight.clone() for name, weight in model.state_dict().items() if name != "output.weight"}
        state |= {} if spec.tied else {"output.weight": model.output.weight.detach()}
    return config, renamed(state, rules(gated=spec.gated))


def from_hf(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Model:
    """Our model; DataError where config or weights are not one of theirs."""
    kind = config.get("feed_forward_proj", KINDS[False])
    if kind not in KINDS.values():
        raise DataError(f"config feed_forward_proj is {kind!r}; only {' and '.join(KINDS.values())} can be read")
    gated = kind == KINDS[True]
    spec = spec_from(
        config,
        NAMES,
        fixed=FIXED,
        defaults={
            "num_decoder_layers": config.get("num_layers"),
            "layer_norm_epsilon": 1e-6,
            "relative_attention_num_buckets": 32,
            "relative_attention_max_distance": 128,
            "n_positions": 512,
        },
        family="t5",
        gated=gated,
        tied=config.get("scale_decoder_outputs", config.get("tie_word_embeddings", True)) is not False,
    )
    once = {name: state[name] for name in state if name != UNREAD}
    for name in COPIES:
        once = dict(without_copy(once, name, of="shared.weight"))
    return filled(spec, renamed(once, backwards(rules(gated=gated))))
