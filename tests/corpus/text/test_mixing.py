"""Quotas and copies: the worked examples, the laws, and the errors that say what would help."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.text.mixing import copies, largest_budget, pick_below, quotas

WEB_AND_WIKI = {"web": 900, "wiki": 50}

SOURCES = st.dictionaries(st.sampled_from("abcde"), st.integers(1, 10**13), min_size=1)
WEIGHED = SOURCES.flatmap(
    lambda has: st.tuples(
        st.just(has),
        st.lists(st.integers(0, 1000), min_size=len(has), max_size=len(has))
        .filter(any)
        .map(lambda parts: {name: part / sum(parts) for name, part in zip(has, parts, strict=True)}),
    )
)
DOCUMENTS = st.integers(1, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 1000), min_size=n, max_size=n),
        st.lists(st.integers(0, 2**53 - 1), min_size=n, max_size=n, unique=True).map(
            lambda draws: np.array(draws) / 2**53
        ),
    )
)


def test_example() -> None:
    given_quotas = quotas(WEB_AND_WIKI, {"web": 0.9, "wiki": 0.1}, 1000, 3)
    assert {name: (quota.requested_bytes, quota.epochs) for name, quota in given_quotas.items()} == {
        "web": (900, 1.0),
        "wiki": (100, 2.0),
    }


def test_without_a_budget_nothing_is_repeated() -> None:
    largest = quotas(WEB_AND_WIKI, {"web": 0.9, "wiki": 0.1}, max_epochs=4)
    assert [quota.requested_bytes for quota in largest.values()] == [450, 50]
    half = quotas(WEB_AND_WIKI, {"web": 0.9, "wiki": 0.1}, max_epochs=0.5)
    assert [quota.requested_bytes for quota in half.values()] == [225, 25]


def test_a_source_of_weight_zero_may_be_empty() -> None:
    both = quotas({"a": 10, "b": 0}, {"a": 1.0, "b": 0.0}, 5)
    assert (both["b"].requested_bytes, both["b"].epochs) == (0, 0.0)


@given(WEIGHED, st.floats(0.1, 8))
def test_the_largest_budget_fits_and_a_larger_one_does_not(case, max_epochs: float) -> None:
    has, weights = case
    budget = largest_budget(has, weights, max_epochs)
    if budget > 0:
        filled = quotas(has, weights, budget, max_epochs)
        assert all(quota.requested_bytes <= quota.available_bytes * max_epochs for quota in filled.values())
        assert abs(sum(quota.requested_bytes for quota in filled.values()) - budget) <= len(has)
        for name, quota in filled.items():
            assert abs(quota.requested_bytes - budget * weights[name]) <= 1
    with pytest.raises(ValueError, match="max_epochs"):
        quotas(has, weights, int(budget * 1.01) + 2 * 1000 * len(has) + 2000, max_epochs)


def test_thirds_written_short_still_fill_the_budget() -> None:
    thirds = quotas(dict.fromkeys("abc", 10**12), dict.fromkeys("abc", 0.3333331), 3 * 10**11)
    assert [quota.requested_bytes for quota in thirds.values()] == [10**11] * 3


def test_an_unfillable_share_says_who_what_and_how_much_would_do() -> None:
    weights = {"web": 0.9, "wiki": 0.1}
    with pytest.raises(ValueError, match="wiki") as error:
        quotas(WEB_AND_WIKI, weights, 2000, 3)
    message = str(error.value)
    assert all(word in message for word in ('"wiki"', "50 bytes", "need 200", "2,000", "max_epochs 3"))
    largest = int(re.search(r"can fill is ([\d,]+)", message)[1].replace(",", ""))
    assert quotas(WEB_AND_WIKI, weights, largest, 3)["wiki"].epochs == 3


@pytest.mark.parametrize(
    ("weights", "options", "says"),
    [
        ({"web": 0.6, "wiki": 0.6}, {}, "sum to 1.2"),
        ({"web": 1.2, "wiki": -0.2}, {}, "from 0 to 1"),
        ({"web": float("nan"), "wiki": 1.0}, {}, "from 0 to 1"),
        ({"web": 1.0}, {}, r"no weights for \['wiki'\]"),
        ({"web": 0.5, "wiki": 0.3, "wikki": 0.2}, {}, r"weights for \['wikki'\]"),
        ({"web": 0.5, "wiki": 0.5}, {"max_epochs": 0}, "max_epochs is 0"),
        ({"web": 0.5, "wiki": 0.5}, {"max_epochs": float("inf")}, "finite"),
        ({"web": 0.5, "wiki": 0.5}, {"budget_bytes": 0}, "budget_bytes is 0"),
    ],
)
def test_wrong_before_any_data(weights: dict[str, float], options: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        quotas(WEB_AND_WIKI, weights, **options)


def test_a_source_with_a_weight_and_nothing_to_give() -> None:
    with pytest.raises(ValueError, match=r"\['b'\] have nothing"):
        quotas({"a": 10, "b": 0}, {"a": 0.5, "b": 0.5})


def test_copies_example() -> None:
    assert copies([4, 4, 2], [0.7, 0.1, 0.4], 17).tolist() == [1, 2, 2]


@given(DOCUMENTS, st.integers(0, 100_000))
def test_copies_fill_the_quota_to_within_one_document(case, quota_bytes: int) -> None:
    sizes, draws = case
    times = copies(sizes, draws, quota_bytes)
    given_bytes = int((times * np.array(sizes)).sum())
    if sum(sizes):
        assert 0 <= quota_bytes - given_bytes < max(sizes)
        assert times.max() - times.min() <= 1
        assert times.min() == quota_bytes // sum(sizes)
    else:
        assert set(times.tolist()) <= {0, 1}


@given(DOCUMENTS, st.integers(0, 30_000), st.integers(0, 30_000))
def test_a_larger_quota_keeps_what_a_smaller_one_has(case, one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert (copies(*case, small) <= copies(*case, large)).all()


@given(DOCUMENTS, st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_the_order_of_documents_does_not_matter(case, quota_bytes: int, random) -> None:
    sizes, draws = case
    order = list(range(len(sizes)))
    random.shuffle(order)
    mixed = copies([sizes[i] for i in order], draws[order], quota_bytes)
    assert mixed.tolist() == copies(sizes, draws, quota_bytes)[order].tolist()


def test_picking_bounds() -> None:
    assert pick_below([5, 5], [0.2, 0.6], 0) == 0.0
    assert pick_below([5, 5], [0.2, 0.6], 4) == 0.2
    assert pick_below([5, 5], [0.2, 0.6], 5) == 0.6
    assert pick_below([5, 5], [0.2, 0.6], 10) == 1.0
    assert pick_below([], [], 10) == 1.0
