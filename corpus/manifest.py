"""What an artifact says of itself: what it is made of, what was dropped and why, and which files hold it.

`manifest.json` depends on the inputs and the recipe alone; where, when and how fast stands in `run.json` beside it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from corpus.canonical import canonical_json
from corpus.errors import DataError

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file of an artifact; rows and rows_hash for Parquet files only."""

    file: str
    size: int
    sha256: str
    rows: int | None = None
    rows_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """Documents per source, stage and reason, the rows that repeat them (in a mixture), and the bytes of text of both;
    kept rows have neither stage nor reason."""

    source: str
    dropped_by: str | None
    drop_reason: str | None
    documents: int
    text_bytes: int
    copies: int = 0


@dataclass(frozen=True, slots=True)
class ShardInfo:
    """One shard's files by role: "data" and "rejects" in a corpus; others name their own."""

    shard: int
    files: Mapping[str, FileInfo]


@dataclass(frozen=True)
class Manifest:
    """The record of an artifact. Without a tally (a vocabulary, a checkpoint) its counts are all zero."""

    name: str
    version: str
    kind: str
    fingerprint: str
    recipe: Mapping[str, Any]
    inputs: Mapping[str, Any]
    plan: Any
    tally: tuple[Tally, ...] = ()
    shards: tuple[ShardInfo, ...] = ()
    measures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def read(self) -> int:
        """Documents that came in."""
        return sum(t.documents for t in self.tally)

    @property
    def kept(self) -> int:
        """Documents that stayed."""
        return sum(t.documents for t in self.tally if t.drop_reason is None)

    @property
    def kept_rows(self) -> int:
        """Rows that stayed: documents and their copies."""
        return self.kept + sum(t.copies for t in self.tally if t.drop_reason is None)

    @property
    def kept_bytes(self) -> int:
        """UTF-8 bytes of the text that stayed."""
        return sum(t.text_bytes for t in self.tally if t.drop_reason is None)

    def dropped(self) -> dict[str, dict[str, int]]:
        """Documents by stage and reason."""
        counts: dict[str, Counter[str]] = {}
        for t in self.tally:
            if t.drop_reason is not None:
                counts.setdefault(str(t.dropped_by), Counter())[t.drop_reason] += t.documents
        return {stage: dict(sorted(reasons.items())) for stage, reasons in counts.items()}

    def kept_by_source(self) -> dict[str, tuple[int, int]]:
        """Documents and bytes that stayed, by source."""
        kept = [t for t in self.tally if t.drop_reason is None]
        return {
            source: (
                sum(t.documents for t in kept if t.source == source),
                sum(t.text_bytes for t in kept if t.source == source),
            )
            for source in sorted({t.source for t in self.tally})
        }

    def to_json(self) -> bytes:
        """The manifest as canonical JSON; the sums stand beside the tally for people and other tools."""
        return canonical_json(vars(self) | {"tally": self._sums() | {"rows": self.tally}})

    def _sums(self) -> dict[str, Any]:
        dropped = self.dropped()
        return {
            "read": self.read,
            "kept": self.kept,
            "dropped": sum(sum(reasons.values()) for reasons in dropped.values()),
            "kept_rows": self.kept_rows,
            "kept_bytes": self.kept_bytes,
            "reasons": dropped,
        }

    @staticmethod
    def from_json(data: bytes, where: str) -> "Manifest":
        """The manifest that `to_json` wrote; DataError saying where when it is not one or does not add up."""
        try:
            raw = records_from(data)
            sums = raw["tally"]
            _require(Tally, sums["rows"])
            _require(ShardInfo, raw["shards"])
            manifest = Manifest(**raw | {"tally": tuple(sums.pop("rows")), "shards": tuple(raw["shards"])})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{where} is no manifest ({error}); remove its folder and run again") from error
        told = manifest._sums()
        if wrong := sorted(key for key in told.keys() | sums if told.get(key) != sums.get(key)):
            raise DataError(f"{where}: tally.{wrong[0]} is not what tally.rows add up to; remove its folder, run again")
        return manifest


def records_from(data: bytes) -> Any:
    """The JSON value; a mapping in it that has the fields of a FileInfo, a ShardInfo or a Tally is one. They are made
    while it is parsed, for the mappings of 100,000 shards together take twice their memory."""
    return json.loads(data, object_hook=_record)


def _record(raw: dict[str, Any]) -> Any:
    kind = _RECORDS.get(frozenset(raw))
    made = raw if kind is None else kind(**raw)
    if isinstance(made, ShardInfo):
        _require(FileInfo, made.files.values())
    return made


def _require(kind: type, values: Iterable[Any]) -> None:
    for value in values:
        if not isinstance(value, kind):
            raise TypeError(f"{value} is no {kind.__name__}")


_RECORDS: Mapping[frozenset[str], Any] = {
    frozenset(field.name for field in fields(kind)): kind for kind in (FileInfo, ShardInfo, Tally)
}


def summed(tallies: Iterable[Tally]) -> tuple[Tally, ...]:
    """One tally per source, stage and reason, sorted."""
    sums: dict[tuple[str, str, str], tuple[int, int, int]] = {}
    for t in tallies:
        key = (t.source, t.dropped_by or "", t.drop_reason or "")
        documents, text_bytes, copies = sums.get(key, (0, 0, 0))
        sums[key] = (documents + t.documents, text_bytes + t.text_bytes, copies + t.copies)
    return tuple(Tally(source, by or None, reason or None, *s) for (source, by, reason), s in sorted(sums.items()))
