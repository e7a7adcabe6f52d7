"""Connected components against scipy's, in any order of edges, on chains and stars."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from corpus.text.components import components

GRAPHS = st.integers(1, 40).flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=60))
)


def smallest_by_scipy(left: np.ndarray, right: np.ndarray, n: int) -> np.ndarray:
    labels = connected_components(coo_matrix((np.ones(len(left)), (left, right)), shape=(n, n)), directed=False)[1]
    smallest = np.full(n, n)
    np.minimum.at(smallest, labels, np.arange(n))
    return smallest[labels]


def test_example() -> None:
    assert components([3, 4], [1, 3], 5).tolist() == [0, 1, 2, 1, 1]


@given(GRAPHS, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_equal_to_scipy_in_any_order(graph: tuple[int, list[tuple[int, int]]], random) -> None:
    n, edges = graph
    left, right = np.array(edges, np.int64).reshape(-1, 2).T
    expected = smallest_by_scipy(left, right, n)
    assert np.array_equal(components(left, right, n), expected)
    mixed = [(b, a) if random.random() < 0.5 else (a, b) for a, b in edges]
    random.shuffle(mixed)
    left, right = np.array(mixed, np.int64).reshape(-1, 2).T
    assert np.array_equal(components(left, right, n), expected)


@pytest.mark.parametrize("order", ["up", "down", "random"])
def test_long_chains(order: str) -> None:
    n = 100_000
    edges = np.arange(n - 1)
    edges = {"up": edges, "down": edges[::-1], "random": np.random.default_rng(0).permutation(edges)}[order]
    assert not components(edges, edges + 1, n).any()


@pytest.mark.parametrize("centre", [0, 500_000, 999_999])
def test_huge_stars(centre: int) -> None:
    n = 1_000_000
    assert not components(np.full(n, centre), np.arange(n), n).any()


def test_a_large_random_graph() -> None:
    rng = np.random.default_rng(1)
    left, right = rng.integers(0, 300_000, (2, 140_000))
    assert np.array_equal(components(left, right, 300_000), smallest_by_scipy(left, right, 300_000))


def test_no_edges_and_no_nodes() -> None:
    assert components([], [], 3).tolist() == [0, 1, 2]
    assert components([], [], 0).tolist() == []


@pytest.mark.parametrize(("left", "right"), [([0], [3]), ([-1], [0]), ([5], [0])])
def test_nodes_that_are_not_there(left: list[int], right: list[int]) -> None:
    with pytest.raises(ValueError, match=r"outside 0\.\.2"):
        components(left, right, 3)


def test_sides_of_different_lengths() -> None:
    with pytest.raises(ValueError, match="one length"):
        components([0, 1], [1], 3)
