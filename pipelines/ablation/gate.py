"""A gate: what a verdict must say of a corpus before that corpus is used.

    better_on       the arm must be shown to be better: p, by Holm's correction, below the verdict's level
    not_worse_on    with a tolerance, the arm must be shown to be no worse than by that: the bad end of the 95 %
                    interval of the difference lies within it, as in trials of non-inferiority (Piaggio et al. 2012,
                    JAMA 308). Without one it must not be shown to be worse, which a small experiment never does

All conditions must hold, in each model. So their number needs no correction: for a gate to hold that should not, the
test of a condition that is false must err (intersection-union tests: Berger 1982, Technometrics 24).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from corpus.errors import ConfigError
from pipelines.report.ablation_view import heads
from pipelines.sections import Name, Section, Weight
from pipelines.wording import fault, listed, nearest, unknown

Record = dict[str, Any]


class Gate(Section):
    """What an ablation's recipe asks of its verdict. The two arms are compared where one of them is the baseline."""

    arm: Name | None = None  # whose corpus is to be promoted; the baseline where left out
    against: Name | None = None  # the recipe's `unfiltered` where left out
    better_on: tuple[str, ...] = ()
    not_worse_on: tuple[str, ...] = ()
    tolerance: Mapping[str, Weight] = Field(default_factory=dict)  # of `not_worse_on`, in each measure's own unit
    models: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None  # all of them

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not self.better_on and not self.not_worse_on:
            raise fault("asks for nothing; name measures in better_on or not_worse_on, or leave it out")
        for measure in self.tolerance:
            if measure not in self.not_worse_on:
                raise fault(unknown("measure", measure, self.not_worse_on, "not_worse_on has"), "tolerance", measure)
        return self


def judged(gate: Gate, verdict: Mapping[str, Any]) -> Record:
    """The gate's two arms, each condition with its figures, and whether all of them hold.

    `advantage` is by how much the arm is better than the other, below 0 where it is worse, whichever way the measure
    counts. ConfigError for a comparison that the verdict does not have.
    """
    arm, against = gate.arm or verdict["baseline"], gate.against or verdict["unfiltered"]
    conditions = [
        _condition(_found(verdict, model, measure, {arm, against}), arm, wanted, gate.tolerance.get(measure))
        for model in gate.models or verdict["architectures"]
        for wanted, measures in (("better", gate.better_on), ("not shown worse", gate.not_worse_on))
        for measure in measures
    ]
    return {"arm": arm, "against": against, "holds": all(one["holds"] for one in conditions), "conditions": conditions}


def _found(verdict: Mapping[str, Any], model: str, measure: str, arms: set[str]) -> Mapping[str, Any]:
    """The verdict's comparison of the two arms."""
    of_model = [one for one in verdict["comparisons"] if one["architecture"] == model]
    found: dict[str, Any] = {one["measure"]: one for one in of_model if {one["arm"], one["baseline"]} == arms}
    pair = " with ".join(sorted(arms))
    if not found:
        raise ConfigError(
            f"gate: the verdict has no comparison of {pair} by {model}: arms are compared with the baseline, "
            f"{verdict['baseline']}, alone, and models here are {listed(verdict['architectures'])}"
        )
    if measure not in found:
        raise ConfigError(
            f"gate: the verdict has no comparison of {pair} by {model} on {measure}"
            f"{nearest(measure, [*found]) or ';'} measures here: {listed(heads(found))}; gate.models says who is asked"
        )
    return found[measure]  # type: ignore[no-any-return]


def _condition(one: Mapping[str, Any], arm: str, wanted: str, tolerance: float | None) -> Record:
    sign = 1 if (one["better"] == "higher") == (one["arm"] == arm) else -1
    advantage = sign * one["difference"]
    bounds = [None if one[end] is None else sign * one[end] for end in ("low", "high")]
    low, high = bounds[::sign]
    if wanted == "better":
        holds = one["found"] and advantage > 0
    elif tolerance is None:
        holds = not (one["found"] and advantage < 0)
    else:
        wanted = f"worse by {tolerance:g} at most"
        holds = low is not None and low >= -tolerance
    return {
        "architecture": one["architecture"],
        "measure": one["measure"],
        "wanted": wanted,
        "tolerance": tolerance,
        "advantage": advantage,
        "low": low,
        "high": high,
        "p_holm": one["p_holm"],
        "holds": holds,
        "says": f"{advantage:+.3g} ({_bound(low)} .. {_bound(high)}), p {one['p_holm']:.2g}",
    }


def _bound(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+.3g}"


def failed(found: Mapping[str, Any]) -> list[str]:
    """What does not hold, a sentence each."""
    return [
        f"{one['architecture']}, {one['measure']}: {found['arm']} against {found['against']} is to be {one['wanted']}, "
        f"and its advantage is {one['says']}"
        for one in found["conditions"]
        if not one["holds"]
    ]
