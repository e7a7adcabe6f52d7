"""The order of rows in training: a shuffle that is computed, not stored, so that any sample is found at once.

Sample s of a run is position s % n_rows of epoch s // n_rows, and each epoch is a permutation of all rows that depends
on nothing but (n_rows, seed, epoch). To resume a run, or to split it over any number of ranks, is to know s.
"""

from dataclasses import dataclass
from math import isqrt

import numpy as np
import numpy.typing as npt

from corpus.errors import ConfigError

Rows = npt.NDArray[np.int64]
ROUNDS = 8  # 4 give a pseudorandom permutation (Luby and Rackoff 1988); twice that, since small tables are weak
MAX_ROWS = 2**62


def permuted(positions_N: npt.ArrayLike, n_rows: int, seed: int, epoch: int) -> Rows:
    """The row at each position of an epoch; over 0 .. n_rows - 1 a bijection. No memory but the answer.

    A Feistel network on pairs of digits to the base ceil(sqrt(n_rows)); what lands at or above n_rows goes through
    again until it lands below (Black and Rogaway 2002, "Ciphers with arbitrary finite domains", methods 2 and 3).
    """
    rows_N = np.array(positions_N, np.uint64, ndmin=1)
    if rows_N.size and rows_N.max() >= n_rows:
        raise IndexError(f"position {rows_N.max()} of an epoch of {n_rows} rows")
    base = np.uint64(isqrt(n_rows - 1) + 1)
    keys = np.random.Philox(key=np.array([seed, epoch], np.uint64)).random_raw(ROUNDS)
    outside = np.arange(rows_N.size)
    while outside.size:
        rows_N[outside] = _feistel(rows_N[outside], base, keys)
        outside = outside[rows_N[outside] >= n_rows]
    return rows_N.astype(np.int64)


def _feistel(x_N: npt.NDArray[np.uint64], base: np.uint64, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    left_N, right_N = np.divmod(x_N, base)
    for key in keys:
        left_N, right_N = right_N, (left_N + _mixed(right_N + key) % base) % base
    mixed_N: npt.NDArray[np.uint64] = left_N * base + right_N
    return mixed_N


def _mixed(x_N: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The output function of SplitMix64 (Steele, Lea and Flood 2014), constants of its variant 13."""
    x_N = (x_N ^ (x_N >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x_N = (x_N ^ (x_N >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x_N ^ (x_N >> np.uint64(31))


@dataclass(frozen=True, kw_only=True)
class Order:
    """The rows of a whole run, epoch after epoch; `n_rows` of one epoch, `seed` of the run."""

    n_rows: int
    seed: int

    def __post_init__(self) -> None:
        if not 1 <= self.n_rows <= MAX_ROWS:
            raise ConfigError(f"{self.n_rows} rows to put in order; there must be at least one: use a shorter row_len")
        if not 0 <= self.seed < 2**64:
            raise ConfigError(f"seed {self.seed} is not in 0 .. 2^64 - 1")

    def sample(self, number: int) -> int:
        """The row that sample `number` of the run reads."""
        return int(self.samples(number, number + 1)[0])

    def samples(self, start: int, stop: int) -> Rows:
        """The rows of samples start .. stop - 1, across the ends of epochs."""
        if start < 0:
            raise IndexError(f"sample {start}: samples count from 0")
        epochs = range(start // self.n_rows, -(-stop // self.n_rows))
        pieces = [
            permuted(
                np.arange(max(start - epoch * self.n_rows, 0), min(stop - epoch * self.n_rows, self.n_rows)),
                self.n_rows,
                self.seed,
                epoch,
            )
            for epoch in epochs
        ]
        return np.concatenate(pieces) if pieces else np.empty(0, np.int64)
