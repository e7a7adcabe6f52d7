from collections import Counter
from fractions import Fraction
from itertools import pairwise
from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ConfigError, DataError
from tokenizer import bigram
from tokenizer.bigram import Bigram

V = 5
TEXTS = st.lists(st.lists(st.integers(0, V - 1), max_size=30), max_size=4)


def plain(texts, before, after):
    """The formula at the head of the module, with dictionaries and exact fractions."""
    unigrams = Counter(token for text in texts for token in text)
    pairs = Counter(pair for text in texts for pair in pairwise(text))
    n, t = unigrams.total(), len(unigrams)
    low = (Fraction(unigrams[after]) + Fraction(t, V)) / (n + t) if n else Fraction(1, V)
    followers = sum(count for (h, _), count in pairs.items() if h == before)
    distinct = sum(h == before for h, _ in pairs)
    return (pairs[before, after] + distinct * low) / (followers + distinct) if followers else low


def arrays(texts, dtype=np.uint16):
    return [np.array(text, dtype) for text in texts]


@given(TEXTS, st.integers(1, 9))
def test_it_is_the_formula_and_a_distribution(texts, chunk_tokens):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bigram, "CHUNK_TOKENS", chunk_tokens)  # pairs across chunks must count once
        model = Bigram.fit(arrays(texts), V)
    for before in range(V):
        probabilities = [2 ** -model.bits(np.array([before, after])) for after in range(V)]
        assert probabilities == pytest.approx([float(plain(texts, before, after)) for after in range(V)])
        assert sum(probabilities) == pytest.approx(1)


def test_bits_add_up_over_the_tokens_but_the_first():
    model = Bigram.fit([np.array([0, 1, 2, 1, 2, 1, 0])], V)
    tokens = np.array([0, 1, 2, 3], np.int32)
    expected = [-log2(plain([[0, 1, 2, 1, 2, 1, 0]], *pair)) for pair in ((0, 1), (1, 2), (2, 3))]
    assert model.token_bits(tokens) == pytest.approx(expected)
    assert model.bits(tokens) == pytest.approx(sum(expected))
    assert model.bits(tokens[:1]) == 0 == model.bits(tokens[:0])


def test_text_that_repeats_is_worth_few_bits_and_order_matters():
    cycle = np.tile(np.arange(V), 400)
    shuffled = np.random.default_rng(0).permutation(cycle)
    model = Bigram.fit([cycle], V)
    assert model.bits(cycle) / len(cycle) < 0.05
    assert Bigram.fit([shuffled], V).bits(shuffled) / len(cycle) == pytest.approx(log2(V), abs=0.05)


def test_what_is_no_token_is_refused():
    with pytest.raises(DataError, match="vocabulary has 5 entries"):
        Bigram.fit([np.array([1, 5])], V)
    with pytest.raises(DataError, match="reach from -1"):
        Bigram.fit([], V).bits(np.array([1, -1]))
    with pytest.raises(ConfigError, match="0 entries"):
        Bigram.fit([], 0)
