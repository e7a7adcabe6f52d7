"""What an ablation says about its corpora, as plain data for a file and a page.

Every arm is compared with the baseline on every measure. A comparison that finds nothing says which difference it would
have found, for without that nothing follows from it.
Legend: A arms, S seeds, P points of a curve, D doses.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from corpus.errors import ConfigError
from pipelines.ablation.trainings import Cell, Numbers, Trainings
from training.evaluation.decisions import decision_accuracy
from training.evaluation.results import CellResult, better
from training.evaluation.statistics import ALPHA, Comparison, holm, noise, trend

Record = dict[str, Any]

T5: Record = {
    "row": "C4 (Raffel et al. 2020, table 8)",
    "clean": {"glue": 83.28, "squad": 80.88, "superglue": 71.36},
    "unfiltered": {"glue": 81.46, "squad": 78.78, "superglue": 68.04},
}


def verdict(
    cells: Mapping[Cell, CellResult],
    tuned: Mapping[Cell, CellResult] | None = None,
    *,
    arms: Sequence[str],
    baseline: str,
    unfiltered: str | None,
    doses: Mapping[float, str],
    controls: Mapping[str, Mapping[str, Mapping[str, float]]],
    suites: Mapping[str, str],
) -> Record:
    """Comparisons, means, doses, curves, controls and decisions; a number that cannot be told is None.

    `tuned` holds what fine-tuning came to, perhaps of fewer arms and seeds. `unfiltered` is the arm without the
    filters, for T5's table; `doses` gives the arm of each share of rejects, to which the baseline is added as share 0;
    `controls` what models score that learnt nothing from an arm, by architecture and kind; `suites` the suite of each
    fine-tuning measure. ConfigError where one of these names no arm, DataError where an arm lacks a training, a measure
    or an item that another has.
    """
    doses = {0.0: baseline, **doses}
    if strange := sorted({baseline, unfiltered or baseline, *doses.values()} - set(arms)):
        raise ConfigError(f'"{strange[0]}" is no arm; arms here: {", ".join(arms)}. Name one of them')
    ordered = [baseline, *(arm for arm in arms if arm != baseline)]
    seeds = sorted({seed for _, _, seed in cells})
    architectures = dict.fromkeys(architecture for architecture, _, _ in cells)
    trainings = [Trainings.of(cells, architecture, ordered, seeds) for architecture in architectures]
    tunings = _tunings(tuned or {}, ordered)
    last = {of.architecture: of for of in (*trainings, *tunings)}

    def each(drawn: Callable[[Trainings], Record]) -> Record:
        return {of.architecture: drawn(of) for of in trainings}

    def compared() -> list[Record]:
        return [one for of in (*trainings, *tunings) for one in _comparisons(of, unfiltered)]

    return {
        "baseline": baseline,
        "unfiltered": unfiltered,
        "seeds": seeds,
        "architectures": list(architectures),
        "arms": ordered,
        "comparisons": compared(),
        "means": _merged(trainings, tunings),
        "doses": each(lambda of: _doses(of, doses)),
        "curves": each(_curves),
        "controls": each(lambda of: _controls(of, controls.get(of.architecture, {}))),
        "decisions": each(_decisions),
        "t5": [T5, *(_t5(of, unfiltered, suites) for of in last.values())],
    }


def _tunings(tuned: Mapping[Cell, CellResult], ordered: Sequence[str]) -> list[Trainings]:
    """One of each architecture that was fine-tuned, over the arms and seeds that were."""
    found = []
    for architecture in dict.fromkeys(architecture for architecture, _, _ in tuned):
        arms, seeds = ({cell[at] for cell in tuned if cell[0] == architecture} for at in (1, 2))
        here = [arm for arm in ordered if arm in arms]
        found.append(Trainings.of(tuned, architecture, here, sorted(map(int, seeds))))
    return found


def _merged(trainings: Sequence[Trainings], tunings: Sequence[Trainings]) -> Record:
    means = {of.architecture: _means(of) for of in trainings}
    for of in tunings:
        means[of.architecture] |= _means(of)
    return means


def _comparisons(of: Trainings, unfiltered: str | None) -> list[Record]:
    """Every arm with the baseline on every measure, in three families for Holm: the one question that was asked, the
    unfiltered arm on whole measures; the other arms on them; parts of measures (blimp/ellipsis, of blimp). In one
    family the many would leave the one no power."""
    parts = [measure for measure in of.measures if measure.rpartition("/")[0] in of.measures]
    whole = [measure for measure in of.measures if measure not in parts]
    asked = [arm for arm in of.arms[1:] if arm == unfiltered]
    others = [arm for arm in of.arms[1:] if arm != unfiltered]
    return [*_family(of, whole, asked), *_family(of, whole, others), *_family(of, parts, of.arms[1:])]


def _family(of: Trainings, measures: Sequence[str], arms: Sequence[str]) -> list[Record]:
    compared = {measure: dict(zip(of.arms[1:], of.compared(measure), strict=True)) for measure in measures if arms}
    family = [by_arm[arm] for by_arm in compared.values() for arm in arms]
    adjusted = iter(holm([comparison.p for comparison in family]))
    records = []
    for measure, by_arm in compared.items():
        spreads = dict(zip(of.arms, map(_spread, of.values(measure)), strict=True))
        baseline = spreads[of.arms[0]]
        for arm in arms:
            spread, comparison, p_holm = spreads[arm], by_arm[arm], next(adjusted)
            smallest = comparison.smallest_effect(len(family))
            records.append(
                {
                    "architecture": of.architecture,
                    "measure": measure,
                    "better": better(measure),
                    "arm": arm,
                    "baseline": of.arms[0],
                    "mean": spread["mean"],
                    "baseline_mean": baseline["mean"],
                    "sd": spread["sd"],
                    "baseline_sd": baseline["sd"],
                    "difference": comparison.difference,
                    "low": _told(comparison.low),
                    "high": _told(comparison.high),
                    "p": comparison.p,
                    "p_holm": p_holm,
                    "effect_sd": comparison.effect_sd,
                    "smallest_effect": _told(smallest),
                    "seeds": comparison.seeds,
                    "items": comparison.items,
                    "found": p_holm < ALPHA,
                    "says": _advantage(measure, arm, of.arms[0], comparison) if p_holm < ALPHA else _null(smallest),
                }
            )
    return records


def _advantage(measure: str, arm: str, baseline: str, found: Comparison) -> str:
    """Who is better, and by how much; the bounds are turned to the winner's side."""
    winner = arm if (found.difference > 0) == (better(measure) == "higher") else baseline
    low, high = sorted(abs(bound) for bound in (found.low, found.high))
    return f"{winner} better by {_short(abs(found.difference))} ({_short(low)} .. {_short(high)})"


