import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from training import models
from training.evaluation.perplexity import HeldOut, bits, windows
from training.objective import IGNORED


@pytest.fixture(scope="module")
def model(config):
    torch.manual_seed(1)
    model = models.build(config.model)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return model


def test_windows_of_the_worked_example():
    a, b, c, d, e, f, g = range(1, 8)
    assert [window[1:] for window in windows(0, np.array([a, b, c, d, e, f, g]), 0, 4, 2)] == [
        ([0, a, b, c], [a, b, c, d]),
        ([b, c, d, e], [IGNORED, IGNORED, e, f]),
        ([d, e, f], [IGNORED, IGNORED, g]),
    ]


@given(length=st.integers(0, 60), context=st.integers(1, 12), data=st.data())
def test_each_token_is_scored_once_and_after_its_neighbours(length, context, data):
    stride = data.draw(st.integers(1, context))
    tokens = np.arange(1, length + 1)
    scored = []
    for _, tokens_T, targets_T in windows(0, tokens, 0, context, stride):
        assert len(tokens_T) == len(targets_T) <= context
        for t, target in enumerate(targets_T):
            if target != IGNORED:
                scored.append(target)
                assert tokens_T[t] == target - 1
                assert t >= min(target - 1, context - stride)
    assert scored == tokens.tolist()


@torch.no_grad()
def test_short_documents_are_scored_as_by_hand(model, vocab):
    documents = [HeldOut("one and two. ", "x"), HeldOut("", "x"), HeldOut("é", "y")]
    found = bits(model, vocab, documents)
    for (text, _), ours in zip(documents, found.bits, strict=True):
        line = torch.tensor([vocab.eod_id, *vocab.encode_batch([text])[0].tolist()])
        nats = (
            F.cross_entropy(model({"tokens": line[None, :-1]})[0], line[1:], reduction="sum") if len(line) > 1 else 0.0
        )
        assert ours == pytest.approx(float(nats) / math.log(2), rel=1e-4)
    assert found.n_bytes == (13, 0, 2)
    assert found.per_byte() == pytest.approx(sum(found.bits) / 15)
    assert found.per_byte("y") == pytest.approx(found.bits[2] / 2)


def test_a_model_that_knows_nothing_pays_for_every_token(vocab, config):
    model = models.build(config.model)
    torch.nn.init.zeros_(model.embedding.weight)
    text = "two and three make five. " * 9
    n_tokens = len(vocab.encode_batch([text])[0])
    found = bits(model, vocab, [HeldOut(text)])
    assert found.bits[0] == pytest.approx(n_tokens * math.log2(vocab.size), rel=1e-5)


def test_a_longer_context_is_one_window(model, vocab, config):
    text = [HeldOut("one and one make two. one and two make three. " * 2)]
    wide = models.build(replace(config.model, context=64))
    wide.load_state_dict(model.state_dict())
    cut, whole = bits(model, vocab, text, stride=1).bits[0], bits(wide, vocab, text).bits[0]
    assert cut != whole
    assert cut == pytest.approx(whole, rel=0.2)
