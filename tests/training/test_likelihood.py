import math
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from known_models import Known, byte_vocab, ln
from transformers import BartForConditionalGeneration, GPT2LMHeadModel, LlamaForCausalLM, T5ForConditionalGeneration

from corpus.errors import ConfigError, DataError
from tokenizer.vocab import Vocab, train
from training import interop, models
from training.evaluation.likelihood import Scored, encoded, scored
from training.evaluation.perplexity import HeldOut, bits
from training.objective import IGNORED
from training.spec import ModelSpec

TEXTS = [f"{a} and {b} make {c}. " for a in ("one", "two") for b in ("one", "three") for c in ("two", "four", "five")]
CONTEXT = 32


def speaker(family, model="bpe-bytes", specials=None, **options):
    """A random model with clear opinions, and its vocabulary."""
    vocab = Vocab.of(train(model, TEXTS, 365 if specials == "t5" else 300, specials))
    torch.manual_seed(2)
    made = models.build(
        ModelSpec(family=family, layers=2, width=16, heads=2, ffn=24, vocab=vocab.size, context=CONTEXT, **options)
    )
    with torch.no_grad():
        for weight in made.parameters():
            weight.normal_(std=0.4)
    return made.eval(), vocab


@pytest.fixture(scope="module")
def llama():
    return speaker("llama")


def requests(n=30):
    """Contexts and continuations, every fifth longer than a model's context."""
    rng = random.Random(1)
    words = "one two three four five make and".split(" ")  # noqa: SIM905
    return [
        (
            " ".join(rng.choices(words, k=rng.randint(40, 50) if i % 5 == 0 else rng.randint(0, 6))),
            "".join(f" {word}" for word in rng.choices(words, k=rng.randint(1, 4))),
        )
        for i in range(n)
    ]


def test_by_hand():
    vocab = byte_vocab()
    model = Known(vocab, {"a": 0.5, "ab": 0.25, "b": 0.3, "ba": 0.9, "aa": 0.4})
    found = scored(model, vocab, [("", "ab"), ("a", "b"), ("xa", "ba"), ("", "ba"), ("xb", "a"), ("a", "b")])
    expected = [
        (ln(0.5, 0.25), False),
        (ln(0.25), False),
        (ln(0.25, 0.9), False),
        (ln(0.3, 0.9), False),
        (ln(0.9), True),
    ]
    for score, (nats, greedy) in zip(found, [*expected, expected[1]], strict=True):
        assert score.nats == pytest.approx(nats, rel=1e-5)
        assert score.greedy == greedy
    assert [(score.tokens, score.n_bytes) for score in found] == [(2, 2), (1, 1), (2, 2), (2, 2), (1, 1), (1, 1)]
    assert sum(rows for rows, _ in model.calls) == 5, "equal requests are asked once"


def test_a_context_gives_the_white_space_at_its_end_to_what_follows(llama):
    model, vocab = llama
    assert encoded(vocab, [("one and ", "two")]) == encoded(vocab, [("one and", " two")])
    there, here = scored(model, vocab, [("one and ", "two"), ("one and", " two")])
    assert there.nats == here.nats
    assert (there.n_bytes, here.n_bytes) == (3, 4)


def test_the_two_are_encoded_as_one():
    vocab = Vocab.of(train("bpe-bytes", ["make"] * 9, 300))
    (k,), (m,) = vocab.encode_batch(["k", "m"])
    ((context, continuation),) = encoded(vocab, [("m", "ake makek")])
    assert context == [m]
    assert continuation == vocab.encode_batch(["make makek"])[0].tolist()[1:]
    assert continuation[-1] == k
    with pytest.raises(DataError, match="'ake' after 'm' has no token of its own"):
        encoded(vocab, [("m", "ake")])


THEIRS = {"llama": LlamaForCausalLM, "gpt2": GPT2LMHeadModel}


@pytest.mark.parametrize("family", THEIRS)
@pytest.mark.parametrize("before", [None, ()])
@torch.no_grad()
def test_decoders_against_transformers(family, before, tmp_path):
    """One request at a time, cut by the harness's own expression: (context + continuation)[-(max_length + 1):][:-1]."""
    model, vocab = speaker(family)
    interop.export(model, tmp_path, vocab.specials)
    theirs = THEIRS[family].from_pretrained(tmp_path).eval()
    found = scored(model, vocab, requests(), before)
    for score, (context, asked) in zip(found, encoded(vocab, requests()), strict=True):
        line = [*((vocab.eod_id,) if before is None or not context else ()), *context, *asked]
        logits_TV = theirs(torch.tensor([line[-(CONTEXT + 1) :][:-1]])).logits[0, -len(asked) :]
        ln_p_T = logits_TV.log_softmax(dim=-1).gather(1, torch.tensor(asked)[:, None])
        assert score.nats == pytest.approx(-float(ln_p_T.sum()), abs=1e-4)
        assert score.greedy == (logits_TV.argmax(dim=-1).tolist() == asked)
        assert score.tokens == len(asked)


