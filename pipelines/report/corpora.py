"""Counts over a run's corpora: languages, domains, lengths, duplicates, and what the mixture is composed of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from corpus.text.composition import Amount, Line, composition
from corpus.text.mixing import Quota, quotas
from pipelines.report.funnel import in_order, stages
from pipelines.report.records import Record

Counts = Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The same count over several corpora, by falling number in the first."""

    labels: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Domains:
    """The domains with the most documents of a corpus, and how many there are in all."""

    label: str
    n_domains: int
    rows: tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Documents by the power of two at or below their size in bytes."""

    label: str
    documents: Mapping[int, int]


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Documents that are one to a deduplicating stage; `survivor` is the id of the one that stays, `copy` the url of
    another."""

    survivor: str
    copy: str
    documents: int


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """What one stage found: clusters, their number by size, the largest of them."""

    label: str
    stage: str
    n_clusters: int
    sizes: Mapping[int, int]
    largest: tuple[Cluster, ...]

    @property
    def n_removed(self) -> int:
        """Documents that went: all of each cluster but one."""
        return sum((size - 1) * n for size, n in self.sizes.items())


@dataclass(frozen=True, kw_only=True)
class Composition:
    """The mixture by source; `tokens` by source and "total" where the token shards say so."""

    label: str
    lines: tuple[Line, ...]
    tokens: Counts


def languages(found: Sequence[Record]) -> Comparison | None:
    """Documents by language, in every corpus that knows the language; one that kept nothing has none of each."""
    knowing = [record for record in found if record.measure("languages") or not record.manifest.kept]
    if not any(record.measure("languages") for record in knowing):
        return None
    counts: list[Counts] = [record.measure("languages") or {} for record in knowing]
    names = {name for one in counts for name in one}
    order = sorted(names, key=lambda name: ([-one.get(name, 0) for one in counts], name))
    return Comparison(
        labels=tuple(record.label for record in knowing),
        rows=tuple((name, tuple(one.get(name, 0) for one in counts)) for name in order),
    )


def domains(record: Record) -> Domains | None:
    """The corpus' top domains."""
    counts: Counts = record.measure("domains") or {}
    if not counts:
        return None
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return Domains(label=record.label, n_domains=record.measure("n_domains") or len(rows), rows=tuple(rows))


def lengths(found: Sequence[Record]) -> tuple[Lengths, ...]:
    """One histogram for each of the corpora that has one."""
    counts = [(record.label, record.measure("lengths_log2")) for record in found]
    return tuple(
        Lengths(label=label, documents={int(bits): n for bits, n in one.items()}) for label, one in counts if one
    )


def clusters(found: Sequence[Record]) -> tuple[Clusters, ...]:
    """What each deduplicating stage found, by the plan's order; `copy` is "" where the document has no url."""
    return tuple(
        Clusters(
            label=record.label,
            stage=stage,
            n_clusters=one["clusters"],
            sizes={int(size): n for size, n in sorted(one["sizes"].items(), key=lambda item: int(item[0]))},
            largest=tuple(
                Cluster(survivor=item["survivor"], copy=item["copy"] or "", documents=item["documents"])
                for item in one["largest"]
            ),
        )
        for record in found
        for stage, one in in_order(record.measure("clusters") or {}, stages(record.manifest.plan))
    )


def mixed(mixture: Record, deduped: Record, heldout: Record | None, tokens: Record | None) -> Composition:
    """The composition table: what was asked of each source, what it gave."""
    counts = mixture.measure("sources") or {}
    amounts = {
        source: Amount(documents=one["documents"], size_bytes=one["bytes"], words=one["words"])
        for source, one in counts.items()
    }
    by_source: Counts = (tokens and tokens.measure("tokens_by_source")) or {}
    total = tokens and tokens.measure("n_tokens")
    return Composition(
        label=mixture.label,
        lines=composition(amounts, _quotas(mixture, deduped, heldout)),
        tokens=dict(by_source) | ({"total": total} if total else {}),
    )


def _quotas(mixture: Record, deduped: Record, heldout: Record | None) -> dict[str, Quota]:
    """The quotas that the mixture was made with, from what there was to mix and the recipe in its manifest."""
    asked = mixture.manifest.recipe["mix"]
    held = {} if heldout is None else heldout.manifest.kept_by_source()
    kept = deduped.manifest.kept_by_source()
    has = dict.fromkeys(asked["weights"], 0)
    has |= {source: n - held.get(source, (0, 0))[1] for source, (_, n) in kept.items()}
    budget = asked.get("budget") or {}
    return quotas(has, asked["weights"], budget.get("bytes"), asked.get("max_epochs", 1.0))
