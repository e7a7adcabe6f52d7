import pytest
import torch
from known_models import Known, byte_vocab, ln
from transformers import AutoTokenizer, BertForMaskedLM

from corpus.errors import ConfigError, DataError
from corpus.storage import Folder
from tokenizer import vocab as vocabularies
from tokenizer.specials import ROBERTA, T5
from tokenizer.vocab import Vocab, train
from training import interop, models
from training.evaluation.holes import hole
from training.evaluation.items import MinimalPair
from training.evaluation.minimal_pairs import minimal_pairs
from training.evaluation.pseudo_likelihood import pseudo_nats
from training.objective import IGNORED
from training.spec import ModelSpec

CHANCES = {"a": 0.3, "ab": 0.5, "ac": 0.2, "b": 0.4, "ba": 0.6}


def test_decoders_by_hand():
    """ab: .3 x .5; ac: .3 x .2; ba: .4 x .6. A sentence against itself ties."""
    vocab = byte_vocab()
    pairs = [
        MinimalPair("1", "ab", "ac", "x"),
        MinimalPair("2", "ab", "ba", "y"),
        MinimalPair("3", "ba", "ac", "y"),
        MinimalPair("4", "ab", "ab", "y"),
    ]
    model = Known(vocab, CHANCES)
    found = minimal_pairs(model, vocab, pairs)
    assert list(found) == ["blimp", "blimp/x", "blimp/y"]
    assert found["blimp"].items == ("1", "2", "3", "4")
    assert found["blimp"].values.tolist() == [1, 0, 1, 0.5]
    assert found["blimp"].weights.tolist() == [1, 1, 1, 1]
    assert found["blimp"].value == 2.5 / 4
    assert found["blimp/y"].items == ("2", "3", "4")
    assert found["blimp/y"].values.tolist() == [0, 1, 0.5]
    assert sum(rows for rows, _ in model.calls) == 3, "equal sentences are read once"


@pytest.mark.parametrize(("within_words", "a", "space"), [(False, 0.5, 0.7), (True, 0.3, 0.6)])
def test_encoders_by_hand(within_words, a, space):
    """A token is known by the one to its right: in "ab c" a by b and the space by c, or both by masks, where words are
    hidden from them on."""
    vocab = byte_vocab("encoder")
    model = Known(vocab, {"ba": 0.5, "a": 0.3, " ": 0.6, " b": 0.25, "c ": 0.7}, "encoder", edge=vocab.specials.mask)
    nothing = 1 / vocab.size  # is known of the last one
    found = pseudo_nats(model, vocab, ["ab c", "c"], within_words=within_words)
    assert found == pytest.approx([ln(a, 0.25, space, nothing), ln(nothing)], rel=1e-5)


class Recording(Known):
    """Keeps the rows that it reads, an encoder's or those of the encoder."""

    def hidden(self, batch):
        self.read = [*getattr(self, "read", []), *batch.get("inputs", batch["tokens"]).tolist()]
        return super().hidden(batch)


def test_pieces_after_a_masked_one_are_hidden_to_the_end_of_the_word():
    vocab = byte_vocab("encoder")
    a, b, space = (vocab.encode_batch([text])[0].item() for text in "ab ")
    start, mask, end = vocab.specials.start, vocab.specials.mask, vocab.specials.separator
    model = Recording(vocab, {}, "encoder", edge=start)
    pseudo_nats(model, vocab, ["ab a"])
    assert model.read == [
        [start, mask, mask, space, a, end],
        [start, a, mask, space, a, end],
        [start, a, b, mask, mask, end],
        [start, a, b, space, mask, end],
    ]
    model.read.clear()
    pseudo_nats(model, vocab, ["ab a"], within_words=False)
    assert model.read == [
        [start, mask, b, space, a, end],
        [start, a, mask, space, a, end],
        [start, a, b, mask, a, end],
        [start, a, b, space, mask, end],
    ]


def test_encoder_decoders_by_hand():
    """What stands for the sentinel is known by what stands before it."""
    vocab = byte_vocab("encoder-decoder")
    model = Known(vocab, {"a": 0.3, "b": 0.4, "ac": 0.2, "ab": 0.7}, "encoder-decoder")
    assert pseudo_nats(model, vocab, ["ab", "b", "ac"]) == pytest.approx(
        [ln(0.3, 0.7), ln(0.4), ln(0.3, 0.2)], rel=1e-5
    )
    pairs = [MinimalPair("1", "ab", "ac", "x"), MinimalPair("2", "ab", "b", "x")]
    assert minimal_pairs(model, vocab, pairs)["blimp"].values.tolist() == [1, 0]


