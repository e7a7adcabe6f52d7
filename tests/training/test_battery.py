"""The battery: what is stored is what is read, and every model is asked what it can answer, right to the nat."""

import pytest
import torch
from known_models import byte_vocab

from training import models
from training.evaluation.battery import Battery, Document
from training.evaluation.items import Choices, Completion, MinimalPair
from training.evaluation.measured import measured, nats_per_target
from training.evaluation.targets import by_term, held_out_shards, once
from training.objectives import objective
from training.spec import ModelSpec

SEED = 17
TEXTS = [" ".join(f"{n} and {k} make {n + k}." for k in range(3 + n % 4)) for n in range(12)]
WORDS = '\u2028 line\u0085 ends, \ud7ff quotes " and \\ and a tab\t'
BATTERY = Battery(
    {
        "held_out": {
            "clean": [Document(str(n), text) for n, text in enumerate(TEXTS)],
            "raw": [Document("a", 9 * WORDS)],
        },
        "pairs": {"blimp": [MinimalPair("1", "one is", "one are", "number"), MinimalPair("2", WORDS, "no", "other")]},
        "choices": {"piqa": [Choices("q", ("how?", "how?"), (" so", " not so"), 1)]},
        "completions": {"lambada": [Completion("l", "the end of the", " line")]},
    }
)
PAIRS = {"blimp", "blimp/number", "blimp/other"}
ASKED = {"piqa", "piqa/norm", "lambada", "nats_per_target/lambada"}
KINDS = {
    "decoder": ("llama", "causal", {"bits_per_byte/clean", "bits_per_byte/raw"} | PAIRS | ASKED),
    "encoder": ("bert", "masked", {"nats_per_target/clean", "nats_per_target/raw"} | PAIRS),
    "encoder-decoder": ("t5", "span_corruption", {"nats_per_target/clean", "nats_per_target/raw"} | PAIRS | ASKED),
}


def parts(kind):
    """A model of that kind with weights by chance, its vocabulary, and what it learns."""
    family, learns, _ = KINDS[kind]
    vocab = byte_vocab(kind)
    spec = ModelSpec(family=family, layers=1, width=16, heads=2, ffn=32, vocab=vocab.size, context=96)
    torch.manual_seed(3)
    return models.build(spec).eval(), vocab, objective(learns, specials=vocab.specials)


def test_what_is_stored_is_what_is_read(tmp_path):
    path = tmp_path / "battery.jsonl"
    path.write_text("".join(f"{line}\n" for line in BATTERY.lines()), encoding="utf-8")
    assert Battery.read(path) == BATTERY
    path.write_text("")
    assert Battery.read(path) == Battery()
    assert [*Battery().lines()] == []


def test_items_are_left_out_by_set_and_id():
    """An id belongs to its set: "1" of another set stays."""
    less = BATTERY.without({"blimp": {"1"}, "piqa": {"1"}})
    assert [pair.id for pair in less.of("pairs")["blimp"]] == ["2"]
    assert less.of("held_out") == BATTERY.of("held_out")
    assert less.of("choices") == BATTERY.of("choices")


def test_sets_are_joined_to_those_of_their_kind():
    more = BATTERY.joined("held_out", {"neutral": [Document("n", "text")]})
    assert set(more.of("held_out")) == {"clean", "raw", "neutral"}
    assert more.of("pairs") == BATTERY.of("pairs")
    assert set(BATTERY.of("held_out")) == {"clean", "raw"}
    assert Battery().joined("held_out", {"a": []}).items == {"held_out": {"a": []}}


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_is_asked_what_it_can_answer(kind):
    model, vocab, task = parts(kind)
    found = measured(model, vocab, task, BATTERY, SEED)
    assert set(found) == KINDS[kind][2]
    assert (found["blimp"].items, found["blimp/other"].items) == (("1", "2"), ("2",))
    again = measured(model, vocab, task, BATTERY, SEED)
    assert {name: scores.values.tolist() for name, scores in found.items()} == {
        name: scores.values.tolist() for name, scores in again.items()
    }


@pytest.mark.parametrize("kind", ["encoder", "encoder-decoder"])
def test_nats_of_rows_sum_to_those_of_training_s_measure(kind):
    """training.evaluation.targets goes by terms of the loss; here it is row by row."""
    model, vocab, task = parts(kind)
    documents = BATTERY.of("held_out")["clean"]
    found = nats_per_target(model, vocab, task, documents, SEED)
    single = once(task)
    with held_out_shards([document.text for document in documents], vocab, marks=task.marks) as shards:
        rows = single.rows(shards, model.spec.context, SEED)
        whole = by_term(model, single, rows, SEED)["tokens"]
        assert len(found.items) == len(rows) > 1
    assert found.weights.sum() == whole["targets"] > 0
    assert found.value == pytest.approx(whole["nats_per_target"], rel=1e-6)
    other = nats_per_target(model, vocab, task, documents, SEED + 1)
    assert other.value != found.value, "the noise is the seed's"


def test_bits_per_byte_go_by_document():
    model, vocab, task = parts("decoder")
    scores = measured(model, vocab, task, BATTERY, SEED)["bits_per_byte/clean"]
    assert scores.items == tuple(str(n) for n in range(len(TEXTS)))
    assert scores.weights.tolist() == [len(text.encode()) for text in TEXTS]
    alone = Battery({"held_out": {"one": [Document("5", TEXTS[5])]}})
    assert measured(model, vocab, task, alone, SEED)["bits_per_byte/one"].value == pytest.approx(
        scores.values[5] / scores.weights[5], rel=1e-5
    )
