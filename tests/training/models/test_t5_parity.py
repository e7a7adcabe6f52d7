"""T5 against transformers' T5ForConditionalGeneration."""

import math

import pytest
import torch
from hf_parity import (
    assert_learns_alike,
    assert_loads_there_and_here,
    assert_published_size,
    assert_round_trip,
    assert_same_logits,
    randomised,
    their_config,
)
from torch import nn
from transformers import T5Config, T5ForConditionalGeneration
from two_stacks import (
    CONTEXT,
    VOCAB,
    assert_documents_are_as_alone,
    assert_goes_on,
    assert_only_the_past_and_the_inputs_are_seen,
    assert_padding_is_harmless,
    packed,
    padded,
    plain,
)

from corpus.errors import DataError
from training import interop, models
from training.spec import ModelSpec, preset

SHAPE = {
    "vocab_size": VOCAB, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0,
    "n_positions": CONTEXT, "attn_implementation": "sdpa", "layer_norm_epsilon": 1e-3,  # large, so that it shows
}  # fmt: skip
V1_1 = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
FAR = {"relative_attention_num_buckets": 8, "relative_attention_max_distance": 12}  # less than a row


def t5(**changes):
    torch.manual_seed(0)
    theirs = T5ForConditionalGeneration(T5Config(**SHAPE | changes))
    if not theirs.config.scale_decoder_outputs:  # 1.1, which transformers 5 ties all the same
        theirs.lm_head.weight = nn.Parameter(torch.randn(VOCAB, 32) * 0.1)
    return randomised(theirs)


THEIRS = {
    "1.0": t5,
    "1.0, far, wide heads, three layers": lambda: t5(**FAR, d_kv=12, num_decoder_layers=3),
    "1.1": lambda: t5(**V1_1),
}
CASES = {"plain": plain, "padded": padded, "packed": lambda theirs: packed(theirs, embed(theirs))}


def embed(theirs):
    return lambda stack, tokens_BT, segments_BT: theirs.shared(tokens_BT)


@pytest.fixture(params=THEIRS)
def theirs(request):
    return THEIRS[request.param]()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_logits_are_theirs(theirs, case):
    assert_same_logits(case(theirs))


def test_learns_alike(theirs):
    assert_learns_alike(padded(theirs))


def test_round_trip(theirs):
    assert_round_trip(plain(theirs))


def test_exported_folders_open_there_and_here(theirs, tmp_path):
    assert_loads_there_and_here(packed(theirs, embed(theirs)), tmp_path)


def test_packed_documents_are_as_alone(theirs):
    assert_documents_are_as_alone(plain(theirs).ours())


def test_pieces_are_as_the_whole(theirs):
    assert_goes_on(plain(theirs).ours())


def test_only_the_past_and_the_inputs_are_seen(theirs):
    assert_only_the_past_and_the_inputs_are_seen(plain(theirs).ours())


def test_padding_is_harmless(theirs):
    case = padded(theirs)
    assert_padding_is_harmless(case.ours(), case)


@torch.no_grad()
def test_rows_may_be_longer_than_the_context(theirs):
    ours = plain(theirs).ours()
    longer_BT = torch.randint(3, VOCAB, (1, 3 * CONTEXT))
    ours_BTV = ours({"inputs": longer_BT, "tokens": longer_BT})
    theirs_BTV = theirs(input_ids=longer_BT, decoder_input_ids=longer_BT).logits
    torch.testing.assert_close(ours_BTV, theirs_BTV, rtol=1e-4, atol=1e-4)


PUBLISHED = {
    "t5-small": 60_506_624,
    "t5-base": 222_903_552,
    "t5-large": 737_668_096,
    "t5-3b": 2_851_598_336,
    "t5-11b": 11_307_321_344,
    "t5-v1_1-small": 76_961_152,
    "t5-v1_1-base": 247_577_856,
    "t5-v1_1-large": 783_150_080,
    "t5-v1_1-xl": 2_849_757_184,
    "t5-v1_1-xxl": 11_135_332_352,
}


