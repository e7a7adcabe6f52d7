"""From each block's probability to the blocks that are taken: those that make the expected F1 largest."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


def chosen(probability: NDArray[np.int32], words: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which blocks to take. `probability` is that of a word of the block to be main text, in 1/65536.

    Blocks above a threshold are taken, and the threshold is where the F1 of words, with the words expected to be right,
    is largest: 2 * right / (taken + all that are expected to be main text). The optimum is of this form (Lewis 1995,
    "Evaluating and optimizing autonomous text classification systems"). At least one block is taken if there is one.
    """
    taken = np.zeros(len(words), np.bool_)
    _choose(probability, words, taken)
    return taken


def expected_f1(probability: NDArray[np.int32], words: NDArray[np.int32], taken: NDArray[np.bool_]) -> float:
    """The F1 of words that these probabilities let expect of the taken blocks, 0 to 1; 0.0 where there are no words."""
    likely = probability.astype(np.int64) * words
    everything = int(likely.sum()) + (int(words[taken].sum()) << 16)
    return 2 * int(likely[taken].sum()) / everything if everything else 0.0


@njit(cache=True, nogil=True)
def _choose(probability, words, taken):  # type: ignore[no-untyped-def]
    total = np.int64(0)
    for b in range(words.shape[0]):
        total += np.int64(probability[b]) * words[b]
    order = np.argsort(-probability, kind="mergesort")  # a stable order: ties stand as the page has them
    right = n_taken = np.int64(0)
    best_right, best_all, threshold = np.int64(-1), np.int64(1), np.int32(0)
    for b in order:
        right += np.int64(probability[b]) * words[b]
        n_taken += words[b]
        everything = (n_taken << 16) + total
        if np.float64(right) * np.float64(best_all) > np.float64(best_right) * np.float64(everything):
            best_right, best_all, threshold = right, everything, probability[b]
    for b in range(words.shape[0]):
        taken[b] = probability[b] >= threshold
