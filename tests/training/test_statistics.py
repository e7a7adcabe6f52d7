"""Statistics against scipy's, against a two-level bootstrap written out, and against simulated experiments.

Legend: A arms, S seeds, N items.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from training.evaluation.statistics import Comparison, compare, holm, noise, trend

# spread between seeds, between items, and of each seed's answer to each item
SPREADS = [(1.0, 0.0, 0.0), (0.1, 1.0, 0.0), (0.02, 0.0, 1.0), (0.1, 1.0, 1.0)]


def experiment(
    rng: np.random.Generator, n_seeds: int, n_items: int, spreads: tuple[float, ...], difference: float = 0.0
) -> np.ndarray:
    """Baseline and arm [2, seeds, items], whose differences spread so."""
    seeds, items, both = spreads
    arm_SN = (
        difference
        + rng.normal(0, 1, (n_seeds, 1)) * seeds
        + rng.normal(0, 1, (1, n_items)) * items
        + rng.normal(0, 1, (n_seeds, n_items)) * both
    )
    baseline_SN = rng.normal(3, 1, (n_seeds, n_items))
    return np.stack([baseline_SN, baseline_SN + arm_SN])


def compared(values_ASN: np.ndarray, draws: int = 2000) -> Comparison:
    return compare(values_ASN, np.ones_like(values_ASN), draws=draws)[0]


def simulated(n: int, n_seeds: int, n_items: int, spreads: tuple[float, ...], difference: float) -> list[Comparison]:
    rng = np.random.default_rng([n_seeds, n_items])
    return [compared(experiment(rng, n_seeds, n_items, spreads, difference), draws=100) for _ in range(n)]


def test_one_item_is_the_paired_t_test_over_seeds() -> None:
    scores_AS = np.array([[0.50, 0.52, 0.47, 0.55, 0.51], [0.53, 0.56, 0.48, 0.60, 0.52]])
    expected = stats.ttest_rel(scores_AS[1], scores_AS[0])
    bounds = expected.confidence_interval(0.95)
    found = compared(scores_AS[:, :, None])
    assert (found.p, found.low, found.high) == pytest.approx((expected.pvalue, bounds.low, bounds.high))
    assert found.difference == pytest.approx(0.028)
    assert found.effect_sd == pytest.approx(0.028 / np.std(scores_AS[0], ddof=1))
    assert (found.seeds, found.items) == (5, 1)


def test_one_seed_is_the_items_alone_with_a_normal_p() -> None:
    values_ASN = experiment(np.random.default_rng(0), 1, 400, (0.0, 1.0, 0.0), 0.2)
    gaps_N = values_ASN[1, 0] - values_ASN[0, 0]
    error = gaps_N.std(ddof=1) / math.sqrt(400)
    found = compared(values_ASN, draws=20_000)
    assert found.error == pytest.approx(error, rel=0.02)
    assert found.p == pytest.approx(2 * stats.norm.sf(found.difference / found.error))
    assert (found.seeds, found.effect_sd) == (1, None)


def test_is_the_two_level_bootstrap_written_out() -> None:
    """Pigeonhole bootstrap: seeds and items drawn anew, B times. It holds the interaction three times (Owen 2007)."""
    rng = np.random.default_rng(4)
    values_ASN = experiment(rng, 8, 60, (0.3, 1.0, 0.0), 0.1)
    weights_ASN = np.broadcast_to(rng.integers(1, 9, 60).astype(float), values_ASN.shape)
    drawn = []
    for _ in range(20_000):
        seeds_S, items_N = rng.integers(8, size=8), rng.integers(60, size=60)
        values, weights = (table[:, seeds_S][:, :, items_N].sum(axis=2) for table in (values_ASN, weights_ASN))
        drawn.append(np.subtract(*(values / weights).mean(axis=1)))
    found = compare(values_ASN, weights_ASN)[0]
    scores_AS = values_ASN.sum(axis=2) / weights_ASN.sum(axis=2)
    seeds = np.var(scores_AS[1] - scores_AS[0], ddof=1)
    # the bootstrap has the variance between seeds with 8 below the line, and what compare has with 7
    assert found.error == pytest.approx(math.sqrt(np.var(drawn) + seeds / 8 - seeds * 7 / 64), rel=0.03)


@pytest.mark.parametrize("n_seeds", [3, 5])
@pytest.mark.parametrize(("n_items", "spreads"), [(1, SPREADS[0]), *((200, spreads) for spreads in SPREADS)])
def test_finds_nothing_where_there_is_nothing(n_seeds: int, n_items: int, spreads: tuple[float, ...]) -> None:
    found = simulated(800, n_seeds, n_items, spreads, 0.0)
    assert np.mean([one.p < 0.05 for one in found]) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 800)


@pytest.mark.parametrize("spreads", [(1.0, 0.0, 0.0), (0.1, 1.0, 0.0), (0.3, 3.0, 1.0), (0.3, 3.0, 3.0)])
def test_the_error_is_that_of_crossed_seeds_and_items(spreads: tuple[float, ...]) -> None:
    squares = [one.error**2 for one in simulated(400, 5, 200, spreads, 0.0)]
    seeds, items, both = (spread**2 for spread in spreads)
    assert np.mean(squares) == pytest.approx(seeds / 5 + items / 200 + both / 1000, rel=0.12)


def test_seeds_that_agree_by_chance_do_not_hide_the_noise_of_the_questions() -> None:
    squares = np.array([one.error**2 for one in simulated(400, 3, 200, (0.0, 0.0, 1.0), 0.0)])
    assert squares.min() > 0.7 / 600
    assert squares.mean() < 2 / 600  # uncut and counted in seeds and items it would be 3 / 600


@pytest.mark.parametrize(("n_seeds", "n_items"), [(3, 1), (5, 1), (5, 200)])
def test_the_interval_covers_a_known_difference(n_seeds: int, n_items: int) -> None:
    covered = np.mean([one.low < 0.7 < one.high for one in simulated(400, n_seeds, n_items, SPREADS[0], 0.7)])
    assert covered == pytest.approx(0.95, abs=3 * math.sqrt(0.05 * 0.95 / 400))


@pytest.mark.parametrize(("n_seeds", "comparisons"), [(3, 1), (5, 1), (5, 40)])
def test_finds_its_smallest_effect_four_times_in_five(n_seeds: int, comparisons: int) -> None:
    known = Comparison(
        difference=0, error=1 / math.sqrt(n_seeds), low=-1, high=1, p=1, effect_sd=None, seeds=n_seeds, items=1
    )
    found = simulated(600, n_seeds, 1, SPREADS[0], known.smallest_effect(comparisons))
    power = np.mean([one.p < 0.05 / comparisons for one in found])
    assert power == pytest.approx(0.8, abs=3 * math.sqrt(0.8 * 0.2 / 600))


def test_the_smallest_effect_of_many_seeds_is_the_textbook_one() -> None:
    known = Comparison(difference=0, error=1.0, low=-1, high=1, p=1, effect_sd=None, seeds=1, items=9)
    assert known.smallest_effect() == pytest.approx(1.959964 + 0.841621)


def test_ratios_of_sums_are_compared_item_by_item() -> None:
    """Twice the bits everywhere: each seed's score doubles, whatever items are drawn."""
    weights_N = np.array([1.0, 10.0, 100.0])
    baseline_SN = np.array([[2.0, 20, 200], [3, 30, 300]])
    found = compare(np.stack([baseline_SN, 2 * baseline_SN]), np.broadcast_to(weights_N, (2, 2, 3)))[0]
    assert found.difference == pytest.approx(2.5)
    assert found.error == pytest.approx(0.5)  # of the differences 2 and 3: what items are drawn changes nothing


