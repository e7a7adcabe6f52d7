"""Legend: B batch, T queries, K keys, H heads, G heads of keys, E width of one head, D width."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.attention.flex_attention import flex_attention

from training.models import attention as module
from training.models.attention import Attention, attend
from training.models.mask import Mask
from training.models.positions import rotary, rotate

pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")

B, H, T, E = 2, 4, 12, 16
SEGMENTS_BT = torch.tensor([[1] * 5 + [2] * 7, [1] * 3 + [2] * 6 + [0] * 3])
PREFIX_BT = torch.tensor([[1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0], [1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0]])
MASKS = {
    "past": Mask(see="past"),
    "all": Mask(see="all"),
    "past of documents": Mask.within(SEGMENTS_BT, "past"),
    "all of documents": Mask.within(SEGMENTS_BT, "all"),
    "prefixes of documents": Mask.within(SEGMENTS_BT, "past", PREFIX_BT),
    "prefix": Mask.within(None, "past", PREFIX_BT),
}


def drawn(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def by_hand(q, k, v, seen, bias, scale):
    """softmax(scale q k + bias) v, written out."""
    k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], dim=1) for x in (k, v))
    scores = torch.einsum("bhie,bhje->bhij", q, k) * scale + (0 if bias is None else bias)
    return torch.einsum("bhij,bhje->bhie", scores.masked_fill(~seen, -math.inf).softmax(-1), v)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("G", [4, 2, 1])
@pytest.mark.parametrize("scale", [None, 1.0])
@torch.no_grad()
def test_three_ways_agree(mask, biased, G, scale):
    """SDPA as the CPU has it, FlexAttention as a GPU has it, and the formula."""
    mask = MASKS[mask]
    q, k, v = drawn(B, H, T, E), drawn(B, G, T, E), drawn(B, G, T, E).flip(2)
    bias_HTK = drawn(H, T, T) if biased else None
    expected = by_hand(q, k, v, mask.dense(B, T, T, q.device), bias_HTK, scale or E**-0.5)
    torch.testing.assert_close(attend(q, k, v, mask, bias_HTK, scale), expected, rtol=1e-4, atol=1e-5)
    if not biased:  # SDPA takes them everywhere
        blocks = replace(mask, seen=mask.blocks(B, T, T, q.device))
        torch.testing.assert_close(attend(q, k, v, blocks, None, scale), expected, rtol=1e-4, atol=1e-5)


@pytest.fixture(autouse=True)
def _uncompiled(monkeypatch):
    monkeypatch.setattr(module, "_compiled", lambda: flex_attention)


@torch.no_grad()
def test_across_streams():
    mask = Mask(queries_BT=SEGMENTS_BT, keys_BK=SEGMENTS_BT[:, ::2])
    q, k, v = drawn(B, H, T, E), drawn(B, H, 6, E), drawn(B, H, 6, E).flip(2)
    expected = by_hand(q, k, v, mask.dense(B, T, 6, q.device), None, E**-0.5)
    torch.testing.assert_close(attend(q, k, v, mask, None, None), expected, rtol=1e-4, atol=1e-5)
    blocks = replace(mask, seen=mask.blocks(B, T, 6, q.device))
    torch.testing.assert_close(attend(q, k, v, blocks, None, None), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_layer_written_out():
    """Two query heads on one head of keys, both of unit scale and rotated."""
    torch.manual_seed(1)
    layer = Attention(32, 4, kv_heads=2, qk_norm_eps=1e-5)
    x_BTD, rotation = drawn(3, T, 32), rotary(torch.arange(T)[None], 8, 10_000.0)
    q, k, v = (m(x_BTD).view(3, T, -1, 8).transpose(1, 2) for m in (layer.query, layer.key, layer.value))
    q, k = (rotate(x * (x.square().mean(-1, keepdim=True) + 1e-5).rsqrt(), rotation) for x in (q, k))
    seen = torch.ones(T, T, dtype=torch.bool).tril()
    mixed = by_hand(q, k, v, seen, None, 8**-0.5).transpose(1, 2).flatten(2)
    found = layer(x_BTD, Mask(see="past"), rotation=rotation)
    torch.testing.assert_close(found, layer.out(mixed), rtol=1e-4, atol=1e-5)


def test_rotated_products_depend_on_distance_only():
    torch.manual_seed(0)
    q, k = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def product(i, j):
        at_i, at_j = (rotary(torch.tensor([[position]]), 8, 10_000.0) for position in (i, j))
        return float((rotate(q, at_i) * rotate(k, at_j)).sum())

    assert product(9, 4) == pytest.approx(product(105, 100), abs=1e-4)
    assert product(9, 4) != pytest.approx(product(9, 5), abs=1e-2)
    assert rotate(q, rotary(torch.tensor([[7]]), 8, 10_000.0)).norm() == pytest.approx(float(q.norm()), rel=1e-5)
