"""BART's noises (Lewis et al. 2020, section 2.2; fairseq, data/denoising_dataset.py). Legend: S tokens, W words.

Permutation and deletion are orders, the positions of the tokens that stay; infilling needs the mask besides.
"""

import math

import numpy as np

from training.objective import Bools, Ints

Rng = np.random.Generator


def permuted_sentences(sentence_ends_S: Bools, rate: float, rng: Rng) -> Ints:
    """The positions of a text with ceil(rate n) of its n sentences in each other's places; what follows the last end is
    a sentence too.

    ends [0 1 0 0 1] -> for example [2 3 4 0 1]
    """
    n = len(sentence_ends_S)
    edges = np.flatnonzero(sentence_ends_S) + 1
    edges = np.concatenate(((0,), edges)) if len(edges) and edges[-1] == n else np.concatenate(((0,), edges, (n,)))
    order_N = np.arange(len(edges) - 1)
    moved = rng.permutation(len(order_N))[: math.ceil(len(order_N) * rate)]
    order_N[moved] = rng.permutation(moved)
    lengths_N = np.diff(edges)[order_N]
    # each sentence's positions count up from where it began, less where it comes to stand
    shifts_N = edges[order_N] - np.cumsum(lengths_N) + lengths_N
    positions_S: Ints = np.arange(n) + np.repeat(shifts_N, lengths_N)
    return positions_S


def span_lengths(budget: int, mean: float, rng: Rng) -> Ints:
    """Poisson lengths, zeros too, up to the one that fills the budget, which is cut to it."""
    lengths = rng.poisson(mean, budget)
    while (total := np.cumsum(lengths))[-1] < budget:
        lengths = np.concatenate((lengths, rng.poisson(mean, budget)))
    last = int(np.searchsorted(total, budget))
    lengths = lengths[: last + 1]
    lengths[last] -= total[last] - budget
    return lengths


def infilled(tokens_S: Ints, word_starts_S: Bools, rate: float, mean: float, mask_id: int, most: int, rng: Rng) -> Ints:
    """Spans of ceil(rate W) words in all become one mask each, and spans of no word insert one, up to `most` tokens.

    A B C D E, spans of 2 at B and 0  ->  A <M> D <M> E

    Spans begin at different words; one that begins inside another has no mask of its own and may reach further, and
    none goes past the end, so that a little less may be hidden, as in fairseq.
    """
    first_W = np.flatnonzero(word_starts_S)
    n_words = len(first_W)
    budget = math.ceil(n_words * rate)
    if budget == 0:
        return tokens_S
    lengths = span_lengths(budget, mean, rng)
    spans = lengths[lengths > 0]
    begins = rng.permutation(n_words)[: len(spans)]
    stops = np.minimum(begins + spans, n_words)
    change = np.zeros(n_words + 1, np.int64)
    np.add.at(change, begins + 1, 1)
    np.add.at(change, stops, -1)
    inside_W = np.cumsum(change)[:-1] > 0  # after the first word of some span
    begun_W = np.zeros(n_words, np.bool_)
    begun_W[begins] = True
    lengths_W = np.diff(first_W, append=len(tokens_S))
    gone_S = np.concatenate((np.zeros(first_W[0], np.bool_), np.repeat(inside_W | begun_W, lengths_W)))
    masks = first_W[begun_W & ~inside_W]
    noisy_S = tokens_S.copy()
    noisy_S[masks] = mask_id
    gone_S[masks] = False
    kept = noisy_S[~gone_S]
    return inserted(kept, min(len(lengths) - len(spans), most - len(kept)), mask_id, rng)


def inserted(tokens_S: Ints, count: int, mask_id: int, rng: Rng) -> Ints:
    """The tokens with `count` masks between, before and after them, at uniform places."""
    if count <= 0:
        return tokens_S
    n = len(tokens_S) + count
    stays = np.ones(n, np.bool_)
    stays[rng.choice(n, count, replace=False, shuffle=False)] = False
    noisy = np.full(n, mask_id, np.int64)
    noisy[stays] = tokens_S
    return noisy


def deleted(tokens_S: Ints, rate: float, rng: Rng) -> Ints:
    """The tokens without ceil(rate n) of them, but at least one: A B C D -> A C D."""
    n = len(tokens_S)
    stays = np.ones(n, np.bool_)
    stays[rng.choice(n, min(math.ceil(n * rate), n - 1), replace=False, shuffle=False)] = False
    return tokens_S[stays]


def rotated(tokens_S: Ints, rng: Rng) -> Ints:
    """The tokens from a uniform place on, and then those before it: A B C D -> C D A B."""
    return np.roll(tokens_S, -int(rng.integers(len(tokens_S))))
