"""What a model is to say of a text with noise: one pure function each. Legend: S tokens of a text, T of the result."""

import numpy as np

from training.objective import IGNORED, Bools, Ints


def noise_after_sentinels(tokens_S: Ints, mask_S: Bools, starts_S: Bools, sentinels: Ints) -> Ints:
    """<X> for inviting <Y> last <Z>: each run of noise after its sentinel, then one more where text ends the row.

    The same as t5/data/preprocessors.py, nonnoise_span_to_unique_sentinel, where text comes first. Where noise does,
    T5 counts the sentinels of inputs and targets apart, so that they no longer stand for the same run; here they do.
    """
    n_noise, n_runs = int(np.count_nonzero(mask_S)), int(np.count_nonzero(starts_S))
    closing = not mask_S[-1]
    targets_T = np.empty(n_noise + n_runs + closing, np.int64)
    places = np.arange(n_noise) + np.cumsum(starts_S)[mask_S]
    targets_T[places] = tokens_S[mask_S]
    targets_T[places[starts_S[mask_S]] - 1] = sentinels[:n_runs]
    if closing:
        targets_T[-1] = sentinels[n_runs]
    return targets_T


def only_at(tokens_S: Ints, positions: Ints) -> Ints:
    """The tokens at the positions, IGNORED elsewhere."""
    targets_S = np.full(len(tokens_S), IGNORED, np.int64)
    targets_S[positions] = tokens_S[positions]
    return targets_S
