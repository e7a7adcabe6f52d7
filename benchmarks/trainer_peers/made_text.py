"""Token ids with something to learn in them, the same for a seed: no network, no files.

Three habits of language, mixed: words fall off with their rank (Zipf), some follow others (each word has four
successors), and what was said comes back (a document repeats what stood `lag` words before). Legend: N documents,
T tokens, V words.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

FOLLOWS, REPEATS = 0.45, 0.2  # shares of tokens; the rest is drawn by rank alone
SUCCESSORS = (0.5, 0.25, 0.15, 0.1)
LAGS = (16, 64)
LENGTHS = (64, 960)
ZIPF_SHIFT = 2.7  # Mandelbrot's, for English


def documents(n_tokens: int, vocabulary: Ints, seed: int, part: int) -> list[Ints]:
    """Documents of `n_tokens` tokens or more in all. The habits follow `seed`, the documents (seed, part)."""
    habits, rng = np.random.default_rng(seed), np.random.default_rng((seed, part))
    n_words = len(vocabulary)
    edges_V = np.cumsum(1 / (np.arange(n_words) + ZIPF_SHIFT))
    edges_V /= edges_V[-1]
    successors_V4 = _ranks(habits, edges_V, (n_words, len(SUCCESSORS)))
    n_documents = n_tokens // (sum(LENGTHS) // 2) * 11 // 10 + 16
    lengths_N = rng.integers(*LENGTHS, n_documents)
    lengths_N = lengths_N[: int(np.searchsorted(np.cumsum(lengths_N), n_tokens)) + 1]
    words_NT = _words(rng, edges_V, successors_V4, len(lengths_N))
    shuffled_V = habits.permutation(vocabulary)
    return [shuffled_V[words_T[:length]] for words_T, length in zip(words_NT, lengths_N, strict=True)]


def _words(rng: np.random.Generator, edges_V: Any, successors_V4: Ints, n_documents: int) -> Ints:
    every_N = np.arange(n_documents)
    lags_N = rng.integers(*LAGS, n_documents)
    words_NT = np.empty((n_documents, LENGTHS[1]), np.int32)
    for t in range(LENGTHS[1]):
        u_N = rng.random(n_documents)
        words_N = _ranks(rng, edges_V, n_documents)
        if t:
            which_N = np.searchsorted(np.cumsum(SUCCESSORS)[:-1], rng.random(n_documents))
            words_N = np.where(u_N < FOLLOWS, successors_V4[words_NT[:, t - 1], which_N], words_N)
        back_N = words_NT[every_N, np.maximum(t - lags_N, 0)]
        words_NT[:, t] = np.where((u_N > 1 - REPEATS) & (t >= lags_N), back_N, words_N)
    return words_NT


def _ranks(rng: np.random.Generator, edges_V: Any, shape: Any) -> Ints:
    found: Ints = np.minimum(np.searchsorted(edges_V, rng.random(shape)), len(edges_V) - 1)
    return found
