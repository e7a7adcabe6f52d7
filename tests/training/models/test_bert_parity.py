"""Against transformers' BertForPreTraining. Legend: B batch, T tokens, V vocabulary."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hf_parity import (
    Case,
    assert_learns_alike,
    assert_loads_there_and_here,
    assert_published_size,
    assert_round_trip,
    assert_same_logits,
    document_mask_B1TK,
    randomised,
)
from transformers import BertConfig, BertForPreTraining

from corpus.errors import ConfigError, DataError
from training import interop, models
from training.data import chosen
from training.models.positions import document_positions
from training.objective import IGNORED
from training.spec import ModelSpec, preset

VOCAB, CONTEXT = 61, 16
CONFIG = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "attn_implementation": "sdpa"}
SMALL = {
    "vocab_size": VOCAB, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48,
    "max_position_embeddings": CONTEXT, "layer_norm_eps": 1e-3,  # large, so that it shows
}  # fmt: skip
PADDED_BT = torch.tensor([[1] * 16, [1] * 9 + [0] * 7, [1] * 12 + [0] * 4])
PACKED_BT = torch.tensor([[1] * 5 + [2] * 8 + [3] * 3, [1] * 12 + [2] * 4, [1] * 3 + [2] * 9 + [0] * 4])


def their_bert(**changes):
    torch.manual_seed(3)
    return randomised(BertForPreTraining(BertConfig(**CONFIG, **SMALL | changes)))


def their_loss(outputs, batch):
    """The sum of the means, as transformers makes it."""
    return outputs.loss


def case(segments_BT=None, *, types=True, **changes):
    """Three rows with a third of the tokens masked; the second text of a pair is of type 1."""
    random = torch.Generator().manual_seed(7)
    tokens_BT = torch.randint(1, VOCAB, (3, CONTEXT), generator=random)
    counted_BT = torch.rand(3, CONTEXT, generator=random) < 0.3
    if segments_BT is not None:
        tokens_BT, counted_BT = tokens_BT.where(segments_BT > 0, 0), counted_BT & (segments_BT > 0)
    targets_BT = torch.where(counted_BT, torch.randint(1, VOCAB, (3, CONTEXT), generator=random), IGNORED)
    is_next_B1 = torch.tensor([[1], [0], [0]])
    batch = {"tokens": tokens_BT, "targets": targets_BT, "is_next": is_next_B1}
    inputs = {"input_ids": tokens_BT, "labels": targets_BT, "next_sentence_label": 1 - is_next_B1[:, 0]}
    if types:
        batch["types"] = inputs["token_type_ids"] = (torch.arange(CONTEXT) > 6).long().expand(3, -1)
    if segments_BT is not None:
        batch["segments"] = segments_BT
        inputs["position_ids"] = document_positions(segments_BT)
        inputs["attention_mask"] = document_mask_B1TK(segments_BT, segments_BT, causal=False)
    return Case(
        theirs=their_bert(**changes),
        batch=batch,
        inputs=inputs,
        logits=lambda outputs: outputs.prediction_logits,
        loss=their_loss,
    )


def with_a_padding_mask():
    """The usual two-dimensional mask and no position ids."""
    padded = case(PADDED_BT)
    usual = {name: value for name, value in padded.inputs.items() if name != "position_ids"}
    return replace(padded, inputs={**usual, "attention_mask": (PADDED_BT > 0).long()})


CASES = {
    "plain": lambda: case(types=False),
    "types": case,
    "padded": with_a_padding_mask,
    "packed": lambda: case(PACKED_BT),
}
each_case = pytest.mark.parametrize("make", CASES.values(), ids=CASES.keys())


@each_case
def test_logits_are_theirs(make):
    assert_same_logits(make())


@each_case
@torch.no_grad()
def test_next_sentence_logits_are_theirs(make):
    made = make()
    ours = made.ours()
    logits_B2 = ours.pair_logits(ours.hidden(made.batch))
    theirs_B2 = made.theirs(**made.inputs).seq_relationship_logits
    assert theirs_B2.std(dim=0).min() > 0.02
    torch.testing.assert_close(logits_B2, theirs_B2, rtol=1e-4, atol=1e-4)


@each_case
@torch.no_grad()
def test_terms_are_their_loss(make):
    made = make()
    terms = made.ours().terms(made.batch)
    assert list(terms) == ["tokens", "next_sentence"]
    assert int(terms["tokens"].targets) == int((made.batch["targets"] != IGNORED).sum())
    assert int(terms["next_sentence"].targets) == 3
    ours = sum(term.nats / term.targets for term in terms.values())
    torch.testing.assert_close(ours, made.theirs(**made.inputs).loss, rtol=1e-5, atol=0)


@torch.no_grad()
def test_class_0_is_follows():
    made = case()
    ours = made.ours()
    logits_B2 = ours.pair_logits(ours.hidden(made.batch))
    for is_next, label in ((1, 0), (0, 1)):
        for shape in ((3,), (3, 1)):
            batch = {**made.batch, "is_next": torch.full(shape, is_next)}
            expected = F.cross_entropy(logits_B2, torch.full((3,), label), reduction="sum")
            torch.testing.assert_close(ours.terms(batch)["next_sentence"].nats, expected)


def test_without_pairs_there_is_one_term():
    made = case()
    batch = {name: value for name, value in made.batch.items() if name != "is_next"}
    assert list(made.ours().terms(batch)) == ["tokens"]


@each_case
def test_learns_alike(make):
    assert_learns_alike(make())


def test_round_trip():
    assert_round_trip(case())


def test_exported_folder_opens_there_and_here(tmp_path):
    assert_loads_there_and_here(case(PACKED_BT), tmp_path)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("bert-tiny", 4_433_468),
        ("bert-mini", 11_267_900),
        ("bert-base", 110_106_428),
        ("bert-large", 336_226_108),
    ],
)
def test_published_sizes(name, count):
    spec = preset(name)
    numbers = {theirs: getattr(spec, ours) for ours, theirs in interop.bert.NAMES.items()}
    assert_published_size(name, count, lambda: BertForPreTraining(BertConfig(**numbers)))


@pytest.mark.parametrize(("name", "count"), [("bert-base", 109_482_240), ("bert-large", 335_141_888)])
def test_published_encoders(name, count):
    """What is counted as BERT's size: less the heads."""
    with torch.device("meta"):
        model = models.build(preset(name))
    assert sum(w.numel() for part in (model.encoder, model.pooler) for w in part.parameters()) == count


