"""FLOPs by formula against those that torch counts while it trains, and against published numbers."""

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from training import models
from training.families.multiplies import Positions
from training.flops import row_flops
from training.objective import Feature
from training.spec import ModelSpec, preset

B, T, TARGETS = 3, 64, 10
SHAPE = {"layers": 2, "width": 48, "heads": 4, "ffn": 80, "vocab": 113, "context": T}
ENCODER = {"tokens_T": T, "targets_T": T}
BOTH = {"inputs_I": 48, "tokens_T": T, "targets_T": T}
PAIRS = {**ENCODER, "types_T": T, "is_next_1": 1}

MODELS = [
    ("gpt", {}, ENCODER),
    ("gpt2", {"tied": False}, ENCODER),
    ("llama", {"kv_heads": 2, "head_width": 16}, ENCODER),
    ("llama", {"tied": False, "qk_norm": True}, ENCODER),
    ("t5-lm", {"gated": True, "head_width": 8}, ENCODER),
    ("bert", {}, ENCODER),
    ("bert", {"tied": False}, PAIRS),
    ("roberta", {}, ENCODER),
    ("t5", {"decoder_layers": 3, "head_width": 16}, BOTH),
    ("t5", {"gated": True, "tied": False}, BOTH),
    ("t5", {"shared": True}, BOTH),
    ("bart", {"decoder_layers": 1}, BOTH),
]


def batch_of(features: dict[str, Feature], kind: str) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(3)
    batch = {
        name.rsplit("_", 1)[0]: torch.from_numpy(rng.integers(0, 2, (B, feature.length)))
        for name, feature in features.items()
    }
    if kind == "encoder":
        batch["chosen"] = torch.arange(B * T).view(B, T)[:, :TARGETS].flatten()
    return batch


@pytest.mark.parametrize(("family", "options", "lengths"), MODELS)
def test_flops_are_those_that_torch_counts(family, options, lengths):
    spec = ModelSpec(family=family, **SHAPE | options)
    features = {name: Feature("int64", length) for name, length in lengths.items()}
    model, batch = models.build(spec), batch_of(features, spec.kind)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted:
        torch.stack([term.nats for term in model.terms(batch).values()]).sum().backward()
    assert counted.get_total_flops() == B * row_flops(spec, features, TARGETS)


def test_flops_of_a_token_by_hand():
    spec = ModelSpec(layers=2, width=32, heads=4, ffn=48, vocab=97, context=16)
    weights = 2 * (4 * 32 * 32 + 3 * 32 * 48) + 97 * 32
    assert spec.flops_per_token() == 6 * weights + 12 * 2 * 32 * 16


def test_palm_appendix_b():
    """6 N + 12 L H Q T a token: 540.35 billion parameters, and 46.2 % of 6,144 chips of 275 TFLOP/s at 238,300 tokens a
    second (Chowdhery et al. 2022, tables 1 and 3, appendix B). Its queries share one head of keys and values."""
    palm = ModelSpec(
        layers=118, width=18_432, heads=48, head_width=256, kv_heads=1, ffn=4 * 18_432, vocab=256_000, context=2048
    )
    assert palm.n_params() == pytest.approx(540.35e9, rel=1e-4)
    assert palm.flops_per_token() == pytest.approx(6 * 540.35e9 + 12 * 118 * 48 * 256 * 2048, rel=1e-4)
    assert 238_300 * palm.flops_per_token() / (6144 * 275e12) == pytest.approx(0.462, abs=5e-4)


def test_gpt3_appendix_d():
    """3.14e23 FLOPs over 300 billion tokens, without attention's products (Brown et al. 2020, table D.1)."""
    gpt3 = preset("gpt2", layers=96, width=12_288, heads=96, ffn=4 * 12_288, context=2048)
    products = 12 * 96 * 12_288 * 2048
    assert 300e9 * (gpt3.flops_per_token() - products) == pytest.approx(3.14e23, rel=2e-3)


def test_a_row_costs_more_than_its_tokens_where_it_is_longer():
    spec = preset("gpt2")
    short, long = (spec.flops(Positions(tokens)) for tokens in (512, 1024))
    assert long - 2 * short == 12 * spec.layers * spec.width * (1024**2 - 2 * 512**2)