@pytest.mark.parametrize(("name", "count"), PUBLISHED.items())
def test_published_sizes(name, count):
    spec = preset(name)
    numbers = {theirs: getattr(spec, ours) for ours, theirs in interop.t5.NAMES.items()}

    def theirs():
        model = T5ForConditionalGeneration(T5Config(**numbers, feed_forward_proj=interop.t5.KINDS[spec.gated]))
        if not spec.tied:
            model.lm_head.weight = nn.Parameter(torch.empty(spec.vocab, spec.width))
        return model

    assert_published_size(name, count, theirs)


@pytest.mark.parametrize("name", ["t5-small", "t5-v1_1-small"])
def test_starts_at_the_published_scales(name):
    torch.manual_seed(0)
    spec = preset(name, vocab=500, layers=1)
    model = models.build(spec)
    read, inner = spec.width**-0.5, (spec.heads * spec.head_width) ** -0.5
    scales = {
        "embedding.weight": 1.0,
        "encoder.distances.weight": read,
        "encoder.blocks.0.attention.query.weight": (spec.width * spec.head_width) ** -0.5,
        "decoder.blocks.0.cross.key.weight": read,
        "decoder.blocks.0.attention.value.weight": read,
        "decoder.blocks.0.cross.out.weight": inner,
        "encoder.blocks.0.ffn.up.weight": read,
        "encoder.blocks.0.ffn.down.weight": spec.ffn**-0.5,
        "output.weight": 1.0 if spec.tied else read,
    }
    weights = model.state_dict()
    for weight, scale in scales.items():
        assert float(weights[weight].std()) == pytest.approx(scale, rel=0.15 if "distances" in weight else 0.03), weight
    if not spec.tied:  # a tied output likes the token that it has just read
        tokens_BT = torch.randint(0, 500, (2, 16))
        logits_BTV = model({"inputs": tokens_BT, "tokens": tokens_BT})
        assert float(logits_BTV.detach().std()) == pytest.approx(1, rel=0.1)


def test_published_configs_can_be_read():
    """As they lie on the hub: 1.0 says nothing of tying, 1.1 that it is not, and old weights have a table that nobody
    reads."""
    for theirs, said in ((t5(), {}), (t5(**V1_1), {"tie_word_embeddings": False})):
        config = their_config(theirs) | said
        del config["scale_decoder_outputs"], config["num_decoder_layers"]
        state = theirs.state_dict() | {interop.t5.UNREAD: torch.zeros(32, 4)}
        ours = interop.from_hf(config, state)
        assert (ours.spec.tied, ours.spec.gated) == ((False, True) if said else (True, False))
        assert ours.spec.decoder_layers == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"feed_forward_proj": "gated-silu"}, "feed_forward_proj is 'gated-silu'; only relu and gated-gelu"),
        ({"feed_forward_proj": "gated-gelu"}, "has no place"),
        ({"model_type": "umt5"}, "model_type"),
        ({"num_layers": 3}, "lacks 9|parameters, and the weights are fewer"),
        ({"d_kv": 16}, "parameters, and the weights are fewer|another shape"),
        ({"scale_decoder_outputs": False}, "parameters, and the weights are fewer|lacks"),
    ],
)
def test_what_cannot_be_read_is_said(change, said):
    config, state = interop.to_hf(plain(t5()).ours())
    with pytest.raises(DataError, match=said):
        interop.from_hf(config | change, state)


def test_embeddings_must_be_one():
    theirs = t5()
    state = dict(theirs.state_dict())
    state["encoder.embed_tokens.weight"] = state["shared.weight"] + 1
    with pytest.raises(DataError, match=r"encoder.embed_tokens.weight"):
        interop.from_hf(their_config(theirs), state)


def test_a_fresh_untied_model_knows_little():
    torch.manual_seed(0)
    spec = ModelSpec(
        family="t5", layers=2, width=64, heads=4, ffn=96, vocab=211, context=32, gated=True, tied=False, norm_eps=1e-6
    )
    tokens_BT = torch.randint(0, 211, (4, 32))
    term = models.build(spec).terms({"inputs": tokens_BT, "tokens": tokens_BT, "targets": tokens_BT.roll(1)})["tokens"]
    # logits of unit scale: ln of the mean of e^x is 1/2
    assert float(term.nats.detach() / term.targets) == pytest.approx(math.log(211) + 0.5, abs=0.15)
