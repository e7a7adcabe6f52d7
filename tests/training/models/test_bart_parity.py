"""BART against transformers' BartForConditionalGeneration."""

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
from transformers import BartConfig, BartForConditionalGeneration
from two_stacks import (
    CONTEXT,
    VOCAB,
    assert_documents_are_as_alone,
    assert_goes_on,
    assert_only_the_past_and_the_inputs_are_seen,
    assert_padding_is_harmless,
    drawn,
    packed,
    padded,
    plain,
)

from corpus.errors import ConfigError, DataError
from training import interop, models
from training.models.cache import Cache
from training.models.positions import document_positions
from training.spec import ModelSpec, preset

SHAPE = {
    "vocab_size": VOCAB, "d_model": 32, "encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": CONTEXT,
    "dropout": 0.0, "attn_implementation": "sdpa",
}  # fmt: skip


@pytest.fixture
def theirs():
    torch.manual_seed(0)
    return randomised(BartForConditionalGeneration(BartConfig(**SHAPE)))


@pytest.fixture
def ours(theirs):
    return plain(theirs).ours()


def embed(theirs):
    """Their stacks take no position ids: what they will add is taken off, and the document's positions put on."""

    def embedded_BTD(stack, tokens_BT, segments_BT):
        at = getattr(theirs.model, stack).embed_positions.weight[2:]
        return theirs.model.shared(tokens_BT) - at[: tokens_BT.shape[1]] + at[document_positions(segments_BT)]

    return embedded_BTD


CASES = {"plain": plain, "padded": padded, "packed": lambda theirs: packed(theirs, embed(theirs))}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_logits_are_theirs(theirs, case):
    assert_same_logits(case(theirs))


@pytest.mark.parametrize("case", [plain, padded])
def test_learns_alike(theirs, case):
    assert_learns_alike(case(theirs))


def test_round_trip(theirs):
    assert_round_trip(plain(theirs))


def test_exported_folders_open_there_and_here(theirs, tmp_path):
    assert_loads_there_and_here(packed(theirs, embed(theirs)), tmp_path)


def test_packed_documents_are_as_alone(ours):
    assert_documents_are_as_alone(ours)


def test_pieces_are_as_the_whole(ours):
    assert_goes_on(ours)


def test_only_the_past_and_the_inputs_are_seen(ours):
    assert_only_the_past_and_the_inputs_are_seen(ours)


def test_padding_is_harmless(theirs, ours):
    assert_padding_is_harmless(ours, padded(theirs))


@pytest.mark.parametrize(
    ("name", "count", "config"),
    [
        (
            "bart-base", 139_420_416,
            {
                "d_model": 768, "encoder_layers": 6, "decoder_layers": 6, "encoder_attention_heads": 12,
                "decoder_attention_heads": 12, "encoder_ffn_dim": 3072, "decoder_ffn_dim": 3072,
            },
        ),
        ("bart-large", 406_291_456, {}),
    ],
)  # fmt: skip
def test_published_sizes(name, count, config):
    assert_published_size(name, count, lambda: BartForConditionalGeneration(BartConfig(**config)))
    spec = preset(name)
    numbers = {theirs: getattr(spec, ours) for ours, theirs in interop.bart.NAMES.items()}
    assert BartConfig(**config).to_dict().items() >= numbers.items()


def test_rows_beyond_the_last_position_are_refused(ours):
    full, over = drawn(1, (1, CONTEXT)), drawn(1, (1, CONTEXT + 1))
    assert ours({"inputs": full, "tokens": full}).shape == (1, CONTEXT, VOCAB)
    for batch in ({"inputs": over, "tokens": full}, {"inputs": full, "tokens": over}):
        with pytest.raises(ConfigError, match="21 tokens, and the model has 20 positions"):
            ours(batch)
    cache = Cache.of(ours.spec.decoder_layers)
    ours.hidden({"inputs": full, "tokens": full}, cache=cache)
    with pytest.raises(ConfigError, match="21 tokens"):
        ours.hidden({"inputs": full, "tokens": full[:, :1]}, cache=cache)


def test_starts_as_published():
    """Normal of scale 0.02, biases 0; the first loss is near ln V."""
    torch.manual_seed(0)
    model = models.build(ModelSpec(family="bart", layers=2, width=64, heads=4, ffn=128, vocab=211, context=32))
    for name, weight in model.state_dict().items():
        if weight.ndim == 2:
            assert float(weight.std()) == pytest.approx(0.02, rel=0.06), name
        else:
            assert torch.all(weight == (1 if name.endswith("norm.weight") else 0)), name
    tokens_BT = torch.randint(0, 211, (4, 32))
    term = model.terms({"inputs": tokens_BT, "tokens": tokens_BT, "targets": tokens_BT.roll(1)})["tokens"]
    assert float(term.nats.detach() / term.targets) == pytest.approx(math.log(211), abs=0.1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"activation_function": "relu"}, "activation_function"),
        ({"scale_embedding": True}, "scale_embedding"),
        ({"normalize_before": True}, "normalize_before"),
        ({"decoder_ffn_dim": 32}, "decoder_ffn_dim is 32 and encoder_ffn_dim 48"),
        ({"max_position_embeddings": 19}, "another shape"),
    ],
)
def test_what_cannot_be_read_is_said(theirs, change, said):
    with pytest.raises(DataError, match=said):
        interop.from_hf(their_config(theirs) | change, theirs.state_dict())


def test_the_bias_of_the_output_must_be_zero(theirs):
    theirs.final_logits_bias[0, 5] = 0.5
    with pytest.raises(DataError, match="final_logits_bias is not zero"):
        interop.from_hf(their_config(theirs), theirs.state_dict())


@pytest.mark.parametrize("change", [{"tied": False}, {"norm_eps": 1e-6}])
def test_what_theirs_cannot_have_is_not_exported(change):
    spec = ModelSpec(
        **{"family": "bart", "layers": 1, "width": 8, "heads": 2, "ffn": 8, "vocab": 11, "context": 4} | change
    )
    model = models.build(spec)
    assert spec.n_params() == sum(weight.numel() for weight in model.parameters())
    with pytest.raises(ConfigError, match="train the model with both"):
        interop.to_hf(model)
