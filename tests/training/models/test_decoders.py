"""What holds for every decoder. Legend: B batch, T tokens, V vocabulary."""

import math
from dataclasses import asdict, replace

import pytest
import torch
import torch.nn.functional as F
from hf_parity import randomised
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ConfigError
from training import models
from training.families import FAMILIES
from training.models.cache import Cache
from training.spec import ModelSpec

DECODERS = sorted(name for name, family in FAMILIES.items() if family.kind == "decoder")
OPTIONS = {"llama": {"kv_heads": 2, "qk_norm": True, "head_width": 12}}


def spec(family, **changes):
    shape = {"layers": 2, "width": 32, "heads": 4, "ffn": 48, "vocab": 97, "context": 16}
    return ModelSpec(family=family, **shape | OPTIONS.get(family, {}) | changes)


MODELS = {}
for _family in DECODERS:
    torch.manual_seed(1)
    MODELS[_family] = randomised(models.build(spec(_family)), std=0.4)


@pytest.fixture(params=DECODERS)
def model(request):
    return MODELS[request.param]


@pytest.fixture(scope="module")
def tokens_BT():
    return torch.randint(0, 97, (3, 16), generator=torch.Generator().manual_seed(2))


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_later_token_changes_nothing_before_it(model, tokens_BT):
    before_BTV = model({"tokens": tokens_BT})
    for t in (1, 7, 15):
        changed_BT = tokens_BT.clone()
        changed_BT[:, t] = (changed_BT[:, t] + 1) % 97
        after_BTV = model({"tokens": changed_BT})
        close(after_BTV[:, :t], before_BTV[:, :t])
        assert (after_BTV[:, t:] - before_BTV[:, t:]).abs().amax(dim=-1).min() > 1e-3


@torch.no_grad()
def test_documents_in_a_row_are_as_alone(model, tokens_BT):
    # [ 5 tokens | 8 tokens | 3 tokens ]
    segments_BT = torch.tensor([1] * 5 + [2] * 8 + [3] * 3).expand(3, 16)
    together_BTV = model({"tokens": tokens_BT, "segments": segments_BT})
    for start, stop in ((0, 5), (5, 13), (13, 16)):
        close(together_BTV[:, start:stop], model({"tokens": tokens_BT[:, start:stop]}))
    assert (together_BTV[:, 5:] - model({"tokens": tokens_BT})[:, 5:]).abs().max() > 1e-2


@torch.no_grad()
def test_one_document_is_no_mask(model, tokens_BT):
    close(model({"tokens": tokens_BT, "segments": torch.ones_like(tokens_BT)}), model({"tokens": tokens_BT}))


@torch.no_grad()
def test_a_prefix_is_read_both_ways(model, tokens_BT):
    prefix_BT = (torch.arange(16) < 6).long().expand(3, 16)
    before_BTV = model({"tokens": tokens_BT, "prefix": prefix_BT})
    in_prefix_BT, behind_BT = tokens_BT.clone(), tokens_BT.clone()
    in_prefix_BT[:, 5] = (in_prefix_BT[:, 5] + 1) % 97
    behind_BT[:, 6] = (behind_BT[:, 6] + 1) % 97
    changed_BTV = model({"tokens": in_prefix_BT, "prefix": prefix_BT})
    assert (changed_BTV[:, 0] - before_BTV[:, 0]).abs().amax(dim=-1).min() > 1e-3
    close(model({"tokens": behind_BT, "prefix": prefix_BT})[:, :6], before_BTV[:, :6])


@torch.no_grad()
@pytest.mark.parametrize("family", ["gpt", "gpt2", "llama"])
def test_a_fresh_model_knows_nothing(family, tokens_BT):
    torch.manual_seed(0)
    fresh = models.build(spec(family, width=256, ffn=688, vocab=8192, head_width=0, kv_heads=0))
    loss = F.cross_entropy(fresh({"tokens": tokens_BT})[:, :-1].flatten(0, 1), tokens_BT[:, 1:].flatten())
    assert float(loss) == pytest.approx(math.log(8192), rel=0.03)


@given(family=st.sampled_from(DECODERS), lengths=st.lists(st.integers(1, 5), min_size=1, max_size=8))
@torch.no_grad()
def test_pieces_through_a_cache_are_the_whole(family, lengths):
    """Token by token, in chunks, or at once: the same logits."""
    model = MODELS[family]
    ends = [sum(lengths[: n + 1]) for n in range(len(lengths)) if sum(lengths[: n + 1]) <= 16]
    tokens_BT = torch.randint(0, 97, (2, ends[-1]), generator=torch.Generator().manual_seed(3))
    cache = Cache.of(model.spec.layers)
    pieces = []
    for start, end in zip([0, *ends], ends, strict=False):
        assert cache.length == start
        pieces.append(model.output(model.head(model.hidden({"tokens": tokens_BT[:, start:end]}, cache))))
    close(torch.cat(pieces, dim=1), model({"tokens": tokens_BT}))


@torch.no_grad()
def test_a_cache_goes_on_with_chosen_rows(model, tokens_BT):
    cache = Cache.of(model.spec.layers)
    model.hidden({"tokens": tokens_BT[:, :9]}, cache)
    rows_B = torch.tensor([2, 0, 0, 1])
    cache.select(rows_B)
    chosen_BT = torch.cat((tokens_BT[rows_B, :9], torch.tensor([[5, 6], [7, 8], [9, 10], [11, 12]])), dim=1)
    rest_BTV = model.output(model.head(model.hidden({"tokens": chosen_BT[:, 9:]}, cache)))
    close(rest_BTV, model({"tokens": chosen_BT})[:, 9:])


def test_learnt_positions_end_with_the_context(model, tokens_BT):
    cache = Cache.of(model.spec.layers)
    model.hidden({"tokens": tokens_BT}, cache)
    if model.spec.family in {"gpt", "gpt2"}:
        with pytest.raises(ConfigError, match="17 tokens are more than the context of 16"):
            model.hidden({"tokens": tokens_BT[:, :1]}, cache)
    else:
        assert model.hidden({"tokens": tokens_BT[:, :1]}, cache).shape == (3, 1, 32)


def test_a_written_spec_is_read_again(model):
    """Sizes that were derived stand in it."""
    assert ModelSpec(**asdict(model.spec)) == model.spec
    assert replace(model.spec, context=99).context == 99
