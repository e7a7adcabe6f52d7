"""Decision accuracy by hand and against Kendall's tau, of which it is a shift where nothing is tied.

Legend: P budgets, A arms, S seeds.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from training.evaluation.decisions import decision_accuracy


def test_by_hand() -> None:
    values_PAS = np.array(
        [
            [[3.0, 1.0], [2.0, 2.0], [1.0, 3.0]],  # means 2, 2, 2; one seed right in all three pairs, one in none
            [[3.0, 3.0], [1.0, 2.0], [2.0, 1.0]],  # means 3, 1.5, 1.5; seeds right in two and three
            [[3.0, 3.0], [2.0, 2.0], [1.0, 1.0]],
        ]
    )
    first, second, last = decision_accuracy(values_PAS)
    assert first == (0.0, 0.5, 3)
    assert second == (pytest.approx(2 / 3), pytest.approx(5 / 6), 3)
    assert last == (1.0, 1.0, 3)


@given(st.permutations(range(6)), st.permutations(range(6)))
def test_is_kendalls_tau_between_0_and_1(early: list[int], late: list[int]) -> None:
    found = decision_accuracy(np.array([early, late], float)[:, :, None])[0]
    tau = stats.kendalltau(early, late).statistic
    assert found == (pytest.approx((tau + 1) / 2), pytest.approx((tau + 1) / 2), 15)


def test_a_tie_agrees_with_a_tie_alone() -> None:
    assert decision_accuracy(np.array([[1, 1, 2], [1, 2, 3]], float)[:, :, None])[0].accuracy == pytest.approx(2 / 3)
    assert decision_accuracy(np.array([[4, 4, 5], [1, 1, 3]], float)[:, :, None])[0].accuracy == 1


def test_one_seed_may_miss_the_order_of_the_means_at_the_end() -> None:
    (last,) = decision_accuracy(np.array([[[1.0, 5.0, 0.0], [2.0, 4.5, 1.0]]]))
    assert (last.accuracy, last.one_seed) == (1.0, pytest.approx(2 / 3))


@given(st.integers(0, 999))
def test_whether_lower_or_higher_is_better_does_not_matter(seed: int) -> None:
    values_PAS = np.random.default_rng(seed).normal(size=(3, 4, 2))
    assert decision_accuracy(values_PAS) == decision_accuracy(-values_PAS)
