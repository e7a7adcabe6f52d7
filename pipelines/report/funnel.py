"""The funnel: how many documents and bytes came into each corpus, and where the others went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from corpus.manifest import Tally
from pipelines.report.records import Record

V = TypeVar("V")

SAMPLES = 3
SAMPLE_CHARS = 400
SAMPLE_COLUMNS = ("id", "url", "text", "dropped_by", "drop_reason", "fault", "duplicate_of", "seen_as")


@dataclass(frozen=True, kw_only=True)
class Reject:
    """A document that was dropped, with the beginning of its text; faults have a `fault` and mostly no text."""

    id: str
    url: str
    text: str | None
    fault: str | None
    duplicate_of: str | None


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What one stage dropped for one reason; bytes are those of the texts as the stage saw them."""

    stage: str
    reason: str
    documents: int
    size_bytes: int
    samples: tuple[Reject, ...]


@dataclass(frozen=True, kw_only=True)
class Passage:
    """One corpus: what came in, what stayed, what was lost.

    `came_in` and `bytes_in` are what the corpus before it kept, `input_label`; None for the first: it reads archives.
    `cut_bytes` were taken out of documents that stayed; None for the first, and where documents are repeated: `copies`
    are the rows beyond one for each. `file_rows` are those of its data and reject files, counted as they were written,
    apart from the tally.
    """

    label: str
    input_label: str | None
    came_in: int | None
    bytes_in: int | None
    read: int
    kept: int
    kept_bytes: int
    dropped: int
    cut_bytes: int | None
    copies: int
    file_rows: tuple[int, int]
    losses: tuple[Loss, ...]

    @property
    def balanced(self) -> bool:
        """Whether read == kept + dropped, in the tally and in the files, and nothing was lost on the way in."""
        nothing_lost = self.came_in in (None, self.read) and self.read == self.kept + self.dropped
        return nothing_lost and self.file_rows == (self.kept + self.copies, self.dropped)


@dataclass(frozen=True, kw_only=True)
class Level:
    """What is left after a stage, and what it took; bytes are None before there is text."""

    name: str
    documents: int
    lost: int
    size_bytes: int | None
    lost_bytes: int | None


def passage(record: Record, before: Record | None) -> Passage:
    """The way through one corpus."""
    manifest = record.manifest
    losses = _losses(record)
    copies = manifest.kept_rows - manifest.kept
    bytes_in = None if before is None else before.manifest.kept_bytes
    dropped_bytes = sum(loss.size_bytes for loss in losses)
    return Passage(
        label=record.label,
        input_label=None if before is None else before.label,
        came_in=None if before is None else before.manifest.kept,
        bytes_in=bytes_in,
        read=manifest.read,
        kept=manifest.kept,
        kept_bytes=manifest.kept_bytes,
        dropped=sum(loss.documents for loss in losses),
        cut_bytes=None if bytes_in is None or copies else bytes_in - dropped_bytes - manifest.kept_bytes,
        copies=copies,
        file_rows=(_rows(record, "data"), _rows(record, "rejects")),
        losses=losses,
    )


def _rows(record: Record, role: str) -> int:
    return sum(info.files[role].rows or 0 for info in record.manifest.shards if role in info.files)


def _losses(record: Record) -> tuple[Loss, ...]:
    """By stage in the order of the plan, then by falling number."""
    samples = _samples(record)
    totals: dict[str, dict[str, list[Tally]]] = {}
    for tally in record.manifest.tally:
        if tally.drop_reason is not None:
            totals.setdefault(str(tally.dropped_by), {}).setdefault(tally.drop_reason, []).append(tally)
    return tuple(
        Loss(
            stage=stage,
            reason=reason,
            documents=sum(t.documents for t in tallies),
            size_bytes=sum(t.text_bytes for t in tallies),
            samples=tuple(samples.get((stage, reason), ())),
        )
        for stage, reasons in in_order(totals, stages(record.manifest.plan))
        for reason, tallies in sorted(reasons.items(), key=lambda item: (-sum(t.documents for t in item[1]), item[0]))
    )


def in_order(by_stage: Mapping[str, V], order: Sequence[str]) -> list[tuple[str, V]]:
    """The items by their stage's place in the order; stages that are not in it come last, by name."""
    place = {stage: at for at, stage in enumerate(order)}
    return sorted(by_stage.items(), key=lambda item: (place.get(item[0], len(place)), item[0]))


def stages(plan: Any) -> list[str]:
    """Names of a described plan's stages (`corpus.plan.described`), the first to run first."""
    if not isinstance(plan, Mapping):
        return []
    aside = [*stages(plan.get("attach")), *stages(plan.get("components"))]
    here = [plan[kind]["stage"] for kind in ("map", "group") if kind in plan]
    return list(dict.fromkeys([*stages(plan.get("source")), *aside, *here]))


def _samples(record: Record) -> dict[tuple[str, str], list[Reject]]:
    """A few rejects of each stage and reason, those with text before those without."""
    found: dict[tuple[str, str], tuple[list[Reject], list[Reject]]] = {}
    for batch in record.rejects(SAMPLE_COLUMNS):
        for row in batch.to_pylist():
            full, bare = found.setdefault((str(row["dropped_by"]), str(row["drop_reason"])), ([], []))
            into = bare if row["text"] is None else full
            if len(into) < SAMPLES:
                into.append(_reject(row))
    return {key: [*full, *bare][:SAMPLES] for key, (full, bare) in found.items()}


def _reject(row: Mapping[str, Any]) -> Reject:
    text = row["text"]
    long = text is not None and len(text) > SAMPLE_CHARS
    return Reject(
        id=row["id"],
        url=row["url"] or "",
        text=f"{text[:SAMPLE_CHARS]} …" if long else text,
        fault=row.get("fault"),
        duplicate_of=row.get("duplicate_of") or row.get("seen_as"),
    )


def levels(passages: Sequence[Passage]) -> list[Level]:
    """What was left after every stage of corpora that follow one another, from the first record read."""
    if not passages:
        return []
    first = passages[0]
    left = [Level(name="records read", documents=first.read, lost=0, size_bytes=first.bytes_in, lost_bytes=None)]
    for one in passages:
        left += _levels(one)
    return left


def _levels(passage: Passage) -> list[Level]:
    documents, size = passage.read, passage.bytes_in
    found = []
    for stage in dict.fromkeys(loss.stage for loss in passage.losses):
        losses = [loss for loss in passage.losses if loss.stage == stage]
        lost, lost_bytes = sum(loss.documents for loss in losses), sum(loss.size_bytes for loss in losses)
        documents -= lost
        size = None if size is None else size - lost_bytes
        known = None if size is None else lost_bytes
        found.append(Level(name=stage, documents=documents, lost=lost, size_bytes=size, lost_bytes=known))
    if passage.bytes_in is None:
        name = f"{passage.label.partition('@')[0]} holds"
        found.append(Level(name=name, documents=passage.kept, lost=0, size_bytes=passage.kept_bytes, lost_bytes=None))
    elif passage.cut_bytes:
        cut = passage.cut_bytes
        found.append(
            Level(name="lines cut", documents=documents, lost=0, size_bytes=passage.kept_bytes, lost_bytes=cut)
        )
    return found
