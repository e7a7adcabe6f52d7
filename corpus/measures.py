"""What the report and `show` say of a corpus: counted while a shard is written, added up from the shards' records.

A shard's measures are small whatever its size; the driver of a build of 100,000 shards needs no other look at the
documents. They are added up in the order of the shards.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from heapq import nsmallest
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from corpus.text.url import domain

TOP_DOMAINS = 30
CLUSTER_EXAMPLES = 10
SHARD_DOMAINS = 256
"""Of each shard so many domains are counted, the most frequent ones; what a corpus's table says is at least so."""
HELD_DOMAINS = 2**17
"""Of all shards so many are held while they are added up: 20 MB, and far more than have a chance of the table."""
SKETCH = 1024
"""Distinct domains are counted exactly up to here, beyond within about 3 % (1 / sqrt(SKETCH)): the k smallest hashes
(Bar-Yossef et al. 2002, "Counting distinct elements in a data stream")."""
_HASHES = 2.0**64


class ShardMeasures:
    """Counts over the kept documents of a shard (languages, domains, lengths, words and copies by source, those of
    which extraction left a part out), and over the dropped ones the clusters that deduplication found, by stage."""

    def __init__(self) -> None:
        self._languages: Counter[str] = Counter()
        self._domains: Counter[str] = Counter()
        self._lengths: Counter[int] = Counter()
        self._cut_off = 0
        self._sources: dict[str, Counter[str]] = {}
        self._sizes: dict[str, Counter[int]] = {}
        self._largest: dict[str, dict[str, tuple[int, str, str | None]]] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes rows in, kept and dropped ones."""
        dropped = pc.is_valid(batch.column("drop_reason"))
        self._add_kept(batch.filter(pc.invert(dropped)))
        if "cluster_size" in batch.schema.names:
            self._add_duplicates(batch.filter(pc.and_(dropped, pc.is_valid(batch.column("duplicate_of")))))

    def _add_kept(self, batch: pa.RecordBatch) -> None:
        sizes = pc.fill_null(pc.binary_length(batch.column("text")), 0).to_pylist()
        if "lang" in batch.schema.names:
            self._languages.update(lang or "unknown" for lang in batch.column("lang").to_pylist())
        self._domains.update(domain(url or "") or "unknown" for url in batch.column("url").to_pylist())
        self._lengths.update(max(size, 1).bit_length() - 1 for size in sizes)
        if "cut" in batch.schema.names:
            self._cut_off += pc.sum(batch.column("cut")).as_py() or 0
        words, copies = (_or_zeros(batch, name) for name in ("n_words", "copy"))
        for source, size, n_words, copy in zip(batch.column("source").to_pylist(), sizes, words, copies, strict=True):
            counts = self._sources.setdefault(source, Counter())
            counts.update(documents=1, bytes=size, words=n_words, distinct=int(copy == 0))

    def _add_duplicates(self, batch: pa.RecordBatch) -> None:
        names = ("dropped_by", "duplicate_of", "cluster_size", "id", "url")
        for stage, survivor, size, name, url in zip(*(batch.column(n).to_pylist() for n in names), strict=True):
            self._sizes.setdefault(stage, Counter())[size] += 1
            found = self._largest.setdefault(stage, {})
            found[survivor] = min(found.get(survivor, (-size, name, url)), (-size, name, url))
        # one that falls out here has as many before it in this shard as are ever shown
        self._largest = {stage: _first(found) for stage, found in self._largest.items()}

    def told(self) -> dict[str, Any]:
        """The shard's part, as JSON data."""
        return {
            "languages": dict(self._languages),
            "domains": dict(_most(self._domains, SHARD_DOMAINS)),
            "domain_hashes": nsmallest(SKETCH, {_hash(name) for name in self._domains}),
            "lengths_log2": {str(bits): n for bits, n in self._lengths.items()},
            "cut_off": self._cut_off,
            "sources": {source: dict(counts) for source, counts in self._sources.items()},
            "clusters": {
                stage: {
                    "duplicates": {str(size): n for size, n in sizes.items()},
                    "largest": [[survivor, -size, *of] for survivor, (size, *of) in self._largest[stage].items()],
                }
                for stage, sizes in self._sizes.items()
            },
        }


def added_up(shards: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The corpus's measures from those of its shards."""
    languages, domains, lengths = Counter[str](), Counter[str](), Counter[int]()
    hashes: set[str] = set()
    cut_off = 0
    sources: dict[str, Counter[str]] = {}
    sizes: dict[str, Counter[int]] = {}
    largest: dict[str, dict[str, tuple[int, str, str | None]]] = {}
    for shard in shards:
        languages.update(shard["languages"])
        domains.update(shard["domains"])
        if len(domains) > 2 * HELD_DOMAINS:
            domains = Counter(dict(_most(domains, HELD_DOMAINS)))
        lengths.update({int(bits): n for bits, n in shard["lengths_log2"].items()})
        cut_off += shard["cut_off"]
        hashes.update(shard["domain_hashes"])
        if len(hashes) > 32 * SKETCH:
            hashes = set(nsmallest(SKETCH, hashes))
        for source, counts in shard["sources"].items():
            sources.setdefault(source, Counter()).update(counts)
        for stage, found in shard["clusters"].items():
            sizes.setdefault(stage, Counter()).update({int(size): n for size, n in found["duplicates"].items()})
            best = largest.setdefault(stage, {})
            for survivor, size, name, url in found["largest"]:
                best[survivor] = min(best.get(survivor, (-size, name, url)), (-size, name, url))
            largest[stage] = _first(best)
    return {
        "documents": sum(lengths.values()),
        "languages": dict(sorted(languages.items())),
        "domains": dict(_most(domains, TOP_DOMAINS)),
        "n_domains": _distinct(nsmallest(SKETCH, hashes)),
        "lengths_log2": {str(bits): n for bits, n in sorted(lengths.items())},
        "cut_off": cut_off,
        "sources": {source: dict(sorted(counts.items())) for source, counts in sorted(sources.items())},
        "clusters": {stage: _clusters(counts, largest[stage]) for stage, counts in sorted(sizes.items())},
    }


def _clusters(duplicates: Counter[int], largest: Mapping[str, tuple[int, str, str | None]]) -> dict[str, Any]:
    """A cluster of `size` documents has lost all but one of them."""
    clusters = {size: n // (size - 1) for size, n in sorted(duplicates.items())}
    return {
        "clusters": sum(clusters.values()),
        "sizes": {str(size): n for size, n in clusters.items()},
        "largest": [{"survivor": name, "copy": url, "documents": -size} for name, (size, _, url) in largest.items()],
    }


def _first(found: Mapping[str, tuple[int, str, str | None]]) -> dict[str, tuple[int, str, str | None]]:
    """The largest clusters, by size and survivor."""
    return dict(sorted(found.items(), key=lambda item: (item[1][0], item[0]))[:CLUSTER_EXAMPLES])


def _most(counts: Counter[str], n: int) -> list[tuple[str, int]]:
    return nsmallest(n, counts.items(), key=lambda item: (-item[1], item[0]))


def _hash(name: str) -> str:
    return blake2b(name.encode(), digest_size=8).hexdigest()


def _distinct(smallest: Sequence[str]) -> int:
    if len(smallest) < SKETCH:
        return len(smallest)
    return round((SKETCH - 1) * _HASHES / int(smallest[-1], 16))


def _or_zeros(batch: pa.RecordBatch, name: str) -> list[int]:
    return batch.column(name).to_pylist() if name in batch.schema.names else [0] * batch.num_rows
