"""Legend: B batch, T tokens, V vocabulary."""

import math

import pytest
import torch
import torch.nn.functional as F

from training import models
from training.models.decoder import document_mask, document_positions, rotary, rotate
from training.spec import ModelSpec

SPEC = ModelSpec(layers=2, width=32, heads=4, kv_heads=2, ffn=48, vocab=97, context=16)


@pytest.fixture(scope="module")
def model():
    """Weights away from zero everywhere, so that a fault in any part shows."""
    torch.manual_seed(1)
    model = models.build(SPEC)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return model


@pytest.fixture(scope="module")
def tokens_BT():
    return torch.randint(0, 97, (3, 16), generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def test_a_later_token_changes_nothing_before_it(model, tokens_BT):
    before_BTV = model(tokens_BT)
    for t in (1, 7, 15):
        changed_BT = tokens_BT.clone()
        changed_BT[:, t] = (changed_BT[:, t] + 1) % 97
        after_BTV = model(changed_BT)
        torch.testing.assert_close(after_BTV[:, :t], before_BTV[:, :t], rtol=1e-5, atol=1e-5)
        assert (after_BTV[:, t:] - before_BTV[:, t:]).abs().amax(dim=-1).min() > 1e-3


@torch.no_grad()
def test_documents_in_a_row_are_as_alone(model, tokens_BT):
    # [ 5 tokens | 8 tokens | 3 tokens ]
    segments_BT = torch.tensor([1] * 5 + [2] * 8 + [3] * 3).expand(3, 16)
    together_BTV = model(tokens_BT, segments_BT)
    for start, stop in ((0, 5), (5, 13), (13, 16)):
        alone_BTV = model(tokens_BT[:, start:stop])
        torch.testing.assert_close(together_BTV[:, start:stop], alone_BTV, rtol=1e-4, atol=1e-5)
    assert (together_BTV[:, 5:] - model(tokens_BT)[:, 5:]).abs().max() > 1e-2


@torch.no_grad()
def test_one_document_is_no_mask(model, tokens_BT):
    torch.testing.assert_close(model(tokens_BT, torch.ones_like(tokens_BT)), model(tokens_BT), rtol=1e-4, atol=1e-5)


def test_positions_and_mask_of_two_documents():
    segments_BT = torch.tensor([[4, 4, 4, 5, 5]])
    assert document_positions(segments_BT).tolist() == [[0, 1, 2, 0, 1]]
    assert document_mask(segments_BT)[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [0, 0, 0, 1, 0],
        [0, 0, 0, 1, 1],
    ]


def test_rotated_products_depend_on_distance_only():
    torch.manual_seed(0)
    q, k = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def product(i, j):
        at_i, at_j = (rotary(torch.tensor([[position]]), 8, 10_000.0) for position in (i, j))
        return float((rotate(q, at_i) * rotate(k, at_j)).sum())

    assert product(9, 4) == pytest.approx(product(105, 100), abs=1e-4)
    assert product(9, 4) != pytest.approx(product(9, 5), abs=1e-2)
    assert rotate(q, rotary(torch.tensor([[7]]), 8, 10_000.0)).norm() == pytest.approx(float(q.norm()), rel=1e-5)


def test_attention_against_plain_softmax(model, tokens_BT):
    """One layer's attention, written out, with each pair of query heads on one head of keys."""
    block = model.blocks[0]
    x_BTD = block.attention_norm(model.embedding(tokens_BT))
    rotation = rotary(torch.arange(16)[None], 8, 10_000.0)
    attention = block.attention
    q, k = attention.query(x_BTD).view(3, 16, 4, 8), attention.key(x_BTD).view(3, 16, 2, 8)
    q, k = (rotate(x * (x.square().mean(-1, keepdim=True) + 1e-5).rsqrt(), rotation) for x in (q, k))
    k = k.repeat_interleave(2, dim=2)
    v = attention.value(x_BTD).view(3, 16, 2, 8).repeat_interleave(2, dim=2)
    scores = torch.einsum("bihe,bjhe->bhij", q, k) / math.sqrt(8)
    scores = scores.masked_fill(~torch.ones(16, 16, dtype=torch.bool).tril(), -math.inf)
    mixed = torch.einsum("bhij,bjhe->bihe", scores.softmax(-1), v).reshape(3, 16, 32)
    torch.testing.assert_close(attention(x_BTD, rotation, None), attention.out(mixed), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_fresh_model_knows_nothing(tokens_BT):
    torch.manual_seed(0)
    spec = ModelSpec(layers=2, width=256, heads=4, kv_heads=4, ffn=688, vocab=8192, context=16)
    logits_BTV = models.build(spec)(tokens_BT)
    loss = F.cross_entropy(logits_BTV[:, :-1].flatten(0, 1), tokens_BT[:, 1:].flatten())
    assert float(loss) == pytest.approx(math.log(8192), rel=0.03)
