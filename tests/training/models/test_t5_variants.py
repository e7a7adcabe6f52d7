"""The architectures that Raffel et al. 2020 compare (section 3.2.2, table 2), with as many parameters and operations.

Legend: B batch, T tokens, V vocabulary.
"""

from dataclasses import replace

import pytest
import torch
from hf_parity import assert_published_size, document_mask_B1TK, randomised
from torch.utils.flop_counter import FlopCounterMode
from transformers import T5Config, T5ForConditionalGeneration
from two_stacks import assert_documents_are_as_alone, assert_goes_on, drawn

from corpus.errors import ConfigError
from training import interop, models
from training.models.cache import Cache
from training.spec import ModelSpec, preset

SHAPE = {"layers": 2, "width": 32, "heads": 4, "ffn": 48, "vocab": 61, "context": 24, "norm_eps": 1e-6}
LM = ModelSpec(family="t5-lm", **SHAPE)
SHARED = ModelSpec(family="t5", shared=True, **SHAPE)
P, M = "P", "M"

# name: exact parameters, and table 2's P (one is twelve blocks) and M (one is inputs and targets through twelve blocks)
TABLE = {
    "t5-base": (222_903_552, {P: 2, M: 1}),
    "t5-base-shared": (137_949_312, {P: 1, M: 1}),
    "t5-base-6-layers": (123_790_080, {P: 1, M: 0.5}),
    "t5-lm-base": (109_628_544, {P: 1, M: 1}),
    "t5-prefix-lm-base": (109_628_544, {P: 1, M: 1}),
}


def built(spec):
    torch.manual_seed(0)
    return randomised(models.build(spec))


def block_parameters(model):
    """Without cross-attention, which the table leaves out; shared ones once."""
    return sum(w.numel() for name, w in model.named_parameters() if ".blocks." in name and "cross" not in name)


def products(model, n_inputs, n_tokens):
    """Operations with the blocks' weights, without cross-attention, for one pair of inputs and targets."""
    if model.spec.kind == "decoder":
        batch = {"tokens": torch.empty(1, n_inputs + n_tokens, dtype=torch.long)}
    else:
        batch = {name: torch.empty(1, n, dtype=torch.long) for name, n in (("inputs", n_inputs), ("tokens", n_tokens))}
    with FlopCounterMode(display=False) as counter:
        model.hidden(batch)

    def of(part):
        counted = counter.get_flop_counts()
        return sum(ops.get(torch.ops.aten.mm, 0) for name, ops in counted.items() if name.endswith(part))

    return of("Global") - of(".cross")


@pytest.mark.parametrize(("name", "count"), [(name, count) for name, (count, _) in TABLE.items()])
def test_exact_parameters(name, count):
    assert_published_size(name, count)


@pytest.mark.parametrize(("name", "shares"), [(name, shares) for name, (_, shares) in TABLE.items()])
def test_table_2(name, shares):
    twelve_blocks = 12 * (4 * 768 * 768 + 2 * 768 * 3072 + 2 * 768)
    matrices = twelve_blocks - 12 * 2 * 768
    with torch.device("meta"):
        model = models.build(preset(name))
        assert block_parameters(model) == shares[P] * twelve_blocks
        assert products(model, 11, 5) == shares[M] * 2 * (11 + 5) * matrices


@pytest.fixture
def shared():
    return built(SHARED)


def test_all_but_cross_attention_is_shared(shared):
    """The encoder's parameters are the decoder's; the decoder has its cross-attention besides."""
    encoder, decoder = ({id(w) for w in stack.parameters()} for stack in (shared.encoder, shared.decoder))
    cross = {id(w) for name, w in shared.decoder.named_parameters() if "cross" in name}
    assert encoder == decoder - cross
    assert len(cross) == 2 * 5
    assert SHARED.n_params() == sum(w.numel() for w in shared.parameters())
    apart = replace(SHARED, shared=False)
    assert apart.n_params() - SHARED.n_params() == sum(w.numel() for w in shared.encoder.parameters())


