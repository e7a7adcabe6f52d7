import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_models import Known, byte_vocab, ln

from training.evaluation.choices import choices, completions, credit
from training.evaluation.items import Choices, Completion

CHANCES = {"a ": 0.8, " b": 0.4, " d": 0.2, "bc": 0.4, "xy": 0.4}


@pytest.fixture(scope="module")
def vocab():
    return byte_vocab()


@pytest.fixture(scope="module")
def model(vocab):
    return Known(vocab, CHANCES)


def item(name, gold, *continuations, contexts=("a",)):
    return Choices(name, contexts * (len(continuations) // len(contexts)), continuations, gold)


def test_by_hand(model, vocab):
    """The longer one has a smaller p, but a greater one per character, of which the space before it is none."""
    assert ln(0.8 * 0.4) < ln(0.8 * 0.4 * 0.4) < ln(0.8 * 0.4) * 2
    assert ln(0.8 * 0.4) / 2 < ln(0.8 * 0.4 * 0.4) / 3, "were the space one, the shorter would be the better"
    found = choices(
        model,
        vocab,
        [item("short", 0, " b", " bc"), item("long", 1, " b", " bc"), item("neither", 2, " b", " bc", " d")],
    )
    assert found[""].items == found["norm"].items == ("short", "long", "neither")
    assert found[""].values.tolist() == [1, 0, 0]
    assert found["norm"].values.tolist() == [0, 1, 0]
    assert found[""].weights.tolist() == [1, 1, 1]
    assert found[""].value == pytest.approx(1 / 3)


def test_characters_count_and_not_bytes(vocab):
    """Three bytes each for a model that knows nothing, but é is one character."""
    found = choices(Known(vocab, {}), vocab, [item("é", 1, " é", " xy")])
    assert (found[""].value, found["norm"].value) == (0.5, 1)


def test_contexts_may_differ_and_the_continuation_be_one(model, vocab):
    both = choices(
        model, vocab, [item("w", 0, " b", " b", contexts=("a", "x")), item("v", 0, " b", " b", contexts=("x", "a"))]
    )
    assert both[""].values.tolist() == both["norm"].values.tolist() == [1, 0]


def test_what_ties_shares_the_point(model, vocab):
    found = choices(model, vocab, [item("two", 1, " b", " b", " d"), item("three", 2, " b", " b", " b")])
    assert found[""].values.tolist() == pytest.approx([1 / 2, 1 / 3])
    assert credit(np.array([1.0, 1.0, 2.0]), 2) == 0


@given(st.lists(st.sampled_from([1.0, 2.0, 3.0]), min_size=1, max_size=6))
def test_one_point_is_given_for_each_question(nats):
    assert sum(credit(np.array(nats), gold) for gold in range(len(nats))) == pytest.approx(1)


def test_endings_by_hand(model, vocab):
    items = [Completion("1", "x", "y"), Completion("2", "a", " b"), Completion("3", "a", " d")]
    found = completions(model, vocab, items)
    assert found[""].items == found["nats_per_target"].items == ("1", "2", "3")
    assert found[""].values.tolist() == [1, 1, 0]
    assert found["nats_per_target"].values == pytest.approx([ln(0.4), ln(0.8, 0.4), ln(0.8, 0.2)], rel=1e-5)
    perplexity = math.exp(found["nats_per_target"].value)
    assert perplexity == pytest.approx((0.4 * 0.32 * 0.16) ** (-1 / 3), rel=1e-5)
