"""The compiled part of MinHash (`corpus/text/minhash.py`)."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.text.shingles import Hashes


@njit(cache=True, nogil=True)
def minima(places: NDArray[np.int64], hashes: Hashes, factors: Hashes, summands: Hashes) -> Hashes:
    """The least value of each permutation over each text's hashes (`corpus.text.shingles`), one row a text."""
    least = np.full((places.size - 1, factors.size), np.uint64(0xFFFFFFFFFFFFFFFF))
    for text in range(places.size - 1):
        lowest = least[text]
        for at in range(places[text], places[text + 1]):
            for column in range(factors.size):
                lowest[column] = min(lowest[column], factors[column] * hashes[at] + summands[column])
    return least
