"""Measures of what is learnt from the text (vocabulary, token shards, model) and what each step cost.

Manifests of these kinds are read loosely: measures that are known by name get a place of their own, others are listed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.report.curve import Curve, curve
from pipelines.report.records import Record

HELD_OUT = {"trained": "held_out", "bigram": "held_out_bigram", "untrained": "held_out_untrained"}
"""The measures of each model on held-out documents: bits_per_byte, documents, bytes, and bits per byte by_domain."""
TARGETS, UNMEASURED = "held_out_targets", "held_out_unmeasured"
"""In their place where not every byte is predicted: nats per target by term of the loss, or why there are none."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A measure of measures as a table: "by_language" with a row for each language."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Any, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Measures:
    """An artifact's measures: plain ones, and tables."""

    label: str
    plain: tuple[tuple[str, Any], ...]
    grids: tuple[Grid, ...]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What the model wrote after a prompt, the first words of a held-out document."""

    language: str
    prompt: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Model:
    """A checkpoint: its measures, held-out bits per byte by model and by language, or nats per target by term, curve
    and samples.

    `documents` and `size_bytes` are those that bits per byte were measured on; 0 where they were not."""

    measures: Measures
    bits_per_byte: Mapping[str, float]
    documents: int
    size_bytes: int
    by_domain: Grid | None
    targets: Mapping[str, Mapping[str, float]]
    unmeasured: str | None
    curve: Curve | None
    samples: tuple[Sample, ...]


RUN = ("commit", "engine", "started", "seconds", "workers", "cpu_seconds", "peak_rss")
"""What run.json says of every artifact; a step may add costs of its own."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What making an artifact took; documents per second are those read, None where there are none to read.

    `more` is what the step itself says: threads, tokens per second."""

    label: str
    started: str
    engine: str
    workers: int
    seconds: float
    cpu_seconds: float
    peak_rss: int
    documents: int
    commit: str | None
    more: tuple[tuple[str, Any], ...]

    @property
    def documents_per_second(self) -> float | None:
        """Throughput by the clock."""
        return self.documents / self.seconds if self.documents and self.seconds else None


def measures(record: Record, shown_elsewhere: Sequence[str] = ()) -> Measures:
    """All the measures but those that have a place of their own."""
    plain: list[tuple[str, Any]] = []
    grids = []
    for name, value in record.manifest.measures.items():
        if name in shown_elsewhere:
            continue
        if isinstance(value, Mapping) and value and all(isinstance(row, Mapping) for row in value.values()):
            grids.append(_grid(name, value))
        elif isinstance(value, Mapping):
            plain += [(f"{name}: {key}", item) for key, item in value.items()]
        else:
            plain.append((name, value))
    return Measures(label=record.label, plain=tuple(plain), grids=tuple(grids))


def _grid(name: str, rows: Mapping[str, Mapping[str, Any]]) -> Grid:
    columns = tuple(dict.fromkeys(column for row in rows.values() for column in row))
    last = sorted(rows, key=lambda key: (key == "all", key))
    return Grid(name=name, columns=columns, rows=tuple((key, tuple(rows[key].get(c) for c in columns)) for key in last))


def model(record: Record) -> Model:
    """What there is to say of a checkpoint."""
    scored = {name: record.measure(key) for name, key in HELD_OUT.items() if record.measure(key)}
    return Model(
        measures=measures(record, (*HELD_OUT.values(), TARGETS, UNMEASURED, "samples")),
        bits_per_byte={name: one["bits_per_byte"] for name, one in scored.items()},
        documents=record.measure("held_out", "documents") or 0,
        size_bytes=record.measure("held_out", "bytes") or 0,
        by_domain=_by_domain({name: one["by_domain"] for name, one in scored.items()}),
        targets=record.measure(TARGETS) or {},
        unmeasured=record.measure(UNMEASURED),
        curve=curve(record),
        samples=tuple(
            Sample(language=one["language"], prompt=one["prompt"], text=one["text"])
            for one in record.measure("samples") or ()
        ),
    )


def _by_domain(scored: Mapping[str, Mapping[str, float]]) -> Grid | None:
    """Rows of domains, columns of models."""
    domains = sorted({domain for one in scored.values() for domain in one})
    rows = tuple((domain, tuple(one.get(domain) for one in scored.values())) for domain in domains)
    return Grid(name="by_domain", columns=tuple(scored), rows=rows) if domains else None


def cost(record: Record) -> Cost | None:
    """What run.json says; None where it is missing."""
    run = record.run
    if not run:
        return None
    return Cost(
        label=record.label,
        started=run["started"],
        engine=run["engine"],
        workers=run["workers"],
        seconds=run["seconds"],
        cpu_seconds=run["cpu_seconds"],
        peak_rss=run["peak_rss"],
        documents=record.manifest.read,
        commit=run["commit"],
        more=tuple((name, item) for name, item in run.items() if name not in RUN),
    )