@torch.no_grad()
def test_t5_is_asked_what_the_sentinel_behind_the_context_stands_for(tmp_path):
    model, vocab = speaker("t5", specials="t5")
    interop.export(model, tmp_path, vocab.specials)
    theirs = T5ForConditionalGeneration.from_pretrained(tmp_path).eval()
    sentinel, pad = vocab.specials.sentinels[0], vocab.specials.pad
    for score, (context, asked) in zip(scored(model, vocab, requests()), encoded(vocab, requests()), strict=True):
        inputs = [*context[-(CONTEXT - 2) :], sentinel, vocab.eod_id]
        said = theirs(input_ids=torch.tensor([inputs]), decoder_input_ids=torch.tensor([[pad, sentinel, *asked[:-1]]]))
        ln_p_TV = said.logits[0, 1:].log_softmax(dim=-1)
        assert score.nats == pytest.approx(-float(ln_p_TV.gather(1, torch.tensor(asked)[:, None]).sum()), abs=1e-4)


@torch.no_grad()
def test_bart_goes_on_saying_the_text(tmp_path):
    model, vocab = speaker("bart", specials="roberta")
    interop.export(model, tmp_path, vocab.specials)
    theirs = BartForConditionalGeneration.from_pretrained(tmp_path).eval()
    special = vocab.specials
    for score, (context, asked) in zip(scored(model, vocab, requests()), encoded(vocab, requests()), strict=True):
        kept = context[-(CONTEXT - max(3, 1 + len(asked))) :]
        inputs = [special.start, *kept, special.mask, special.eod]
        tokens = [special.eod, special.start, *kept, *asked[:-1]]
        said = theirs(input_ids=torch.tensor([inputs]), decoder_input_ids=torch.tensor([tokens]))
        ln_p_TV = said.logits[0, -len(asked) :].log_softmax(dim=-1)
        assert score.nats == pytest.approx(-float(ln_p_TV.gather(1, torch.tensor(asked)[:, None]).sum()), abs=1e-4)


@given(st.lists(st.integers(0, 29), min_size=1, max_size=30))
def test_the_batch_does_not_matter(llama, numbers):
    chosen = [requests()[n] for n in numbers]
    alone = {n: scored(*llama, [requests()[n]])[0] for n in set(numbers[:3])}
    together = scored(*llama, chosen)
    for n, score in zip(numbers, together, strict=True):
        if n in alone:
            assert score.nats == pytest.approx(alone[n].nats, rel=1e-5)
            assert score[1:] == alone[n][1:]


def test_a_continuation_longer_than_the_context_is_read_in_windows(llama):
    text = "one and three make four. two and one make five. " * 8
    (found,) = scored(*llama, [("", text)])
    whole = bits(*llama, [HeldOut(text)])
    assert found.tokens > 2 * CONTEXT
    assert found.nats == pytest.approx(whole.bits[0] * math.log(2), rel=1e-5)
    assert found.n_bytes == whole.n_bytes[0]


@torch.no_grad()
def test_a_prefix_lm_sees_all_of_the_context():
    model, vocab = speaker("t5-lm", specials="t5", relative_both_ways=True)
    ((context, asked),) = encoded(vocab, [("one and two", " make three")])
    tokens = torch.tensor([[vocab.eod_id, *context, *asked[:-1]]])
    prefix = torch.arange(tokens.shape[1])[None] <= len(context)
    targets = torch.tensor([[IGNORED] * len(context) + asked])
    expected = model.scores({"tokens": tokens, "targets": targets, "prefix": prefix}).sum()
    (found,) = scored(model, vocab, [("one and two", " make three")], objective="prefix_lm")
    assert found.nats == pytest.approx(float(expected), rel=1e-5)
    assert found.nats != scored(model, vocab, [("one and two", " make three")], objective="causal")[0].nats


def test_what_cannot_be_scored_is_said():
    with pytest.raises(ConfigError, match="is an encoder, which continues no text"):
        scored(*speaker("bert", "wordpiece"), [("one", " two")])
    model, vocab = speaker("t5", specials="t5")
    with pytest.raises(ConfigError, match='objective "deshuffle" cannot be asked'):
        scored(model, vocab, [("one", " two")], objective="deshuffle")
    with pytest.raises(DataError, match="does not fit a context of 32"):
        scored(model, vocab, [("one", " two" * 50)])
    assert scored(model, vocab, []) == []
    (found,) = scored(model, vocab, [("one", " two")], objective="prefix_lm_encoder_decoder")
    assert isinstance(found, Scored)
