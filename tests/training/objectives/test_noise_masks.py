"""Noise masks: t5's and BERT's numbers, the shape of every mask, rates on seeded data."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.objectives import noise_masks
from training.objectives.inputs import run_starts

DENSITIES = st.floats(0.01, 0.9)


def test_counts_of_t5() -> None:
    # preprocessors_test.py, test_random_spans_noise_mask: 32 tokens, density 0.25, mean 2
    assert noise_masks.span_counts(32, 0.25, 2.0) == (8, 4)
    assert noise_masks.span_counts(568, 0.15, 3.0) == (85, 28)
    assert noise_masks.span_counts(2, 0.15, 3.0) == (1, 1)


@given(st.integers(2, 600), DENSITIES, st.floats(1, 20), st.integers(0, 99))
def test_a_span_mask_has_its_noise_and_spans_text_first_noise_last(
    n: int, density: float, mean: float, seed: int
) -> None:
    mask = noise_masks.span_mask(n, density, mean, np.random.default_rng(seed))
    noise, spans = noise_masks.span_counts(n, density, mean)
    assert len(mask) == n
    assert not mask[0]
    assert mask[-1]
    assert mask.sum() == noise
    assert run_starts(mask).sum() == spans


def test_every_division_is_alike_likely() -> None:
    rng = np.random.default_rng(0)
    counts: dict[tuple[int, ...], int] = {}
    n_draws = 6000
    for _ in range(n_draws):
        lengths = tuple(noise_masks.random_segments(5, 3, rng).tolist())
        counts[lengths] = counts.get(lengths, 0) + 1
    assert len(counts) == math.comb(4, 2)
    expected = n_draws / 6
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 20.5  # chi-square, 5 degrees: 0.999


def test_t5_leaves_room_for_the_999th_of_1000() -> None:
    assert noise_masks.most_tokens(512, 0.15) == 103  # with an end 104: iid_15_d_d.gin
    assert noise_masks.most_tokens(10, 0.5) == 9  # 1 - 0.5 ** 10 = 0.99902, less 10 * 0.5 ** 10 = 0.98926


@given(st.integers(1, 300), DENSITIES, st.integers(0, 300), st.integers(0, 99))
def test_a_token_mask_has_no_more_noise_than_allowed(n: int, density: float, most: int, seed: int) -> None:
    mask = noise_masks.token_mask(n, density, most, np.random.default_rng(seed))
    assert len(mask) == n
    assert mask.sum() <= most


def test_a_token_mask_is_a_coin_for_each_token() -> None:
    rng = np.random.default_rng(1)
    masks = np.stack([noise_masks.token_mask(20, 0.15, 20, rng) for _ in range(10_000)])
    sd = math.sqrt(0.15 * 0.85 / 10_000)
    assert np.abs(masks.mean(0) - 0.15).max() < 4 * sd  # every place alike
    assert abs(masks.sum(1).var() / (20 * 0.15 * 0.85) - 1) < 0.06  # the number is binomial
    both = (masks[:, 0] & masks[:, 1]).mean()
    assert abs(both - 0.15**2) < 4 * math.sqrt(0.0225 / 10_000)  # neighbours do not know of each other


def test_a_suffix_leaves_a_prefix_of_1_to_n_minus_1() -> None:
    # preprocessors_test.py, test_random_prefix_noise_mask: the first is prefix, the last is not
    rng = np.random.default_rng(2)
    prefixes = [int((~noise_masks.suffix_mask(10, rng)).sum()) for _ in range(9000)]
    counts = np.bincount(prefixes, minlength=10)
    assert counts[0] == 0
    assert len(counts) == 10
    assert np.abs(counts[1:] - 1000).max() < 4 * math.sqrt(1000)


@pytest.mark.parametrize(("n", "most", "count"), [(128, 20, 19), (128, 10, 10), (4, 20, 1), (2, 20, 1), (512, 77, 77)])
def test_bert_counts(n: int, most: int, count: int) -> None:
    assert noise_masks.bert_count(n, 0.15, most) == count


def test_roberta_counts_are_right_on_the_average() -> None:
    rng = np.random.default_rng(3)
    counts = [noise_masks.roberta_count(511, 0.15, rng) for _ in range(4000)]
    assert set(counts) == {76, 77}  # 76.65
    assert abs(np.mean(counts) - 76.65) < 4 * math.sqrt(0.65 * 0.35 / 4000)


@given(st.integers(1, 100), st.integers(0, 40), st.integers(0, 999))
def test_whole_words_are_chosen_within_the_budget(n: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts = rng.random(n) < 0.5
    candidates = np.flatnonzero(rng.random(n) < 0.8)
    chosen = noise_masks.choose_words(candidates, starts, count, np.random.default_rng(seed))
    assert len(chosen) == len(set(chosen.tolist())) <= count
    assert set(chosen.tolist()) <= set(candidates.tolist())
    for i in candidates:  # a piece is chosen when the piece before it in its word is
        if i - 1 in candidates and not starts[i]:
            assert (i in chosen) == (i - 1 in chosen)
    left = set(candidates.tolist()) - set(chosen.tolist())
    singles = [i for i in left if starts[i] and (i + 1 not in candidates or starts[i + 1])]
    assert (
        len(chosen) == min(count, len(candidates)) or not singles
    )  # a word that would have fitted was not passed over