@torch.no_grad()
def test_shared_is_an_encoder_decoder_with_equal_weights(shared, tmp_path):
    """Exported, it is T5ForConditionalGeneration with each weight twice."""
    interop.export(shared, tmp_path)
    theirs = T5ForConditionalGeneration.from_pretrained(tmp_path).eval()
    inputs_BT, tokens_BT = drawn(1, (2, 20)), drawn(2, (2, 9))
    ours_BTV = shared({"inputs": inputs_BT, "tokens": tokens_BT})
    theirs_BTV = theirs(input_ids=inputs_BT, decoder_input_ids=tokens_BT).logits
    torch.testing.assert_close(ours_BTV, theirs_BTV, rtol=1e-4, atol=1e-4)
    loaded = interop.load(tmp_path)
    assert loaded.spec == replace(SHARED, shared=False)
    assert torch.equal(loaded({"inputs": inputs_BT, "tokens": tokens_BT}), ours_BTV)


def test_shared_learns_from_both_stacks(shared):
    """A shared weight's gradient is the sum of those of an equal model whose stacks are apart."""
    apart = models.build(replace(SHARED, shared=False))
    apart.load_state_dict(shared.state_dict())
    batch = {"inputs": drawn(1, (2, 20)), "tokens": drawn(2, (2, 9)), "targets": drawn(3, (2, 9))}
    for model in (shared, apart):
        model.terms(batch)["tokens"].nats.backward()
    for name, weight in shared.encoder.named_parameters():
        twice = apart.encoder.get_parameter(name).grad + apart.decoder.get_parameter(name).grad
        torch.testing.assert_close(weight.grad, twice, rtol=1e-4, atol=1e-4)


def test_shared_packs_and_goes_on(shared):
    assert_documents_are_as_alone(shared)
    assert_goes_on(shared)


def test_stacks_of_different_depth_cannot_be_shared():
    with pytest.raises(ConfigError, match="layers 2 and decoder_layers 3 cannot share"):
        replace(SHARED, decoder_layers=3)


# The language models. transformers has none, but T5's stacks alone are them.

PACKED_BT = torch.tensor([[1] * 6 + [2] * 11 + [3] * 7, [1] * 20 + [2] * 4])
PREFIX_BT = torch.tensor([[1] * 4 + [0] * 2 + [1] * 7 + [0] * 4 + [1] * 2 + [0] * 5, [1] * 15 + [0] * 9])
SPECS = {
    "lm": LM,
    "lm, gated, untied": replace(LM, gated=True, tied=False),
    "prefix lm": replace(LM, relative_both_ways=True, relative_buckets=8, relative_distance=12),
}
each_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


def their_stack(ours):
    """A stack of theirs with our weights: the decoder without an encoder; the encoder for buckets that go both ways."""
    spec = ours.spec
    theirs = T5ForConditionalGeneration(
        T5Config(
            vocab_size=spec.vocab, d_model=spec.width, d_kv=spec.head_width, d_ff=spec.ffn, num_layers=spec.layers,
            num_heads=spec.heads, relative_attention_num_buckets=spec.relative_buckets,
            relative_attention_max_distance=spec.relative_distance, layer_norm_epsilon=spec.norm_eps,
            feed_forward_proj=interop.t5.KINDS[spec.gated], attn_implementation="sdpa",
        )
    ).eval()  # fmt: skip
    name = "encoder" if spec.relative_both_ways else "decoder"
    names = dict(interop.t5.rules(gated=spec.gated))
    stack, state = getattr(theirs, name), {}
    for ours_name, weight in ours.decoder.state_dict().items():
        n = next((part for part in ours_name.split(".") if part.isdigit()), "")
        pattern = f"{name}.{ours_name}".replace(f"blocks.{n}.", "blocks.{n}.") if n else f"{name}.{ours_name}"
        state[names[pattern].replace("{n}", n).removeprefix(f"{name}.")] = weight
    missing, unexpected = stack.load_state_dict({**state, "embed_tokens.weight": ours.embedding.weight}, strict=False)
    assert not unexpected
    assert all("layer.1." in name for name in missing)  # the decoder's cross-attention
    return stack