@given(st.integers(0, 999), st.sampled_from([0, 1]), st.floats(0.5, 3))
def test_neither_order_nor_unit_changes_a_p_value(seed: int, axis: int, unit: float) -> None:
    rng = np.random.default_rng(seed)
    values_ASN = experiment(rng, 3, 4, SPREADS[0])
    if axis == 0:
        other = compared(unit * values_ASN[:, rng.permutation(3)], draws=20)
        assert other.p == pytest.approx(compared(values_ASN, draws=20).p)
    else:
        other = compared(values_ASN[::-1], draws=20)
        assert other.difference == pytest.approx(-compared(values_ASN, draws=20).difference)


def test_each_arm_is_compared_as_if_alone() -> None:
    values_ASN = np.random.default_rng(0).normal(size=(4, 3, 50))
    together = compare(values_ASN, np.ones_like(values_ASN))
    assert [one.p for one in together] == pytest.approx([compared(values_ASN[[0, arm]]).p for arm in (1, 2, 3)])


@pytest.mark.parametrize("gap", [0.0, 0.01])
def test_where_nothing_varies_nothing_is_found(gap: float) -> None:
    """Three seeds that all answer one question of a hundred more: no error can be told from that."""
    found = compared(np.array([[[0.5], [0.7], [0.6]], [[0.5 + gap], [0.7 + gap], [0.6 + gap]]]))
    assert (found.p, found.low, found.high) == (1.0, -math.inf, math.inf)
    assert found.smallest_effect() == math.inf


