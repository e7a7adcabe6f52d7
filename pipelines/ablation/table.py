"""An ablation's verdict in a terminal: a table of differences for each architecture, and what follows from it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from pipelines.report.ablation_view import (
    Architecture,
    architectures,
    budget_tokens,
    figure,
    margin,
    named,
    outcome,
    rival,
    suites,
)
from pipelines.wording import printable

MARKS = {"better": " ▲", "worse": " ▼", "open": "  "}
COLOURS = {"better": "green", "worse": "red", "open": "dim"}
TURNED = {"better": "worse", "worse": "better", "open": "open"}
"""An outcome as the baseline sees it."""
NARROW, GAP, LONGEST = 9, 2, 24
"""Signs: what a measure's column has at least, what stands between two, and how much of a name is shown."""


def tables(verdict: Mapping[str, Any], about: Mapping[str, Any]) -> list[RenderableType]:
    """What to print, one after the other: for each architecture its table, with as many measures as the terminal has
    room for, and in words what is found of the arm that the verdict is about; then T5's row and ours, and the gate."""
    against = rival(verdict)
    made: list[RenderableType] = [_heading(verdict, about)]
    for one in architectures(verdict):
        made += [Text(), Differences(one)]
        made += [] if against is None else [Text(), *_findings(one, against)]
    made += _t5(verdict.get("t5") or [])
    return [*made, Text(), *gate_lines(verdict["gate"])] if "gate" in verdict else made


def _heading(verdict: Mapping[str, Any], about: Mapping[str, Any]) -> Text:
    n_seeds, tokens = len(verdict["seeds"]), budget_tokens(about)
    said = f"{len(verdict['arms'])} arms, {n_seeds} seed{'' if n_seeds == 1 else 's'}"
    return Text(said if tokens is None else f"{said}, {tokens:,} tokens for each training", "dim")


@dataclass(frozen=True)
class Differences:
    """An architecture's arms by its most telling measures, those that fit into the width that there is."""

    found: Architecture

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        names = [_short(arm) for arm in (*self.found.arms, "± by seeds alone")]
        room = options.max_width - max(map(cell_len, [*names, _short(self.found.name)]))
        table = _table(_short(self.found.name))
        columns: list[list[Text]] = []
        for measure in self.found.heads:
            title = printable(named(measure))
            column = [_cell(self.found, measure, arm) for arm in self.found.arms] + [_noise(self.found, measure)]
            width = max(NARROW, *map(cell_len, title.split()), *(text.cell_len for text in column))
            room -= GAP + width
            if room < 0:
                break
            columns.append(column)
            table.add_column(Text(title), justify="right", width=width)
        for at, name in enumerate(names):
            table.add_row(name, *(column[at] for column in columns), end_section=at == len(names) - 2)
        yield table
        yield Text(_legend(self.found, len(self.found.heads) - len(columns)), "dim")


def _legend(found: Architecture, n_left_out: int) -> str:
    said = f"differences to {_short(found.baseline)}; ▲ better, ▼ worse, no mark: none shown"
    return f"{said}; more measures: {n_left_out}" if n_left_out else said


def _cell(found: Architecture, measure: str, arm: str) -> Text:
    """The baseline's mean, or an arm's difference to it with a mark for what was found."""
    mean = found.mean(measure, found.baseline)
    if arm == found.baseline:
        return Text(figure(mean.get("mean"), mean.get("sd")) + MARKS["open"])
    one = found.found.get((measure, arm))
    if one is None:
        return Text("–" + MARKS["open"], "dim")
    # one spread for the whole column, so that its figures end at one place
    said = figure(one["difference"], mean.get("sd") or margin(one), sign=True)
    return Text(said + MARKS[outcome(one)], COLOURS[outcome(one)])


def _noise(found: Architecture, measure: str) -> Text:
    sd = found.noise(measure).get("sd")
    return Text(figure(sd, found.mean(measure, found.baseline).get("sd") or sd) + MARKS["open"], "dim")


def _findings(found: Architecture, against: str) -> Iterator[RenderableType]:
    """Who is better on how many measures, and then measure by measure: green where the baseline is."""
    findings = found.findings(against)
    yield Text(printable(findings.sentence), "bold")
    lines = Table.grid(padding=(0, GAP, 0, 0))
    for one in findings.compared:
        said = Text(printable(str(one["says"])), COLOURS[TURNED[outcome(one)]])
        lines.add_row(Text("  " + printable(named(str(one["measure"])))), said)
    yield lines


def _t5(rows: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    """Clean and unfiltered in each suite, as published and here."""
    if rows:
        table, names = _table("clean, unfiltered"), suites(rows)
        for suite in names:
            table.add_column(Text(printable(suite)), justify="right", no_wrap=True)
        for row in rows:
            pairs = [_pair(row["clean"].get(suite), row["unfiltered"].get(suite)) for suite in names]
            table.add_row(_short(row["row"], 2 * LONGEST), *pairs)
        yield from (Text(), table)


def gate_lines(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Whether a gate holds, and then condition by condition: the arm's advantage with its interval and p."""
    said = f"gate, {found['arm']} against {found['against']}: {'holds' if found['holds'] else 'does not hold'}"
    yield Text(printable(said), "bold")
    lines = Table.grid(padding=(0, GAP, 0, 0))
    for one in found["conditions"]:
        asked = f"  {one['architecture']}, {named(one['measure'])}: {one['wanted']}"
        colour = COLOURS["better" if one["holds"] else "worse"]
        lines.add_row(Text(printable(asked)), Text(one["says"]), Text("yes" if one["holds"] else "no", colour))
    yield lines


def _table(first: str) -> Table:
    """A table with names in its first column; its box puts one sign between columns."""
    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, GAP - 1, 0, 0), show_edge=False, pad_edge=False, header_style="not bold"
    )
    table.add_column(Text(first, "bold"), no_wrap=True)
    return table


def _pair(*values: float | None) -> str:
    """# 83.28, 81.46"""
    return "–" if None in values else ", ".join(f"{value:.2f}" for value in values)


def _short(name: str, longest: int = LONGEST) -> str:
    plain = printable(name)
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"
