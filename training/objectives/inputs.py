"""What a model is given of a text with noise: one pure function each. Legend: S tokens of the text, I of the result.

The examples corrupt Thank you for inviting me to your party last week. (Raffel et al. 2020, table 3), words for tokens.
"""

from functools import lru_cache

import numpy as np

from tokenizer.specials import Specials
from training.objective import Bools, Ints


def run_starts(mask_S: Bools, *, merge: bool = True) -> Bools:
    """Where a sentinel goes: at the first token of each run of noise, or without `merge` at each token of it."""
    if not merge:
        return mask_S
    starts_S = mask_S.copy()
    starts_S[1:] &= ~mask_S[:-1]
    return starts_S


def sentinels_for_noise(tokens_S: Ints, mask_S: Bools, starts_S: Bools, sentinels: Ints) -> Ints:
    """Thank you <X> me to your party <Y> week . (t5/data/preprocessors.py, noise_span_to_unique_sentinel)."""
    inputs_S = tokens_S.copy()
    inputs_S[starts_S] = sentinels[: np.count_nonzero(starts_S)]
    return inputs_S[starts_S | ~mask_S]


def masks_or_random(
    tokens_S: Ints, noise: Ints, mask_id: int, vocabulary: Ints, shares: tuple[float, float], rng: np.random.Generator
) -> Ints:
    """Thank you <M> <M> me to your party apple week .

    Of the noise positions the first share become the mask, the second a random entry; the rest stay. BERT and RoBERTa:
    80 %, 10 %, 10 %. T5's table 3: 90 %, 10 %.
    """
    masked, random = shares
    inputs_S = tokens_S.copy()
    u = rng.random(len(noise))
    inputs_S[noise[u < masked]] = mask_id
    replaced = noise[(u >= masked) & (u < masked + random)]
    inputs_S[replaced] = vocabulary[rng.integers(len(vocabulary), size=len(replaced))]
    return inputs_S


@lru_cache(maxsize=16)
def ordinary(specials: Specials) -> Ints:
    """The entries that are no special tokens."""
    return np.delete(np.arange(specials.size), sorted(specials.ids))


@lru_cache(maxsize=16)
def entries(specials: Specials) -> Ints:
    """All entries, special ones too."""
    return np.arange(specials.size)


@lru_cache(maxsize=16)
def special_table(specials: Specials) -> Bools:
    """Whether an entry is special, by id."""
    table_V = np.zeros(specials.size, np.bool_)
    table_V[sorted(specials.ids)] = True
    return table_V
