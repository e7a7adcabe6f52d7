"""The arithmetic of a mixture: how many bytes of each source, how often each document, and what came of it.

Bytes are those of the UTF-8 text: they are known before there is a vocabulary, and mean the same with any.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, kw_only=True)
class Quota:
    """What a source gives to a mixture: so many bytes, which are so many epochs of what it has."""

    available_bytes: int
    requested_bytes: int

    @property
    def epochs(self) -> float:
        """How often each of its documents occurs on average; 0 where nothing is asked of it."""
        return self.requested_bytes / self.available_bytes if self.requested_bytes else 0.0


def quotas(
    available_bytes: Mapping[str, int],
    weights: Mapping[str, float],
    budget_bytes: int | None = None,
    max_epochs: float = 1.0,
) -> dict[str, Quota]:
    """The quota of each source, in the order of `available_bytes`; together the budget, to a byte a source.

    A weight is the share of the mixture's bytes. Without a budget the mixture is as large as it can be with no
    document in it twice (nor oftener than `max_epochs`, where that is below 1). ValueError when weights and sources
    are not the same names; for a weight below 0, weights whose sum is not 1 (within 1e-6), a budget or `max_epochs`
    that is not above 0; for a source with a weight and no bytes; and for one that would be repeated more than
    `max_epochs` times.

    # {web: 900, wiki: 50}, weights .9 and .1, budget 1000, up to 3 epochs -> web 900 (1 epoch), wiki 100 (2 epochs)
    """
    _check(available_bytes, weights, budget_bytes, max_epochs)
    if budget_bytes is None:
        budget_bytes = largest_budget(available_bytes, weights, min(1.0, max_epochs))
    total = math.fsum(weights.values())  # within 1e-6 of 1: thirds may be written .333333
    requested = {source: round(budget_bytes * weights[source] / total) for source in available_bytes}
    for source, wanted in requested.items():
        has = available_bytes[source]
        if wanted > has * max_epochs:
            raise ValueError(
                f'source "{source}" has {has:,} bytes and would need {wanted:,} for {weights[source]:.2%} of '
                f"{budget_bytes:,}, more than max_epochs {max_epochs:g} allows; the largest budget that these weights "
                f"can fill is {largest_budget(available_bytes, weights, max_epochs):,} bytes"
            )
    return {
        source: Quota(available_bytes=has, requested_bytes=requested[source]) for source, has in available_bytes.items()
    }


def largest_budget(available_bytes: Mapping[str, int], weights: Mapping[str, float], max_epochs: float) -> int:
    """The most bytes, but for rounding, of a mixture that repeats no source more than `max_epochs` times."""
    total = math.fsum(weights.values())
    return min(
        math.floor(math.floor(has * max_epochs) * total / weights[source])
        for source, has in available_bytes.items()
        if weights[source] > 0
    )


def pick_below(sizes_bytes: ArrayLike, shares: ArrayLike, quota_bytes: int) -> float:
    """The threshold: documents whose share (`hashing.share`) lies below it fill the quota and do not exceed it.

    They are the first in the order of their shares, so that a larger quota keeps every document of a smaller one;
    the next one would exceed the quota, if there is one. (Documents with one and the same share, a chance of 2^-53 a
    pair, are left together.) The threshold is 1.0 when all fit. Memory: 32 bytes a document.
    """
    if quota_bytes == 0:
        return 0.0
    sizes, draws = np.asarray(sizes_bytes, np.int64), np.asarray(shares, np.float64)
    order = np.argsort(draws, kind="stable")
    n_fit = int(np.searchsorted(np.cumsum(sizes[order]), quota_bytes, side="right"))
    return float(draws[order[n_fit]]) if n_fit < sizes.size else 1.0


def copies(sizes_bytes: ArrayLike, shares: ArrayLike, quota_bytes: int) -> NDArray[np.int32]:
    """How often each of a source's documents occurs: as often as all fit whole, and those below a threshold once more.

    # sizes [4, 4, 2], shares [.7, .1, .4], quota 17 -> [1, 2, 2]: 16 bytes
    """
    sizes, draws = np.asarray(sizes_bytes, np.int64), np.asarray(shares, np.float64)
    whole, rest = divmod(quota_bytes, int(sizes.sum()) or quota_bytes + 1)
    return (whole + (draws < pick_below(sizes, draws, rest))).astype(np.int32)


def _check(
    available_bytes: Mapping[str, int], weights: Mapping[str, float], budget_bytes: int | None, max_epochs: float
) -> None:
    if unknown := sorted(weights.keys() - available_bytes.keys()):
        raise ValueError(f"weights for {unknown}, but the sources are {sorted(available_bytes)}")
    if missing := sorted(available_bytes.keys() - weights.keys()):
        raise ValueError(f"no weights for {missing}; 0 leaves a source out")
    if wrong := {source: weight for source, weight in weights.items() if not 0 <= weight <= 1 + 1e-6}:
        raise ValueError(f"weights are shares from 0 to 1; here: {wrong}")
    if abs(math.fsum(weights.values()) - 1) > 1e-6:
        raise ValueError(f"weights sum to {math.fsum(weights.values()):g}; they must sum to 1")
    if empty := [source for source, weight in weights.items() if weight > 0 and available_bytes[source] <= 0]:
        raise ValueError(f"sources {empty} have nothing to give; weight 0 leaves a source out")
    if not 0 < max_epochs < math.inf:
        raise ValueError(f"max_epochs is {max_epochs:g}; it must be above 0 and finite")
    if budget_bytes is not None and budget_bytes <= 0:
        raise ValueError(f"budget_bytes is {budget_bytes:,}; it must be above 0")