def _null(smallest: float) -> str:
    """What a comparison that found nothing could have found."""
    if math.isinf(smallest):
        return "no difference shown; none could have been, since seeds and items do not tell the error"
    return f"no difference shown; one of {_short(smallest)} or more would have been"


def _means(of: Trainings) -> Record:
    return {measure: dict(zip(of.arms, map(_spread, of.values(measure)), strict=True)) for measure in of.measures}


def _doses(of: Trainings, doses: Mapping[float, str]) -> Record:
    """Each measure over the shares of rejects; nothing where there is no share but 0."""
    shares = sorted(doses) if len(doses) > 1 else []
    rows = [of.arms.index(doses[share]) for share in shares]
    records = {}
    for measure in of.measures if shares else ():
        values_DS = of.values(measure)[rows]
        points = [
            {"share": share, "arm": doses[share], **_spread(values_S)}
            for share, values_S in zip(shares, values_DS, strict=True)
        ]
        records[measure] = {"points": points, **_record(trend(shares, values_DS)._asdict())}
    return records


def _curves(of: Trainings) -> Record:
    return {
        measure: {
            arm: [
                {"tokens": tokens, "mean": spread["mean"], "sd": spread["sd"]}
                for tokens, spread in zip(points, map(_spread, values_PAS[:, row]), strict=True)
            ]
            for row, arm in enumerate(of.arms)
        }
        for measure, points, values_PAS in of.curves()
    }


def _controls(of: Trainings, learnt_nothing: Mapping[str, Mapping[str, float]]) -> Record:
    """What models score that learnt nothing, and what other seeds do to the baseline."""
    noises = {measure: _record(noise(of.values(measure)[0])._asdict()) for measure in of.measures}
    return {"untrained": {}, "bigram": {}, **learnt_nothing, "noise": noises}


def _decisions(of: Trainings) -> Record:
    """Nothing where one arm leaves nothing to decide."""
    if len(of.arms) < 2:
        return {}
    return {
        measure: [
            {"tokens": tokens, "share": tokens / points[-1], **decided._asdict()}
            for tokens, decided in zip(points, decision_accuracy(values_PAS), strict=True)
        ]
        for measure, points, values_PAS in of.curves()
    }


def _t5(of: Trainings, unfiltered: str | None, suites: Mapping[str, str]) -> Record:
    """A row for T5's table: a suite's score is the mean over its tasks and the seeds, in percent; that of a task with
    two metrics is their mean, as GLUE's (Wang et al. 2018, section 2)."""

    def score(suite: str, arm: str | None) -> float | None:
        tasks = [measure for measure in of.measures if suites.get(measure) == suite]
        if not tasks or arm not in of.arms:
            return None
        return 100 * fmean(float(of.values(task)[of.arms.index(arm)].mean()) for task in tasks)

    return {
        "row": f"here, {of.architecture}",
        "clean": {suite: score(suite, of.arms[0]) for suite in T5["clean"]},
        "unfiltered": {suite: score(suite, unfiltered) for suite in T5["clean"]},
    }


def _spread(values_S: Numbers) -> Record:
    sd = float(values_S.std(ddof=1)) if len(values_S) > 1 else None
    return {"mean": float(values_S.mean()), "sd": sd, "values": values_S.tolist()}


def _record(numbers: Mapping[str, float]) -> Record:
    return {name: _told(value) for name, value in numbers.items()}


def _told(value: float) -> float | None:
    """JSON has neither infinity nor nan."""
    return value if math.isfinite(value) else None


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
