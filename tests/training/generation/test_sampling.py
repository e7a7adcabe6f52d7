"""Legend: V vocabulary."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ConfigError
from training.generation.decoding import Decoding, opened, text_of
from training.generation.sample import GREEDY, Sampling, chances, drawn, nucleus, sample, top

WRITERS = ["gpt2", "llama", "t5", "bart"]


@pytest.mark.parametrize("family", WRITERS)
def test_samples_repeat_with_their_seed(speaker, family):
    model, vocab = speaker(family)
    hot = Sampling(max_tokens=30, temperature=3.0, seed=1)
    first = sample(model, vocab, "one and", hot)
    assert first == sample(model, vocab, "one and", hot)
    assert first != sample(model, vocab, "one and", replace(hot, seed=2))


@torch.no_grad()
def test_temperature_zero_takes_the_likeliest(speaker):
    model, vocab = speaker("gpt2")
    line = [vocab.eod_id, *vocab.encode_batch(["one"])[0].tolist()]
    likeliest = int(model({"tokens": torch.tensor([line])})[0, -1].argmax())
    assert likeliest != vocab.eod_id
    assert sample(model, vocab, "one", replace(GREEDY, max_tokens=1)) == vocab.decode([likeliest])


@torch.no_grad()
def test_an_encoder_decoder_reads_the_prompt(speaker):
    """As its objective laid texts out: T5 "text </s>" and <pad>, BART "<s> text </s>" and </s>."""
    for family, first in (("t5", "<pad>"), ("bart", "</s>")):
        model, vocab = speaker(family)
        ids = vocab.encode_batch(["two and one"])[0].tolist()
        start = [vocab.specials.start] if family == "bart" else []
        inputs_1I, tokens_11 = (
            torch.tensor([[*start, *ids, vocab.eod_id]]),
            torch.tensor([[vocab.tokenizer.token_to_id(first)]]),
        )
        expected_V = model({"inputs": inputs_1I, "tokens": tokens_11})[0, -1]
        decoding, line = opened(model, vocab, "two and one")
        torch.testing.assert_close(decoding.after(torch.tensor([line]))[0], expected_V, rtol=1e-4, atol=1e-4)


def test_the_token_that_begins_rows_is_no_text(vocabs):
    vocab = vocabs["bart"]
    ids = vocab.encode_batch(["one"])[0].tolist()
    assert text_of(vocab, [vocab.specials.start, *ids]) == "one"


def test_the_end_ends(speaker):
    """Nothing comes after the end of a document, nor is it written."""
    model, vocab = speaker("gpt2")
    with torch.no_grad():
        model.decoder.tokens.weight[vocab.eod_id] += 5 * model.hidden({"tokens": torch.tensor([[vocab.eod_id]])})[0, 0]
    assert sample(model, vocab, "", GREEDY) == ""


def test_what_cannot_be_is_said(speaker):
    for wrong in ({"top_p": 0}, {"temperature": -1}, {"top_k": -1}, {"max_tokens": -1}):
        with pytest.raises(ConfigError, match="must be 0 or more"):
            Sampling(**wrong)
    with pytest.raises(ConfigError, match="an encoder and writes no text"):
        sample(*speaker("bert"))
    with pytest.raises(ConfigError, match="inputs are for an encoder-decoder"):
        Decoding(speaker("gpt2")[0], [1, 2])
    with pytest.raises(ConfigError, match="inputs are for an encoder-decoder"):
        Decoding(speaker("t5")[0])
    with pytest.raises(ConfigError, match="no pad token"):
        sample(speaker("t5")[0], speaker("gpt2")[1])


P_V = torch.tensor([0.1, 0.6, 0.3])


def test_nucleus_keeps_the_likeliest():
    assert nucleus(P_V, 0.8).tolist() == pytest.approx([0, 0.6, 0.3])
    assert nucleus(P_V, 0.5).tolist() == pytest.approx([0, 0.6, 0])
    assert nucleus(P_V, 1.0).tolist() == pytest.approx(P_V.tolist())


def test_top_keeps_so_many():
    assert top(P_V, 2).tolist() == pytest.approx([0, 2 / 3, 1 / 3])
    assert top(P_V, 1).tolist() == [0, 1, 0]
    assert top(torch.full((4,), 0.25), 2).count_nonzero() == 2  # ties too
    for everything in (0, 3, 9):
        assert top(P_V, everything).tolist() == P_V.tolist()


@given(
    logits=st.lists(st.integers(-40, 40), min_size=2, max_size=12, unique=True),
    temperature=st.sampled_from([0.3, 1.0, 2.0]),
    top_k=st.integers(0, 12),
    top_p=st.sampled_from([0.1, 0.5, 0.9, 1.0]),
)
def test_cuts_are_transformers(logits, temperature, top_k, top_p):
    """Their three warpers, in their order."""
    from transformers.generation import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    logits_1V = torch.tensor([logits]) / 10
    warped_1V = TemperatureLogitsWarper(temperature)(None, logits_1V)
    warped_1V = TopKLogitsWarper(top_k)(None, warped_1V) if top_k else warped_1V
    expected_V = TopPLogitsWarper(top_p)(None, warped_1V)[0].softmax(0)
    ours_V = chances(logits_1V[0], Sampling(temperature=temperature, top_k=top_k, top_p=top_p))
    torch.testing.assert_close(ours_V / ours_V.sum(), expected_V, rtol=1e-4, atol=1e-6)


def test_draws_follow_the_chances():
    generator, n = torch.Generator().manual_seed(0), 4000
    sampling = Sampling(temperature=1.0, top_p=0.8)
    drawn_n = torch.tensor([drawn(P_V.log(), sampling, generator) for _ in range(n)])
    counts = drawn_n.bincount(minlength=3)
    assert counts[0] == 0
    share, expected = float(counts[1]) / n, 0.6 / 0.9
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / n)
