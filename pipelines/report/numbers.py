"""Everything the report says, as plain values: from manifests, run.json, metrics.csv and sample rejects alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from corpus.manifest import Manifest
from pipelines.names import CHECKPOINT, CORPORA, DEDUPED, EXTRACTED, HELDOUT, MIXTURE, PAGES, TOKENS, VOCAB
from pipelines.report import corpora, learning
from pipelines.report.corpora import Clusters, Comparison, Composition, Domains, Lengths
from pipelines.report.funnel import Level, Passage, levels, passage
from pipelines.report.learning import Cost, Measures, Model
from pipelines.report.records import Record

LINE = (EXTRACTED, PAGES, DEDUPED)
"""The corpora that follow one another: each takes documents out of the one before it."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """An artifact, what it is made of and how it was made."""

    label: str
    manifest: Manifest
    run: Mapping[str, Any]
    n_files: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """The whole report; what a run does not have is None or empty. `end` is where the line of LINE ends."""

    passages: tuple[Passage, ...]
    levels: tuple[Level, ...]
    end: Passage | None
    languages: Comparison | None
    domains: Domains | None
    lengths: tuple[Lengths, ...]
    clusters: tuple[Clusters, ...]
    composition: Composition | None
    vocabulary: Measures | None
    tokens: Measures | None
    n_tokens: int | None
    model: Model | None
    costs: tuple[Cost, ...]
    origins: tuple[Origin, ...]


def numbers(found: Mapping[str, Record]) -> Numbers:
    """The numbers of the artifacts that there are."""
    passages = {
        name: passage(found[name], found.get(before or "")) for name, before in CORPORA.items() if name in found
    }
    line = [found[name] for name in LINE if name in found]
    ends = [line[0], line[-1]] if len(line) > 1 else line
    made = [found[name] for name in CORPORA if name in found]
    return Numbers(
        passages=tuple(passages.values()),
        levels=tuple(levels([passages[name] for name in LINE if name in passages])),
        end=passages[line[-1].manifest.name] if line else None,
        languages=corpora.languages(made),
        domains=corpora.domains(line[-1]) if line else None,
        lengths=corpora.lengths(ends),
        clusters=corpora.clusters(line),
        composition=_composition(found),
        vocabulary=learning.measures(found[VOCAB]) if VOCAB in found else None,
        tokens=learning.measures(found[TOKENS]) if TOKENS in found else None,
        n_tokens=found[TOKENS].measure("n_tokens") if TOKENS in found else None,
        model=learning.model(found[CHECKPOINT]) if CHECKPOINT in found else None,
        costs=tuple(cost for record in found.values() if (cost := learning.cost(record)) is not None),
        origins=tuple(map(_origin, found.values())),
    )


def _composition(found: Mapping[str, Record]) -> Composition | None:
    if MIXTURE not in found or DEDUPED not in found:
        return None
    return corpora.mixed(found[MIXTURE], found[DEDUPED], found.get(HELDOUT), found.get(TOKENS))


def _origin(record: Record) -> Origin:
    files = [file for shard in record.manifest.shards for file in shard.files.values()]
    return Origin(
        label=record.label,
        manifest=record.manifest,
        run=record.run,
        n_files=len(files),
        size_bytes=sum(file.size for file in files),
    )