def test_only_masked_positions_meet_the_head(monkeypatch):
    monkeypatch.setattr("training.data.ROUNDED_TO", 4)
    made, seen = case(), []
    ours = made.ours()
    ours.masked_head.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    ours.terms({**made.batch, "chosen": chosen(made.batch["targets"])})
    n_targets = int((made.batch["targets"] != IGNORED).sum())
    assert seen == [n_targets + -n_targets % 4]
    assert seen[0] < made.batch["targets"].numel()


@torch.no_grad()
def test_documents_and_padding_do_not_meet():
    """A token of another document, or of padding, changes nothing in this one."""
    made = case(PACKED_BT)
    ours = made.ours()
    before_BTV = ours(made.batch)
    changed_BT = made.batch["tokens"].where(PACKED_BT == 2, (made.batch["tokens"] + 1) % VOCAB)
    after_BTV = ours({**made.batch, "tokens": changed_BT})
    assert torch.equal(after_BTV[PACKED_BT == 2], before_BTV[PACKED_BT == 2])
    assert (after_BTV - before_BTV)[PACKED_BT != 2].abs().amax(dim=-1).min() > 1e-3


def test_a_row_beyond_the_context_is_refused():
    with pytest.raises(ConfigError, match="a row of 17 tokens"):
        case().ours()({"tokens": torch.ones(1, CONTEXT + 1, dtype=torch.long)})


def test_starts_as_published():
    """Normal of scale 0.02 cut at 0.04, whose deviation is 0.0176; biases 0; the first loss is near ln V."""
    torch.manual_seed(0)
    model = models.build(ModelSpec(family="bert", layers=2, width=64, heads=4, ffn=128, vocab=211, context=32))
    for name, weight in model.state_dict().items():
        if weight.ndim == 2:
            assert weight.abs().max() <= 0.04
            assert name == "next_sentence.weight" or float(weight.std()) == pytest.approx(0.0176, rel=0.06), name
        else:
            assert torch.all(weight == (1 if name.endswith("norm.weight") else 0)), name
    tokens_BT = torch.randint(0, 211, (4, 32))
    term = model.terms({"tokens": tokens_BT, "targets": tokens_BT})["tokens"]
    assert float(term.nats.detach() / term.targets) == pytest.approx(math.log(211), abs=0.1)


def test_an_untied_model_is_not_exported():
    spec = ModelSpec(family="bert", layers=1, width=8, heads=2, ffn=8, vocab=11, context=4, tied=False)
    model = models.build(spec)
    assert spec.n_params() == sum(weight.numel() for weight in model.parameters())
    with pytest.raises(ConfigError, match="tied: true"):
        interop.to_hf(model)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("hidden_act", "relu"), ("type_vocab_size", 3), ("is_decoder", True), ("tie_word_embeddings", False)],
)
def test_what_ours_cannot_have_is_refused(setting, value):
    config, state = interop.to_hf(case().ours())
    with pytest.raises(DataError, match=setting):
        interop.from_hf({**config, setting: value}, state)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"bert.pooler.dense.gain": torch.zeros(1)}, "gain"),
        ({"cls.seq_relationship.bias": torch.zeros(3)}, "shape"),
        ({"cls.predictions.decoder.bias": torch.ones(VOCAB)}, "a second"),
        ({"bert.encoder.layer.7.intermediate.dense.bias": torch.zeros(48)}, "besides"),
    ],
)
def test_weights_that_do_not_fit_are_refused(wrong, said):
    config, state = interop.to_hf(case().ours())
    with pytest.raises(DataError, match=said):
        interop.from_hf(config, {**state, **wrong})


def test_a_missing_weight_is_refused():
    config, state = interop.to_hf(case().ours())
    del state["bert.pooler.dense.bias"]
    with pytest.raises(DataError):
        interop.from_hf(config, state)
