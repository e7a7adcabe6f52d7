"""A training step by step: metrics.csv, held_out.csv and spikes.jsonl of its folder. The last two need not be there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.report.records import Record

UNITS = {"next_sentence": "nats per masked token + nats per pair of texts"}
"""What the losses of objectives are that have more terms than one; of the others it is nats per target."""
HELD_OUT = {"bits_per_byte": "bits per byte", "nats_per_target/tokens": "nats per target"}
"""The measures of held_out.csv that say the most of all a model's text, with their units; the first that is there is
shown."""
SHOWN_STEPS, SHOWN_DOCUMENTS = 10, 3


@dataclass(frozen=True, kw_only=True)
class Document:
    """A document that a bad step's row was made of; its name is its id, or its place where it has none."""

    name: str
    url: str | None


@dataclass(frozen=True, kw_only=True)
class BadStep:
    """A line of spikes.jsonl, of its worst row the longest documents; `more` is how many others the row has."""

    step: int
    verdict: str
    loss: float
    grad_norm: float
    skipped: bool
    documents: tuple[Document, ...]
    more: int


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """A measure on held-out documents while the model was trained."""

    unit: str
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A training, step by step; loss in its unit. A loss or a norm may be no finite number; an old run has no norms."""

    label: str
    unit: str
    steps: tuple[int, ...]
    losses: tuple[float, ...]
    rates: tuple[float, ...]
    tokens: tuple[int, ...]
    norms: tuple[float, ...] = ()
    held_out: HeldOut | None = None
    bad: tuple[BadStep, ...] = ()

    @property
    def shown_bad(self) -> tuple[BadStep, ...]:
        """The first of the bad steps."""
        return self.bad[:SHOWN_STEPS]

    @property
    def n_skipped(self) -> int:
        """Bad steps whose update was left out."""
        return sum(one.skipped for one in self.bad)

    @property
    def files(self) -> str:
        """The files that it is drawn from."""
        there = ("metrics.csv", self.held_out and "held_out.csv", self.bad and "spikes.jsonl")
        return ", ".join(name for name in there if name)


def curve(record: Record) -> Curve | None:
    """What the folder tells of the training; None where no step was done."""
    rows = record.table("metrics.csv")
    if not rows:
        return None
    return Curve(
        label=record.label,
        unit=UNITS.get(record.manifest.recipe.get("objective", {}).get("name"), "nats per target"),
        steps=tuple(int(row["step"]) for row in rows),
        losses=tuple(float(row["loss"]) for row in rows),
        rates=tuple(float(row["learning_rate"]) for row in rows),
        tokens=tuple(int(row["tokens"]) for row in rows),
        norms=tuple(float(row["grad_norm"]) for row in rows if "grad_norm" in row),
        held_out=_held_out(record),
        bad=tuple(_bad_step(json.loads(line)) for line in record.lines("spikes.jsonl")),
    )


def _held_out(record: Record) -> HeldOut | None:
    rows = record.table("held_out.csv")
    for name, unit in HELD_OUT.items():
        if found := [(int(row["step"]), float(row["value"])) for row in rows if row["measure"] == name]:
            steps, values = zip(*found, strict=True)
            return HeldOut(unit=unit, steps=steps, values=values)
    return None


def _bad_step(event: Mapping[str, Any]) -> BadStep:
    """float() also reads the "nan" and "inf" that JSON has no number for."""
    documents = event["rows"][0]["documents"] if event["rows"] else []
    longest = sorted(documents, key=lambda one: -one["tokens"])[:SHOWN_DOCUMENTS]
    return BadStep(
        step=event["step"],
        verdict=event["verdict"],
        loss=float(event["loss"]),
        grad_norm=float(event["grad_norm"]),
        skipped=event["skipped"],
        documents=tuple(
            Document(name=one["id"] or f"document {one['document']} of part {one['part']}", url=one["url"])
            for one in longest
        ),
        more=len(documents) - len(longest),
    )