def test_the_rest_of_a_word_is_in_the_hole_too():
    vocab = byte_vocab("encoder-decoder")
    a, b, space = (vocab.encode_batch([text])[0].item() for text in "ab ")
    hidden, end = vocab.specials.sentinels[0], vocab.specials.eod
    model = Recording(vocab, {}, "encoder-decoder")
    pseudo_nats(model, vocab, ["ab a"])
    assert sorted(model.read) == sorted(
        [[hidden, space, a, end], [a, hidden, space, a, end], [a, b, hidden, end], [a, b, space, hidden, end]]
    )
    model.read.clear()
    pseudo_nats(model, vocab, ["ab"], within_words=False)
    assert model.read == [[hidden, b, end], [a, hidden, end]]


def test_holes_of_the_worked_example():
    to, your, party, last, week = range(300, 305)
    t5 = T5.ids({name: n for n, name in enumerate(T5.all)}, 400)
    assert hole("span_corruption", t5, [to, your], [party], [last, week]) == {
        "inputs": [to, your, t5.sentinels[0], last, week, t5.eod],
        "tokens": [t5.pad, t5.sentinels[0]],
        "targets": [IGNORED, party],
    }
    bart = ROBERTA.ids({name: n for n, name in enumerate(ROBERTA.all)}, 400)
    assert hole("bart", bart, [to, your], [party, last], [week]) == {
        "inputs": [bart.start, to, your, bart.mask, week, bart.eod],
        "tokens": [bart.eod, bart.start, to, your, party],
        "targets": [IGNORED, IGNORED, IGNORED, party, last],
    }


TEXTS = ["the traveler lost the souvenirs.", "the travelers lost a map!", "no map was lost by travelers", "a map"]


@pytest.fixture(scope="module")
def bert():
    vocab = Vocab.of(train("wordpiece", TEXTS, 112))
    torch.manual_seed(1)
    model = models.build(ModelSpec(family="bert", layers=2, width=16, heads=2, ffn=24, vocab=vocab.size, context=48))
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.4)
    return model.eval(), vocab


@pytest.mark.parametrize("within_words", [False, True])
@torch.no_grad()
def test_pseudo_likelihood_against_transformers(bert, within_words, tmp_path):
    """Their tokenizer, their words, their model, one masked text at a time."""
    model, vocab = bert
    interop.export(model, tmp_path, vocab.specials)
    vocabularies.save(vocab.tokenizer, Folder(str(tmp_path)))
    theirs, tokenizer = BertForMaskedLM.from_pretrained(tmp_path).eval(), AutoTokenizer.from_pretrained(tmp_path)
    found = pseudo_nats(model, vocab, [*TEXTS, TEXTS[0]], within_words=within_words)
    assert found[0] == found[-1]
    for text, nats in zip(TEXTS, found.tolist(), strict=False):
        encoding = tokenizer(text, return_tensors="pt")
        words, expected = encoding.word_ids(), 0.0
        for n, word in enumerate(words):
            if word is None:
                continue
            ids = encoding["input_ids"].clone()
            hidden = [k for k, other in enumerate(words) if k >= n and other == word] if within_words else [n]
            ids[0, hidden] = tokenizer.mask_token_id
            ln_p_V = theirs(**{**encoding, "input_ids": ids}).logits[0, n].log_softmax(dim=-1)
            expected -= float(ln_p_V[encoding["input_ids"][0, n]])
        assert nats == pytest.approx(expected, abs=1e-4)


def test_words_in_pieces_are_there(bert):
    model, vocab = bert
    assert (pseudo_nats(model, vocab, TEXTS) != pseudo_nats(model, vocab, TEXTS, within_words=False))[:3].all()


def test_what_cannot_be_scored_is_said(bert):
    model, vocab = bert
    with pytest.raises(DataError, match="the model's context is 48; leave it out"):
        pseudo_nats(model, vocab, ["map " * 47])
    with pytest.raises(ConfigError, match="is a decoder, which reads no masks"):
        pseudo_nats(Known(byte_vocab(), {}), byte_vocab(), ["a"])
    with pytest.raises(ConfigError, match="no start, separator and mask tokens"):
        pseudo_nats(model, byte_vocab(), ["a"])
    assert pseudo_nats(model, vocab, []).tolist() == []
    assert pseudo_nats(model, vocab, [""]).tolist() == [0]
