"""The share of a card's peak, against the numbers by hand."""

import pytest
import torch
from small_fits import varied

from tokenizer.specials import Specials
from training.objectives.causal import Causal
from training.stretches import Phase
from training.throughput import Throughput, throughput

SPECIALS = Specials(size=300, eod=0)


def test_by_hand(config):
    """6 FLOPs a token for each weight that is multiplied, and in each layer 12 x width x context for attention, masked
    or not (Chowdhery et al. 2022, appendix B)."""
    spec = config.model
    kv = spec.width * spec.kv_heads // spec.heads
    matrices = spec.layers * (2 * spec.width**2 + 2 * spec.width * kv + 3 * spec.width * spec.ffn)
    matrices += spec.width * spec.vocab
    per_token = 6 * matrices + 12 * spec.layers * spec.width * spec.context
    speed = Throughput(config, Causal(specials=SPECIALS), world=4, peak=1e12)
    assert speed.mfu(1, 2e6, 64) == pytest.approx(per_token * 2e6 / 4e12, rel=1e-9)
    assert speed.mfu(1, 4e6, 64) == 2 * speed.mfu(1, 2e6, 64)


def test_each_stretch_has_its_own_rows(config):
    """At one speed in tokens the longer rows take more, by what attention sees."""
    speed = Throughput(varied(config, curriculum=(Phase(context=4, share=0.5),)), Causal(specials=SPECIALS), 1, 1e12)
    short, long = speed.mfu(6, 1e6, 16), speed.mfu(7, 1e6, 64)
    assert speed.mfu(1, 1e6, 16) == short
    assert speed.mfu(12, 1e6, 64) == long
    assert short < long < 1.5 * short


def test_only_a_known_card_has_one(config, monkeypatch):
    task = Causal(specials=SPECIALS)
    assert throughput(config, task, 1, "cpu") is None
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100 80GB HBM3")
    found = throughput(config, task, 8, "cuda")
    assert found is not None
    assert (found.world, found.peak) == (8, 989.4e12)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA Next Year's")
    assert throughput(config, task, 8, "cuda") is None
