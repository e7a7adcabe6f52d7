"""Against transformers' RobertaForMaskedLM. Legend: B batch, T tokens, V vocabulary."""

from dataclasses import replace

import pytest
import torch
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
from transformers import RobertaConfig, RobertaForMaskedLM

from corpus.errors import ConfigError, DataError
from tokenizer.specials import Specials
from training import interop, models
from training.data import chosen
from training.models.positions import document_positions
from training.objective import IGNORED
from training.spec import ModelSpec, preset

VOCAB, CONTEXT, PAD = 61, 16, 1
SMALL = {
    "vocab_size": VOCAB, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48,
    "max_position_embeddings": CONTEXT + 2, "type_vocab_size": 1, "layer_norm_eps": 1e-3, "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0, "attn_implementation": "sdpa",
}  # fmt: skip
PADDED_BT = torch.tensor([[1] * 16, [1] * 9 + [0] * 7, [1] * 12 + [0] * 4])
PACKED_BT = torch.tensor([[1] * 5 + [2] * 8 + [3] * 3, [1] * 12 + [2] * 4, [1] * 3 + [2] * 9 + [0] * 4])


def case(segments_BT=None):
    """Three rows with a third of the tokens masked."""
    torch.manual_seed(3)
    theirs = randomised(RobertaForMaskedLM(RobertaConfig(**SMALL)))
    random = torch.Generator().manual_seed(7)
    tokens_BT = torch.randint(PAD + 1, VOCAB, (3, CONTEXT), generator=random)
    counted_BT = torch.rand(3, CONTEXT, generator=random) < 0.3
    if segments_BT is None:
        batch, inputs = {}, {}
    else:
        tokens_BT, counted_BT = tokens_BT.where(segments_BT > 0, PAD), counted_BT & (segments_BT > 0)
        batch = {"segments": segments_BT}
        inputs = {
            "position_ids": document_positions(segments_BT) + PAD + 1,
            "attention_mask": document_mask_B1TK(segments_BT, segments_BT, causal=False),
        }
    targets_BT = torch.where(counted_BT, torch.randint(PAD + 1, VOCAB, (3, CONTEXT), generator=random), IGNORED)
    return Case(
        theirs=theirs,
        batch={**batch, "tokens": tokens_BT, "targets": targets_BT},
        inputs={**inputs, "input_ids": tokens_BT, "labels": targets_BT},
        loss=lambda outputs, batch: outputs.loss,
    )


def with_a_padding_mask():
    """The usual two-dimensional mask, and position ids that transformers takes from the tokens."""
    padded = case(PADDED_BT)
    usual = {name: value for name, value in padded.inputs.items() if name != "position_ids"}
    return replace(padded, inputs={**usual, "attention_mask": (PADDED_BT > 0).long()})


CASES = {"plain": case, "padded": with_a_padding_mask, "packed": lambda: case(PACKED_BT)}
each_case = pytest.mark.parametrize("make", CASES.values(), ids=CASES.keys())


@each_case
def test_logits_are_theirs(make):
    assert_same_logits(make())


@each_case
@torch.no_grad()
def test_the_term_is_their_loss(make):
    made = make()
    terms = made.ours().terms(made.batch)
    assert list(terms) == ["tokens"]
    ours = terms["tokens"].nats / terms["tokens"].targets
    torch.testing.assert_close(ours, made.theirs(**made.inputs).loss, rtol=1e-5, atol=0)


@each_case
def test_learns_alike(make):
    assert_learns_alike(make())


def test_round_trip():
    assert_round_trip(case())


def test_exported_folder_opens_there_and_here(tmp_path):
    assert_loads_there_and_here(case(PACKED_BT), tmp_path)


@pytest.mark.parametrize(("name", "count"), [("roberta-base", 124_697_433), ("roberta-large", 355_412_057)])
def test_published_sizes(name, count):
    spec = preset(name)
    numbers = {theirs: getattr(spec, ours) for ours, theirs in interop.bert.NAMES.items()}
    config = RobertaConfig(**numbers | {"max_position_embeddings": 514, "type_vocab_size": 1})
    assert_published_size(name, count, lambda: RobertaForMaskedLM(config))


def test_a_full_row_uses_the_last_position():
    ours = case().ours()
    assert ours.spec.context == CONTEXT
    assert ours.encoder.positions.num_embeddings == CONTEXT + 2
    full = {"tokens": torch.full((1, CONTEXT), 5), "targets": torch.full((1, CONTEXT), 6)}
    ours.terms(full)["tokens"].nats.backward()
    moved = ours.encoder.positions.weight.grad.abs().sum(dim=1) > 0
    assert moved.tolist() == [False, False] + [True] * CONTEXT


def test_only_masked_positions_meet_the_head(monkeypatch):
    monkeypatch.setattr("training.data.ROUNDED_TO", 4)
    made, seen = case(), []
    ours = made.ours()
    ours.masked_head.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    ours.terms({**made.batch, "chosen": chosen(made.batch["targets"])})
    n_targets = int((made.batch["targets"] != IGNORED).sum())
    assert seen == [n_targets + -n_targets % 4]
    assert seen[0] < made.batch["targets"].numel()


def test_starts_as_published():
    """Normal of scale 0.02, not cut; biases 0."""
    torch.manual_seed(0)
    model = models.build(ModelSpec(family="roberta", layers=2, width=64, heads=4, ffn=128, vocab=211, context=32))
    state = model.state_dict()
    assert all(float(w.std()) == pytest.approx(0.02, rel=0.1) for w in state.values() if w.ndim == 2 and len(w) > 1)
    assert state["encoder.tokens.weight"].abs().max() > 0.05
    assert not any(weight.any() for name, weight in state.items() if name.endswith("bias"))


@pytest.mark.parametrize(
    ("setting", "value"), [("pad_token_id", 0), ("type_vocab_size", 2), ("max_position_embeddings", "many")]
)
def test_what_ours_cannot_have_is_refused(setting, value):
    config, state = interop.to_hf(case().ours())
    with pytest.raises(DataError, match=setting):
        interop.from_hf({**config, setting: value}, state)


def test_padding_must_be_the_token_from_which_theirs_count(tmp_path):
    ours = case().ours()
    with pytest.raises(ConfigError, match="padding is token 0"):
        interop.export(ours, tmp_path / "model", Specials(size=VOCAB, eod=2, pad=0))
    assert not (tmp_path / "model").exists()
    interop.export(ours, tmp_path / "model", Specials(size=VOCAB, eod=2, pad=PAD))
