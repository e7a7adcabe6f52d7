"""The decoder's prefix: where it may look, and which targets count."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from objective_samples import SPECIALS, packed, row_of

from training.objective import IGNORED, noise
from training.objectives.causal import Causal
from training.objectives.prefix_lm import PrefixLM


@given(st.integers(2, 200), st.integers(0, 999))
def test_the_last_of_the_prefix_predicts_the_first_of_the_rest(row_len: int, seed: int) -> None:
    row = packed(row_of(row_len + 1, seed, (1,)))
    example = PrefixLM(specials=SPECIALS).draw(row, noise(seed, 0, 0))
    n_prefix = int(example["prefix_T"].sum())
    assert 1 <= n_prefix <= row_len
    assert example["prefix_T"].tolist() == [1] * n_prefix + [0] * (row_len - n_prefix)
    assert (example["targets_T"][: n_prefix - 1] == IGNORED).all()
    assert np.array_equal(example["targets_T"][n_prefix - 1 :], row.tokens_S[n_prefix:])
    assert np.array_equal(example["tokens_T"], row.tokens_S[:-1])


@given(st.integers(2, 200), st.sets(st.integers(0, 200), max_size=9), st.integers(0, 999))
def test_each_document_has_a_prefix_and_a_rest(row_len: int, eods: set[int], seed: int) -> None:
    row = row_of(row_len + 1, seed, tuple(sorted(i for i in eods if i <= row_len)))
    before = row.tokens_S.copy()
    example = PrefixLM(specials=SPECIALS, document_mask=True).draw(row, noise(seed, 0, 0))
    causal = Causal(specials=SPECIALS, document_mask=True).draw(row, noise(seed, 0, 0))
    assert np.array_equal(example["segments_T"], causal["segments_T"])
    assert np.array_equal(row.tokens_S, before)
    for d in np.unique(example["segments_T"]):
        here = example["segments_T"] == d
        prefix, targets = example["prefix_T"][here], example["targets_T"][here]
        n_prefix = int(prefix.sum())
        assert n_prefix >= 1
        assert (np.diff(prefix) <= 0).all()
        assert (targets[: n_prefix - 1] == IGNORED).all()
        assert np.array_equal(targets[n_prefix - 1 :], causal["targets_T"][here][n_prefix - 1 :])


def test_prefixes_are_uniform() -> None:
    row = packed(row_of(11))
    lengths = [PrefixLM(specials=SPECIALS).draw(row, noise(0, 0, i))["prefix_T"].sum() for i in range(4000)]
    assert np.abs(np.bincount(lengths)[1:] - 400).max() < 4 * math.sqrt(400)


def test_the_worked_example() -> None:
    row = packed(row_of(5))._replace(tokens_S=np.array([5, 9, 7, 3, 4]))
    examples = [PrefixLM(specials=SPECIALS).draw(row, noise(0, 0, i)) for i in range(20)]
    of_two = next(example for example in examples if example["prefix_T"].sum() == 2)
    assert of_two["tokens_T"].tolist() == [5, 9, 7, 3]
    assert of_two["targets_T"].tolist() == [IGNORED, 7, 3, 4]
