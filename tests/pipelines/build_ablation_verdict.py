"""A made-up verdict and what is known of its arms, in the shapes of pipelines/ablation: drawn from a seed, with a clean
arm that truly is better on some measures, a dose that does harm, and measures that show nothing."""

from collections.abc import Sequence
from typing import Any

import numpy as np

DOSES = {"clean": 0.0, "clean_10": 0.1, "clean_25": 0.25, "clean_50": 0.5}
RULES = ("no_badwords", "no_min_words", "no_punctuation", "no_javascript", "no_curly", "no_lorem_ipsum", "no_dedup")
ARMS = (*DOSES, "unfiltered", "wet_tier", *RULES)
PHENOMENA = ("anaphor_agreement", "binding", "ellipsis", "island_effects", "npi_licensing")
MEASURES: dict[str, tuple[float, float, float]] = {  # level, sd over seeds, what being unfiltered adds
    "bits_per_byte/clean": (1.214, 0.004, 0.031),
    "bits_per_byte/raw": (1.391, 0.005, -0.022),
    "bits_per_byte/neutral": (1.302, 0.004, 0.009),
    "blimp": (0.652, 0.007, -0.021),
    **{f"blimp/{name}": (0.62, 0.02, -0.02) for name in PHENOMENA},
    "lambada": (0.121, 0.006, -0.012),
    "perplexity/lambada": (412.0, 19.0, 55.0),
    "arc-easy": (0.318, 0.008, -0.004),
    "arc-easy/norm": (0.309, 0.009, -0.003),
    "piqa": (0.561, 0.006, -0.003),
    "finetune/cola": (0.083, 0.031, -0.02),
}


