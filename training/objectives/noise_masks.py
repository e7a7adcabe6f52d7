"""Which tokens of a text are noise: a boolean mask over its n tokens, or the positions chosen. Legend: S tokens."""

import math
from functools import lru_cache

import numpy as np

from training.objective import Bools, Ints

Rng = np.random.Generator


def span_counts(n: int, density: float, mean_span: float) -> tuple[int, int]:
    """(noise tokens, spans) of n tokens: round(density n) in [1, n - 1], round(noise / mean_span), at least 1.

    568 tokens at 15 % and 3: (85, 28). Rounding is to even at .5, as in t5/data/preprocessors.py,
    random_spans_noise_mask. Never more spans than there is text to part them.
    """
    noise = min(max(round(n * density), 1), n - 1)
    return noise, min(max(round(noise / mean_span), 1), n - noise)


def random_segments(n: int, parts: int, rng: Rng) -> Ints:
    """Lengths of `parts` parts of n items, none empty, every division alike likely.

    (10, 3) -> for example [2 5 3]: cuts at 2 and 7 of 1..9 (t5/data/preprocessors.py, random_spans_noise_mask).
    """
    edges = np.empty(parts + 1, np.int64)
    edges[0], edges[-1] = 0, n
    edges[1:-1] = 1 + np.sort(rng.choice(n - 1, parts - 1, replace=False, shuffle=False))
    return np.diff(edges)


def span_mask(n: int, density: float, mean_span: float, rng: Rng) -> Bools:
    """Spans of noise between spans of text, text first and noise last; n of 2 or more (T5, section 3.3.4).

    11 tokens, 5 of noise in 2 spans -> for example [0 0 1 1 1 0 0 0 0 1 1]
    """
    noise, spans = span_counts(n, density, mean_span)
    lengths_R = np.empty(2 * spans, np.int64)
    lengths_R[0::2] = random_segments(n - noise, spans, rng)
    lengths_R[1::2] = random_segments(noise, spans, rng)
    return np.repeat(np.arange(2 * spans) % 2 == 1, lengths_R)


def token_mask(n: int, density: float, most: int, rng: Rng) -> Bools:
    """Each token alone with probability `density` (t5/data/preprocessors.py, iid_noise_mask), but `most` in all.

    The number is binomial and the places are uniform, which is the same as a coin for each token.
    """
    return chosen_mask(n, rng.choice(n, min(int(rng.binomial(n, density)), most), replace=False, shuffle=False))


def suffix_mask(n: int, rng: Rng) -> Bools:
    """All after a prefix of 1 to n - 1 tokens, each length alike likely (t5/data/preprocessors.py,
    random_prefix_noise_mask, which calls the prefix noise)."""
    return np.arange(n) >= rng.integers(1, n)


def chosen_mask(n: int, chosen: Ints) -> Bools:
    """True at the chosen positions."""
    mask_S = np.zeros(n, np.bool_)
    mask_S[chosen] = True
    return mask_S


@lru_cache(maxsize=4096)
def most_tokens(n: int, density: float) -> int:
    """How many of n tokens are noise in 99.9 % of all draws of `token_mask`: what fixed lengths leave room for.

    512 tokens at 15 %: 103, so with an end 104 targets, T5's number (t5/models/gin/objectives/iid_15_d_d.gin).
    """
    total, p, q = 0.0, math.log(density), math.log1p(-density)
    for k in range(n + 1):
        total += math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * p + (n - k) * q)
        if total >= 0.999:
            return k
    return n


def bert_count(n: int, density: float, max_predictions: int | None) -> int:
    """Predictions in a row of n tokens, specials counted: 19 of 128 (BERT, create_pretraining_data.py)."""
    count = max(1, round(n * density))
    return count if max_predictions is None else min(count, max_predictions)


def roberta_count(n: int, density: float, rng: Rng) -> int:
    """int(density n + u): density n on the average (fairseq, mask_tokens_dataset.py)."""
    return int(density * n + rng.random())


def choose_tokens(candidates: Ints, count: int, rng: Rng) -> Ints:
    """`count` of the candidates, or all where there are fewer."""
    return rng.choice(candidates, min(count, len(candidates)), replace=False, shuffle=False)


def choose_words(candidates: Ints, word_starts_S: Bools, count: int, rng: Rng) -> Ints:
    """Positions of whole words in random order while they fit `count` tokens; one that would not is passed over.

    A word is a run of candidates from a word start on; a gap (a special token) ends one.
    BERT's create_pretraining_data.py with do_whole_word_mask.
    """
    if not len(candidates):
        return candidates
    begins = word_starts_S[candidates] | (np.diff(candidates, prepend=-2) > 1)
    edges = [*np.flatnonzero(begins).tolist(), len(candidates)]
    taken: list[int] = []
    for word in rng.permutation(len(edges) - 1).tolist():
        start, stop = edges[word], edges[word + 1]
        if len(taken) + stop - start <= count:
            taken += range(start, stop)
            if len(taken) == count:
                break
    return candidates[taken]
