"""The choice of blocks: no other threshold gives a better expected F1, nor does any other set of blocks."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.html import choose
from corpus.html.choose import chosen

WHOLE = 65_536
PAGES = st.lists(
    st.tuples(st.integers(0, WHOLE) | st.sampled_from([0, 1, 100, WHOLE]), st.integers(1, 500)), max_size=9
)


def taken(page: list[tuple[int, int]]) -> list[bool]:
    """Of blocks as (probability, words)."""
    probability, words = (np.array([block[at] for block in page], np.int32) for at in (0, 1))
    found: list[bool] = chosen(probability, words).tolist()
    return found


def expected_f1(page: list[tuple[int, int]], takes: list[bool]) -> Fraction:
    """2 * right / (taken + main), all in words."""
    right = sum(p * n for (p, n), takes_it in zip(page, takes, strict=True) if takes_it)
    n_taken = sum(n for (_, n), takes_it in zip(page, takes, strict=True) if takes_it)
    return Fraction(2 * right, n_taken * WHOLE + sum(p * n for p, n in page))


@pytest.mark.parametrize(
    ("page", "takes"),
    [
        ([], []),
        ([(WHOLE, 10), (0, 10)], [True, False]),
        ([(0, 10), (WHOLE, 10)], [False, True]),
        ([(WHOLE, 10), (WHOLE // 2 + 1, 10)], [True, True]),
        ([(WHOLE, 100), (WHOLE // 3, 10)], [True, False]),
        ([(60_000, 10), (20_000, 10), (60_000, 10)], [True, False, True]),
        ([(1, 10)], [True]),
        ([(1, 10), (2, 10)], [False, True]),
    ],
)
def test_pages(page: list[tuple[int, int]], takes: list[bool]) -> None:
    assert taken(page) == takes


@given(PAGES.filter(bool))
def test_no_threshold_is_better(page: list[tuple[int, int]]) -> None:
    best = max(expected_f1(page, [p >= threshold for p, _ in page]) for threshold, _ in page)
    assert expected_f1(page, taken(page)) == best


@given(PAGES.filter(bool))
def test_no_set_of_blocks_is_better(page: list[tuple[int, int]]) -> None:
    """So thresholds are enough."""
    sets = [list(takes) for takes in product((False, True), repeat=len(page)) if any(takes)]
    assert expected_f1(page, taken(page)) == max(expected_f1(page, takes) for takes in sets)


@given(PAGES)
def test_the_f1_that_is_expected_of_a_choice(page: list[tuple[int, int]]) -> None:
    takes = taken(page)
    probability, words = (np.array([block[at] for block in page], np.int32) for at in (0, 1))
    exact = expected_f1(page, takes) if page else 0
    assert choose.expected_f1(probability, words, np.array(takes, np.bool_)) == float(exact)


@given(PAGES)
def test_order_changes_nothing(page: list[tuple[int, int]]) -> None:
    order = sorted(range(len(page)), key=lambda at: (page[at][1], at))
    again = taken([page[at] for at in order])
    assert [again[order.index(at)] for at in range(len(page))] == taken(page)


def test_large_pages() -> None:
    """2^15 blocks of 2^15 words: the sums are beyond 32 bits."""
    page = [(WHOLE, 2**15)] * 2**14 + [(0, 2**15)] * 2**14
    assert taken(page) == [True] * 2**14 + [False] * 2**14
