"""What the report and `show` say of a corpus, counted from its files once and kept in its manifest."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from corpus.manifest import ShardInfo
from corpus.parquet import read_batches
from corpus.storage import Folder
from corpus.text.url import domain

TOP_DOMAINS = 30
CLUSTER_EXAMPLES = 10


def corpus_measures(folder: Folder, shards: Sequence[ShardInfo]) -> dict[str, Any]:
    """Counts over the kept documents (languages, domains, lengths, words and copies by source), and over the dropped
    ones the clusters that deduplication found, by stage."""
    languages: Counter[str] = Counter()
    domains: Counter[str] = Counter()
    lengths: Counter[int] = Counter()
    sources: dict[str, Counter[str]] = {}
    for batch in _batches(folder, shards, "data"):
        sizes = pc.fill_null(pc.binary_length(batch.column("text")), 0).to_pylist()
        if "lang" in batch.schema.names:
            languages.update(lang or "unknown" for lang in batch.column("lang").to_pylist())
        domains.update(domain(url or "") or "unknown" for url in batch.column("url").to_pylist())
        lengths.update(max(size, 1).bit_length() - 1 for size in sizes)
        _count_sources(sources, batch, sizes)
    return {
        "documents": sum(lengths.values()),
        "languages": dict(sorted(languages.items())),
        "domains": dict(sorted(domains.items(), key=lambda item: (-item[1], item[0]))[:TOP_DOMAINS]),
        "n_domains": len(domains),
        "lengths_log2": {str(bits): n for bits, n in sorted(lengths.items())},
        "sources": {source: dict(sorted(counts.items())) for source, counts in sorted(sources.items())},
        "clusters": _clusters(folder, shards),
    }


def _count_sources(sources: dict[str, Counter[str]], batch: pa.RecordBatch, sizes: Sequence[int]) -> None:
    n_rows = batch.num_rows
    words = batch.column("n_words").to_pylist() if "n_words" in batch.schema.names else [0] * n_rows
    copies = batch.column("copy").to_pylist() if "copy" in batch.schema.names else [0] * n_rows
    for source, size, n_words, copy in zip(batch.column("source").to_pylist(), sizes, words, copies, strict=True):
        counts = sources.setdefault(source, Counter())
        counts.update(documents=1, bytes=size, words=n_words, distinct=copy == 0)


def _clusters(folder: Folder, shards: Sequence[ShardInfo]) -> dict[str, Any]:
    """By deduplicating stage: clusters, how many of each size (survivor included), and the largest survivors' ids."""
    members: dict[str, Counter[str]] = {}
    for batch in _batches(folder, shards, "rejects"):
        if "duplicate_of" in batch.schema.names:
            pairs = zip(batch.column("dropped_by").to_pylist(), batch.column("duplicate_of").to_pylist(), strict=True)
            for stage, survivor in pairs:
                if survivor is not None:
                    members.setdefault(stage, Counter())[survivor] += 1
    largest = {stage: _largest(counts) for stage, counts in members.items()}
    urls = _urls(folder, shards, {survivor for found in largest.values() for survivor, _ in found})
    return {
        stage: {
            "clusters": len(counts),
            "sizes": {str(size): n for size, n in sorted(Counter(c + 1 for c in counts.values()).items())},
            "largest": [
                {"survivor": survivor, "url": urls.get(survivor), "documents": n + 1} for survivor, n in largest[stage]
            ],
        }
        for stage, counts in sorted(members.items())
    }


def _largest(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:CLUSTER_EXAMPLES]


def _urls(folder: Folder, shards: Sequence[ShardInfo], ids: set[str]) -> dict[str, str]:
    """The urls of some documents; one that survived a stage may have been dropped by a later one."""
    wanted = pa.array(sorted(ids), pa.string())
    found: dict[str, str] = {}
    for role in ("data", "rejects") if ids else ():
        for batch in _batches(folder, shards, role):
            rows = batch.filter(pc.is_in(batch.column("id"), wanted))
            found |= dict(zip(rows.column("id").to_pylist(), rows.column("url").to_pylist(), strict=True))
    return found


def _batches(folder: Folder, shards: Sequence[ShardInfo], role: str) -> Iterator[pa.RecordBatch]:
    for info in shards:
        yield from read_batches(folder.path(info.files[role].file))
