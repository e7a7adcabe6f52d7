"""Whether two corpora differ, or only two trainings: statistics over seeds and items.

Every arm is trained with the same seeds and asked the same items, so differences are taken pair by pair. Two things
would have come out otherwise had the experiment been done again: the trainings (seeds) and the questions (items). Both
are resampled; three to ten seeds are few, so the error goes into Student's t and not into percentiles.
Legend: A arms of which the first is the baseline, S seeds, N items, B draws, D doses.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special, stats

ALPHA = 0.05
POWER = 0.8
"""Cohen 1988, Statistical Power Analysis for the Behavioral Sciences, section 2.4."""
DRAWS = 2000
"""A standard error from B draws is itself off by 1 / sqrt(2 B) = 1.6 % (Efron and Tibshirani 1993, section 6.4)."""
CHUNK = 1 << 22
DOSE_STEP = 0.1
"""Slopes are told for ten percent of dose."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """An arm less the baseline, with its 95 % interval and p.

    `error` is the standard error; without freedom to tell one (one seed and one item, or every seed the same) the
    interval has no bounds and p is 1. `effect_sd` is the difference in standard deviations of the baseline over its
    seeds, the yardstick of T5's tables (Raffel et al. 2020, section 3.1.5); None where that is 0 or unknown.
    """

    difference: float
    error: float
    low: float
    high: float
    p: float
    effect_sd: float | None
    seeds: int
    items: int

    @property
    def freedom(self) -> float:
        """Degrees of freedom: of the seeds; one seed leaves the items alone, and the normal distribution."""
        return _freedom(self.seeds)

    def smallest_effect(self, comparisons: int = 1) -> float:
        """The smallest true difference that, among so many comparisons, is found four times in five with this error.

        Found means: under alpha / comparisons, Holm's first step, in a two-sided t test, whose power is the upper tail
        of the noncentral t (Cohen 1988, chapter 2).
        """
        if not 0 < self.error < math.inf:
            return math.inf
        threshold = stats.t.isf(ALPHA / comparisons / 2, self.freedom)
        return self.error * float(special.nctdtrinc(self.freedom, 1 - POWER, threshold))


def compare(values_ASN: Numbers, weights_ASN: Numbers, *, draws: int = DRAWS, seed: int = 0) -> list[Comparison]:
    """Each arm against the first, which is the baseline; a score is sum of values / sum of weights.

    A two-level bootstrap. Drawn items are the same for all seeds and arms; over the draws of seeds the mean is taken
    exactly, since the variance of a mean of S resampled differences is known: theirs / S, and with S - 1 in place of S
    it is unbiased. The variance of the difference is then

        max(seeds, both) + max(items, both) - both

    for `seeds` and `items` each hold what the items add in each seed by itself (`both`), and it counts once (Owen 2007,
    The pigeonhole bootstrap: resampling both overstates it). Neither can truly be less than that: few seeds that agree
    by chance must not make an interval narrower than the noise of the questions.
    Degrees of freedom are S - 1: right where seeds make up the error, cautious where items do. Satterthwaite's would be
    right in the middle of the distribution, but three seeds give too many small p values, and Holm looks at those.
    """
    _, n_seeds, n_items = values_ASN.shape
    scores_AS = values_ASN.sum(axis=2) / weights_ASN.sum(axis=2)
    gaps_AS = scores_AS[1:] - scores_AS[:1]
    drawn_BAS = np.concatenate(list(_shifts(values_ASN, weights_ASN, draws, np.random.default_rng(seed))))
    drawn_BAS = gaps_AS + drawn_BAS[:, 1:] - drawn_BAS[:, :1]
    small = n_items / max(n_items - 1, 1)  # as for seeds; one item draws itself, and its variance is 0
    variance_A = drawn_BAS.mean(axis=2).var(axis=0) * small
    if n_seeds > 1:
        seeds_A = gaps_AS.var(axis=1, ddof=1) / n_seeds
        both_A = (drawn_BAS.var(axis=2, ddof=1).mean(axis=0) / n_seeds - seeds_A) * small
        variance_A = np.maximum(seeds_A, both_A) + np.maximum(variance_A, both_A) - both_A
    deviation = noise(scores_AS[0]).sd
    return [
        Comparison(
            difference=float(difference),
            **_judged(float(difference), math.sqrt(variance), n_seeds)._asdict(),
            effect_sd=float(difference / deviation) if deviation > 0 else None,
            seeds=n_seeds,
            items=n_items,
        )
        for difference, variance in zip(gaps_AS.mean(axis=1), variance_A, strict=True)
    ]


def _shifts(values_ASN: Numbers, weights_ASN: Numbers, draws: int, rng: np.random.Generator) -> Iterator[Numbers]:
    """How far each score moves when items are drawn anew, [draws, arms, seeds], some draws at a time."""
    n_items = values_ASN.shape[2]
    scores_AS1 = values_ASN.sum(axis=2, keepdims=True) / weights_ASN.sum(axis=2, keepdims=True)
    residuals_ASN = values_ASN - scores_AS1 * weights_ASN
    for start in range(0, draws, step := max(1, CHUNK // n_items)):
        counts = [
            np.bincount(rng.integers(n_items, size=n_items), minlength=n_items)
            for _ in range(start, min(start + step, draws))
        ]
        counts_NB = np.array(counts, np.float64).T
        yield np.moveaxis((residuals_ASN @ counts_NB) / (weights_ASN @ counts_NB), 2, 0)


class _Judged(NamedTuple):
    error: float
    low: float
    high: float
    p: float


def _judged(estimate: float, error: float, n: int) -> _Judged:
    """95 % interval and two-sided p of an estimate from n seeds."""
    if error <= abs(estimate) * 1e-12:  # equal but for rounding: nothing varied, so nothing says how far it could
        return _Judged(0.0, -math.inf, math.inf, 1.0)
    half = float(stats.t.isf(ALPHA / 2, _freedom(n))) * error
    p = 2 * float(stats.t.sf(abs(estimate) / error, _freedom(n)))
    return _Judged(error, estimate - half, estimate + half, p)


def _freedom(n: int) -> float:
    return n - 1 if n > 1 else math.inf


def holm(p_values: Sequence[float]) -> list[float]:
    """p values adjusted for their number: with those under 0.05 believed, one family in twenty has a false finding.

    Holm 1979, A simple sequentially rejective multiple test procedure: of m values the smallest counts m times, the
    next m - 1 times, and none less than one before it.
    """
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(np.asarray(p_values)[order] * np.arange(len(order), 0, -1)), 1)
    return [float(p) for p in adjusted]


class Trend(NamedTuple):
    """Change of a measure for ten percent of dose, its 95 % interval and p, and whether means go one way only."""

    slope: float
    low: float
    high: float
    p: float
    monotone: bool


def trend(shares_D: npt.ArrayLike, values_DS: Numbers) -> Trend:
    """The mean over seeds of each seed's least-squares slope, judged by t over seeds; items count as fixed."""
    shares = np.asarray(shares_D, np.float64)
    order = np.argsort(shares)
    slopes_S = np.polyfit(shares, values_DS, 1)[0] * DOSE_STEP
    n_seeds = len(slopes_S)
    error = float(slopes_S.std(ddof=1)) / math.sqrt(n_seeds) if n_seeds > 1 else 0.0
    slope = float(slopes_S.mean())
    judged = _judged(slope, error, n_seeds)
    steps = np.diff(values_DS[order].mean(axis=1))
    return Trend(slope, judged.low, judged.high, judged.p, bool((steps > 0).all() or (steps < 0).all()))


class Noise(NamedTuple):
    """How far trainings on one corpus lie apart: standard deviation, median and largest gap between two seeds."""

    sd: float
    median: float
    largest: float


def noise(values_S: Sequence[float] | npt.NDArray[Any]) -> Noise:
    """The yardstick for any difference between corpora: what other seeds do to one of them. Of one seed, nan."""
    if len(values_S) < 2:
        return Noise(math.nan, math.nan, math.nan)
    gaps = [abs(float(a - b)) for a, b in combinations(values_S, 2)]
    sd = float(np.std(values_S, ddof=1)) if any(gaps) else 0.0  # the mean of equal numbers may be rounded off them
    return Noise(sd, float(np.median(gaps)), max(gaps))
