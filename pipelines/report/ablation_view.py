"""What a page and a terminal say of a verdict: who is better on what, and figures with the digits they can bear."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

UNFILTERED = "unfiltered"
TELLING = ("bits_per_byte", "nats_per_target", "blimp", "lambada")
"""Measures that tell most come first: what a small model can do at all, before tasks on which it is near chance."""
UNKNOWN_DIGITS = 4
"""Significant digits of a figure whose spread is not known."""

Comparison = Mapping[str, Any]
"""An arm against the baseline on one measure, as the verdict has it; `difference` is arm less baseline."""


def named(measure: str) -> str:
    """# bits_per_byte/clean -> bits per byte, clean"""
    return measure.replace("_", " ").replace("/", ", ")


def heads(measures: Iterable[str]) -> tuple[str, ...]:
    """Measures that are no part of another, the most telling first. # blimp/ellipsis is a part where blimp is there"""
    known = dict.fromkeys(measures)
    whole = [one for one in known if one.rpartition("/")[0] not in known]
    return tuple(sorted(whole, key=_rank))


def _rank(measure: str) -> int:
    return next((at for at, begin in enumerate(TELLING) if measure.startswith(begin)), len(TELLING))


def outcome(one: Comparison) -> Literal["better", "worse", "open"]:
    """What was shown of the arm against the baseline; open is no proof of being equal."""
    if not one["found"]:
        return "open"
    return "better" if (one["difference"] > 0) == (one["better"] == "higher") else "worse"


@dataclass(frozen=True, kw_only=True)
class Findings:
    """An arm against the baseline, over the measures that are no part of another."""

    arm: str
    baseline: str
    better: tuple[Comparison, ...]
    worse: tuple[Comparison, ...]
    open: tuple[Comparison, ...]

    @property
    def compared(self) -> tuple[Comparison, ...]:
        return (*self.worse, *self.better, *self.open)

    @property
    def sentence(self) -> str:
        """# clean is better than unfiltered on 4 of 7 measures and worse on 1; on 2 no difference was shown."""
        n = len(self.compared)
        if not n:
            return f"{self.baseline} and {self.arm} were not compared."
        said = [f"on {len(self.open)} no difference was shown"] if self.open else []
        pair, of = f"{self.baseline} is {{}} than {self.arm} on", f"of {n} measure{'' if n == 1 else 's'}"
        if self.worse:  # the arm is, so the baseline is better
            also = f" and worse on {len(self.better)}" if self.better else ""
            said.insert(0, f"{pair.format('better')} {len(self.worse)} {of}{also}")
        elif self.better:
            said.insert(0, f"{pair.format('worse')} {len(self.better)} {of} and better on none")
        else:
            said = [f"between {self.baseline} and {self.arm} a difference was shown on none {of}"]
        return "; ".join(said) + "."


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The verdict on one architecture. `heads` are its measures that are no part of another; every key of `parts` is
    one of them."""

    name: str
    baseline: str
    unfiltered: str | None
    arms: tuple[str, ...]
    heads: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]
    found: Mapping[tuple[str, str], Comparison]
    means: Mapping[str, Mapping[str, Mapping[str, Any]]]
    doses: Mapping[str, Mapping[str, Any]]
    curves: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]
    decisions: Mapping[str, Sequence[Mapping[str, Any]]]
    controls: Mapping[str, Mapping[str, Any]]

    @property
    def rivals(self) -> tuple[str, ...]:
        return tuple(arm for arm in self.arms if arm != self.baseline)

    def findings(self, arm: str) -> Findings:
        each = [self.found[measure, arm] for measure in self.heads if (measure, arm) in self.found]
        sorted_out = {kind: tuple(one for one in each if outcome(one) == kind) for kind in ("better", "worse", "open")}
        return Findings(arm=arm, baseline=self.baseline, **sorted_out)

    def rows(self, measure: str) -> tuple[Comparison, ...]:
        """The arms' comparisons on the measure, in the arms' order."""
        return tuple(self.found[measure, arm] for arm in self.rivals if (measure, arm) in self.found)

    def better(self, measure: str) -> str:
        """Which way is better; for a measure that was not compared "", which nobody knows."""
        return next((str(one["better"]) for one in self.rows(measure)), "")

    def mean(self, measure: str, arm: str) -> Mapping[str, Any]:
        return self.means.get(measure, {}).get(arm, {})

    def noise(self, measure: str) -> Mapping[str, Any]:
        """What seeds alone do to the measure; empty where that was not measured."""
        noise: Mapping[str, Mapping[str, Any]] = self.controls.get("noise", {})
        return noise.get(measure, {})


def architectures(verdict: Mapping[str, Any]) -> tuple[Architecture, ...]:
    """The verdict's parts; what it does not have is empty."""
    return tuple(_architecture(verdict, name) for name in verdict["architectures"])


