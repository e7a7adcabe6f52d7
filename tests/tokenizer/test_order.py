import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ConfigError
from tokenizer.order import MAX_ROWS, Order, permuted

SEEDS = st.integers(0, 2**64 - 1)


@given(st.integers(1, 3000), SEEDS, st.integers(0, 2**40))
def test_an_epoch_is_a_permutation(n_rows, seed, epoch):
    assert np.array_equal(np.sort(permuted(np.arange(n_rows), n_rows, seed, epoch)), np.arange(n_rows))


@given(st.integers(1, MAX_ROWS), SEEDS, st.lists(st.integers(0, MAX_ROWS - 1), min_size=1, max_size=50, unique=True))
def test_far_positions_need_no_table(n_rows, seed, positions):
    positions = sorted({position % n_rows for position in positions})
    rows = permuted(positions, n_rows, seed, 0)
    assert ((rows >= 0) & (rows < n_rows)).all()
    assert len(set(rows.tolist())) == len(positions)


@given(st.integers(1, 50), SEEDS, st.integers(0, 200), st.integers(0, 120))
def test_a_range_of_samples_is_its_samples(n_rows, seed, start, count):
    order = Order(n_rows=n_rows, seed=seed)
    samples = order.samples(start, start + count)
    assert samples.tolist() == [order.sample(s) for s in range(start, start + count)]


def test_each_epoch_reads_every_row_in_an_order_of_its_own():
    order = Order(n_rows=97, seed=5)
    epochs = order.samples(0, 97 * 4).reshape(4, 97)
    assert (np.sort(epochs, axis=1) == np.arange(97)).all()
    assert len({tuple(epoch) for epoch in epochs.tolist()}) == 4
    assert not np.array_equal(epochs[1], Order(n_rows=97, seed=6).samples(0, 97))  # (5, 1) and (6, 0) must not meet


@pytest.mark.parametrize("n_rows", [3, 10, 64])
def test_every_row_comes_everywhere_equally_often(n_rows):
    trials = 4000
    table = np.zeros((n_rows, n_rows))
    for epoch in range(trials):
        table[np.arange(n_rows), permuted(np.arange(n_rows), n_rows, 11, epoch)] += 1
    expected = trials / n_rows
    chi_square = ((table - expected) ** 2 / expected).sum()
    freedom = (n_rows - 1) ** 2
    assert abs(chi_square - freedom) < 4.5 * np.sqrt(2 * freedom)  # mean and deviation of the chi-square law


def test_neighbours_are_scattered():
    rows = permuted(np.arange(100_000), 100_000, 0, 0)
    correlation = np.corrcoef(rows[:-1], rows[1:])[0, 1]
    assert abs(correlation) < 4 / np.sqrt(100_000)


def test_the_order_is_fixed_for_life():
    # recorded from this code: a change here would break every run that resumes
    assert Order(n_rows=1000, seed=42).samples(998, 1004).tolist() == [381, 208, 57, 845, 421, 347]


def test_what_is_out_of_range_is_refused():
    with pytest.raises(ConfigError, match="0 rows"):
        Order(n_rows=0, seed=1)
    with pytest.raises(ConfigError, match="seed -1"):
        Order(n_rows=1, seed=-1)
    with pytest.raises(IndexError, match="sample -1"):
        Order(n_rows=5, seed=1).sample(-1)
    with pytest.raises(IndexError, match="position 5 of"):
        permuted([5], 5, 1, 0)