@each_spec
@pytest.mark.parametrize("packed", [False, True])
@torch.no_grad()
def test_logits_are_those_of_their_stack(spec, packed):
    ours, tokens_BT = built(spec), drawn(1, (2, 24))
    segments_BT = PACKED_BT if packed else torch.ones_like(PACKED_BT)
    batch = {"tokens": tokens_BT} | ({"segments": segments_BT} if packed else {})
    seen_B1TT = document_mask_B1TK(segments_BT, segments_BT, causal=True)
    if spec.relative_both_ways:
        batch["prefix"] = PREFIX_BT
        same_B1TT = document_mask_B1TK(segments_BT, segments_BT, causal=False)
        seen_B1TT = seen_B1TT | (same_B1TT & PREFIX_BT.bool()[:, None, None])
    hidden_BTD = their_stack(ours)(input_ids=tokens_BT, attention_mask=seen_B1TT).last_hidden_state
    torch.testing.assert_close(ours.hidden(batch), hidden_BTD, rtol=1e-4, atol=1e-5)
    scale = spec.width**-0.5 if spec.tied else 1.0
    torch.testing.assert_close(ours(batch), scale * hidden_BTD @ ours.output.weight.T, rtol=1e-4, atol=1e-4)


@each_spec
@torch.no_grad()
def test_documents_of_a_language_model_are_as_alone(spec):
    model, tokens_BT = built(spec), drawn(2, (2, 24))
    prefix = {"prefix": PREFIX_BT} if spec.relative_both_ways else {}
    together_BTV = model({"tokens": tokens_BT, "segments": PACKED_BT, **prefix})
    for b, n in ((0, 1), (0, 2), (0, 3), (1, 1), (1, 2)):
        own_T = PACKED_BT[b] == n
        alone_1TV = model({"tokens": tokens_BT[b, own_T][None]} | {k: v[b, own_T][None] for k, v in prefix.items()})
        torch.testing.assert_close(together_BTV[b, own_T], alone_1TV[0], rtol=1e-4, atol=1e-5)


@each_spec
@torch.no_grad()
def test_a_language_model_goes_on(spec):
    """The prompt in one piece, with its prefix where there is one; then token by token, over chosen rows."""
    model, tokens_BT = built(spec), drawn(3, (3, 24))
    prefix_BT = (torch.arange(24) < 7).long().expand(3, 24)
    prefix = {"prefix": prefix_BT} if spec.relative_both_ways else {}
    whole_BTV = model({"tokens": tokens_BT, **prefix})
    cache, rows_B = Cache.of(spec.layers), torch.tensor([0, 1, 2])
    for start, stop in [(0, 9), *((t, t + 1) for t in range(9, 24))]:
        if start == 12:
            chosen_B = torch.tensor([1, 1, 0])
            cache.select(chosen_B)
            rows_B = rows_B[chosen_B]
        piece = {"tokens": tokens_BT[rows_B, start:stop]} | (
            {"prefix": prefix_BT[:, :9]} if prefix and not start else {}
        )
        piece_BTV = model.output(model.head(model.hidden(piece, cache=cache)))
        torch.testing.assert_close(piece_BTV, whole_BTV[rows_B, start:stop], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_only_a_prefix_is_seen_by_all():
    model, tokens_BT = built(SPECS["prefix lm"]), drawn(4, (2, 24))
    prefix_BT = (torch.arange(24) < 10).long().expand(2, 24)
    before_BTV = model({"tokens": tokens_BT, "prefix": prefix_BT})
    for t, first in ((7, 0), (15, 15)):
        changed_BT = tokens_BT.clone()
        changed_BT[:, t] = (changed_BT[:, t] + 1) % 61
        moved_BT = (model({"tokens": changed_BT, "prefix": prefix_BT}) - before_BTV).abs().amax(dim=-1)
        assert moved_BT[:, first:].min() > 1e-4
        assert moved_BT[:, :first].sum() < 1e-3


def test_a_language_model_is_not_exported():
    with pytest.raises(ConfigError, match='family "t5-lm" cannot be exported'):
        interop.to_hf(models.build(LM))