def _architecture(verdict: Mapping[str, Any], name: str) -> Architecture:
    found = {(one["measure"], one["arm"]): one for one in verdict["comparisons"] if one["architecture"] == name}
    own = {
        key: (verdict.get(key) or {}).get(name) or {} for key in ("means", "doses", "curves", "decisions", "controls")
    }
    measures = dict.fromkeys([*(measure for measure, _ in found), *own["means"]])
    whole = heads(measures)
    return Architecture(
        name=name,
        baseline=verdict["baseline"],
        unfiltered=rival(verdict),
        arms=tuple(verdict["arms"]),
        heads=whole,
        parts={head: tuple(one for one in measures if one.rpartition("/")[0] == head) for head in whole},
        found=found,
        means=own["means"],
        doses=_filled(
            {m: dict(dose) | {"points": _told(dose["points"])} for m, dose in own["doses"].items()}, "points"
        ),
        curves=_filled({m: _filled({arm: _told(of) for arm, of in by.items()}) for m, by in own["curves"].items()}),
        decisions=own["decisions"],
        controls=own["controls"],
    )


def _told(points: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The points that can be drawn: a training that failed has no mean."""
    return [point for point in points if known(point["mean"])]


def _filled(found: Mapping[str, Any], key: str | None = None) -> dict[str, Any]:
    """What is not empty, or has something under `key`."""
    return {name: one for name, one in found.items() if (one[key] if key else one)}


def rival(verdict: Mapping[str, Any]) -> str | None:
    """The arm that the verdict is about: the unfiltered one, or else the only one beside the baseline."""
    others = [arm for arm in verdict["arms"] if arm != verdict["baseline"]]
    wanted = verdict.get("unfiltered") or UNFILTERED
    return wanted if wanted in others else others[0] if len(others) == 1 else None


def suites(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The suites of tasks that the rows of the T5 table have, in their order."""
    return tuple(dict.fromkeys(suite for row in rows for suite in (*row["clean"], *row["unfiltered"])))


def budget_tokens(about: Mapping[str, Any]) -> int | None:
    """The tokens of one training, where all architectures have as many."""
    tokens = {budget["tokens"] for budget in about.get("budget", {}).values()}
    return tokens.pop() if len(tokens) == 1 else None


def known(value: float | None) -> bool:
    """Whether it is a number, and not one that stands for none: a mean of nothing, a bound that there is not."""
    return value is not None and math.isfinite(value)


def figure(value: float | None, spread: float | None = None, *, sign: bool = False) -> str:
    """The value to the second significant digit of its spread. # 1.23456, 0.0123 -> 1.235; None -> –"""
    if value is None or not known(value):
        return "–"
    said = f"{value:{'+' if sign else ''}z,.{_places(value, spread)}f}"
    return said.replace("-", "−")


def _places(value: float, spread: float | None) -> int:
    if spread and known(spread):
        wanted = 1 - math.floor(math.log10(abs(spread)))
    else:
        wanted = UNKNOWN_DIGITS - 1 - (math.floor(math.log10(abs(value))) if value else 0)
    return min(6, max(0, wanted))


def half(low: float | None, high: float | None) -> float | None:
    """Half the width of an interval; None where it has no bounds."""
    return (high - low) / 2 if low is not None and high is not None and known(high - low) else None


def margin(one: Comparison) -> float | None:
    """What the digits of a difference must fit: half its interval's width, or without one the sd."""
    reach = half(one["low"], one["high"])
    return one["sd"] if reach is None else reach


def signed(one: Comparison) -> str:
    """# −0.031"""
    return figure(one["difference"], margin(one), sign=True)


def between(low: float | None, high: float | None) -> str:
    """# −0.042 .. −0.020"""
    reach = half(low, high)
    return "–" if reach is None else f"{figure(low, reach, sign=True)} .. {figure(high, reach, sign=True)}"


def chance(p: float | None) -> str:
    """A p value. # 0.0132 -> 0.013; 0.00004 -> < 0.001"""
    if p is None or not known(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"