def verdict(
    architectures: Sequence[str] = ("decoder",), arms: Sequence[str] = ARMS, seeds: int = 5,
    measures: Sequence[str] = tuple(MEASURES), baseline: str = "clean",
) -> dict[str, Any]:  # fmt: skip
    """The whole verdict; every number in it follows from the arguments."""
    rng = np.random.default_rng(17)
    values = {
        name: {one: {arm: _values(rng, one, arm, seeds) for arm in arms} for one in measures} for name in architectures
    }
    return {
        "baseline": baseline,
        "seeds": list(range(seeds)),
        "architectures": list(architectures),
        "arms": list(arms),
        "comparisons": [
            _comparison(name, measure, arm, baseline, of[arm], of[baseline])
            for name, by in values.items() for measure, of in by.items() for arm in arms if arm != baseline
        ],
        "means": {
            name: {m: {arm: _spread(v) | {"values": v.tolist()} for arm, v in of.items()} for m, of in by.items()}
            for name, by in values.items()
        },
        "doses": {name: {m: _dose(of) for m, of in by.items()} for name, by in values.items()},
        "curves": {
            name: {m: {arm: _curve(v, m) for arm, v in of.items()} for m, of in by.items()}
            for name, by in values.items()
        },
        "controls": {
            name: {
                "untrained": {measure: _untrained(measure) for measure in by},
                "bigram": {measure: 2.213 for measure in by if measure.startswith("bits")},
                "noise": {m: {"sd": (sd := MEASURES[m][1]), "median": sd, "largest": 2.5 * sd} for m in by},
            }
            for name, by in values.items()
        },
        "decisions": {
            name: {
                measure: [
                    {"tokens": int(6.5e6 * share), "share": share, "accuracy": 0.98 - 0.4 * (1 - share) ** 2,
                     "one_seed": 0.9 - 0.4 * (1 - share) ** 2, "pairs": len(arms) * (len(arms) - 1) // 2}
                    for share in (0.125, 0.25, 0.5, 1.0)
                ]
                for measure in by
            }
            for name, by in values.items()
        },
        "t5": [
            {"row": "C4 (Raffel et al. 2020, table 8)",
             "clean": {"glue": 83.28, "squad": 80.88, "superglue": 71.36},
             "unfiltered": {"glue": 81.46, "squad": 78.78, "superglue": 68.04}},
            {"row": "here, encoder-decoder",
             "clean": {"glue": 61.2, "squad": None, "superglue": 52.44},
             "unfiltered": {"glue": 60.05, "squad": None, "superglue": 52.9}},
        ],
    }  # fmt: skip


def about(arms: Sequence[str] = ARMS) -> dict[str, Any]:
    """What the arms are made of."""
    return {
        "arms": {
            arm: {"says": f"What {arm} is, in one sentence.", "corpora": [f"corpora/{arm}", "corpora/more"],
                  "documents": 12_345, "tokens": 6_543_210, "epochs": 1.25}
            for arm in arms
        },
        "corpora": {
            arm: {"read": 39_000, "kept": 12_345, "kept_bytes": 31_234_567,
                              "dropped": {"too_few_sentences": 20_000, "bad_words": 655, "other_language": 6_000}}
            for arm in arms
        },
        "budget": {"decoder": {"model": "llama, 3,412,736 parameters", "rows": "64 of 128 tokens, 800 steps",
                               "steps": 800, "tokens": 6_553_600}},
        "contamination": {"rule": "An item is left out where 13 of its words stand in a row in a training text.",
                          "sets": {"blimp": {"items": 6_700, "left_out": 3, "cannot_tell": 5_100},
                                   "arc-easy": {"items": 2_376, "left_out": 41, "cannot_tell": 12}}},
        "made": {"version": "0.6.0", "commit": "0123456789abcdef0123", "seconds": 7_260.0},
    }  # fmt: skip


def _values(rng: np.random.Generator, measure: str, arm: str, seeds: int) -> np.ndarray:
    level, sd, harm = MEASURES[measure]
    own = 0.25 * harm * (sum(map(ord, arm)) % 5 - 2) / 2 if arm in RULES else 0.4 * harm if arm == "wet_tier" else 0
    paired = np.random.default_rng(sum(map(ord, measure))).normal(0, sd, seeds)  # what a seed does to all arms alike
    return (
        level + harm * DOSES.get(arm, 1.0 if arm == "unfiltered" else 0) + own + paired + rng.normal(0, sd / 3, seeds)
    )


def _comparison(
    name: str, measure: str, arm: str, baseline: str, mine: np.ndarray, theirs: np.ndarray
) -> dict[str, Any]:
    better = "lower" if measure.startswith(("bits", "nats", "perplexity")) else "higher"
    gaps = mine - theirs
    n = len(gaps)
    difference, error = float(gaps.mean()), float(gaps.std(ddof=1) / np.sqrt(n)) if n > 1 else None
    sd = float(theirs.std(ddof=1)) if n > 1 else None
    p = None if error is None else min(1.0, float(2 * np.exp(-abs(difference) / error)))
    found = p is not None and p * 12 < 0.05
    winner = arm if (difference > 0) == (better == "higher") else baseline
    reach = None if error is None else 2.8 * error
    low, high = (None, None) if reach is None else (difference - reach, difference + reach)
    said = "no difference shown" + ("" if reach is None else f"; one of {1.4 * reach:.3g} or more would have been")
    if found:
        ends = sorted((abs(low), abs(high)))
        said = f"{winner} better by {abs(difference):.3g} ({ends[0]:.3g} .. {ends[1]:.3g})"
    return {
        "architecture": name, "measure": measure, "better": better, "arm": arm, "baseline": baseline,
        "mean": float(mine.mean()), "baseline_mean": float(theirs.mean()), "sd": _spread(mine)["sd"], "baseline_sd": sd,
        "difference": difference, "low": low, "high": high, "p": p, "p_holm": None if p is None else min(1.0, 12 * p),
        "effect_sd": None if sd is None else difference / sd, "smallest_effect": None if reach is None else 1.4 * reach,
        "seeds": n, "items": 1_000, "found": found, "says": said,
    }  # fmt: skip


def _spread(values: np.ndarray) -> dict[str, Any]:
    return {"mean": float(values.mean()), "sd": float(values.std(ddof=1)) if len(values) > 1 else None}


def _dose(of: dict[str, np.ndarray]) -> dict[str, Any]:
    points = [
        {"share": share, "arm": arm, **_spread(of[arm]), "values": of[arm].tolist()}
        for arm, share in (DOSES | {"unfiltered": 1.0}).items() if arm in of
    ]  # fmt: skip
    slope = (points[-1]["mean"] - points[0]["mean"]) / 10
    return {"points": points, "slope": slope, "low": slope * 0.8, "high": slope * 1.2, "p": 0.0004, "monotone": True}


def _curve(values: np.ndarray, measure: str) -> list[dict[str, Any]]:
    far = _untrained(measure) - values
    return [
        {"tokens": int(6_553_600 * share)} | _spread(values + far * 0.3 * (share**-0.4 - 1) / 3)
        for share in np.linspace(0.05, 1, 20)
    ]


def _untrained(measure: str) -> float:
    return (
        8.01
        if measure.startswith("bits")
        else 50_000.0
        if measure.startswith("perplexity")
        else 0.0
        if "lambada" in measure
        else 0.5
    )