def test_holm_by_hand() -> None:
    # 0.01 * 4, 0.02 * 3, 0.03 * 2 -> 0.06 as the one before, 0.9 * 1
    assert holm([0.03, 0.9, 0.01, 0.02]) == pytest.approx([0.06, 0.9, 0.04, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_no_correction_and_bonferronis(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(min(p * len(p_values), 1) >= a >= p for p, a in zip(p_values, adjusted, strict=True))
    assert min(adjusted) == pytest.approx(min(min(p_values) * len(p_values), 1))


def test_a_trend_is_told_for_ten_percent() -> None:
    shares = [0.0, 0.1, 0.25, 0.5]
    slopes_S = np.array([0.02, 0.03, 0.07])
    found = trend(shares, 1.0 + np.outer(shares, slopes_S) * 10 + np.array([0.0, 5.0, -5.0]))
    expected = stats.ttest_1samp(slopes_S, 0)
    assert found.slope == pytest.approx(0.04)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.monotone


@pytest.mark.parametrize(
    ("means", "monotone"), [([3, 2, 1], True), ([1, 2, 3], True), ([1, 3, 2], False), ([1, 1, 2], False)]
)
def test_monotone_is_one_way_only_in_the_order_of_doses(means: list[float], monotone: bool) -> None:
    order = [2, 0, 1]
    shares, values = np.array([0.0, 0.1, 0.5])[order], np.array([means, means], float).T[order]
    assert trend(shares, values).monotone is monotone


def test_a_trend_of_one_seed_has_no_bounds() -> None:
    found = trend([0.0, 0.5], np.array([[1.0], [2.0]]))
    assert (found.slope, found.low, found.high, found.p) == (pytest.approx(0.2), -math.inf, math.inf, 1.0)


def test_noise_by_hand() -> None:
    found = noise([1.0, 2.0, 4.0])  # gaps 1, 2, 3
    assert (found.sd, found.median, found.largest) == (pytest.approx(math.sqrt(7 / 3)), 2.0, 3.0)
    assert all(map(math.isnan, noise([1.0])))
    assert noise([0.1, 0.1, 0.1]) == (0.0, 0.0, 0.0)


def test_a_baseline_that_never_moves_is_no_yardstick() -> None:
    assert compared(np.array([[[0.1]] * 3, [[0.2], [0.3], [0.5]]])).effect_sd is None
