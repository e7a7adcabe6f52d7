"""Measures of a corpus do not depend on how its rows lie in shards, and say what a plain count says."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_stages import documents

from corpus.canonical import canonical_json
from corpus.measures import CLUSTER_EXAMPLES, SHARD_DOMAINS, SKETCH, TOP_DOMAINS, ShardMeasures, added_up
from corpus.schema import DOCUMENT, joined

SCHEMA = joined(
    DOCUMENT,
    pa.schema(
        [
            ("lang", pa.string()),
            ("n_words", pa.int64()),
            ("copy", pa.int32()),
            ("duplicate_of", pa.string()),
            ("cluster_size", pa.int64()),
            ("cut", pa.bool_()),
        ]
    ),
)
Row = dict[str, Any]
URLS = st.sampled_from([None, "", "http://one.org/a", "https://www.one.org/b", "http://two.org/", "http://x.two.org"])


def row(name: int, url: str | None = None, text: str | None = "", **more: Any) -> Row:
    return {"id": f"{name:08x}", "source": "web", "url": url, "text": text, "n_words": 0, "copy": 0} | more


def duplicate(name: int, survivor: int, size: int, stage: str = "near_dedup", url: str | None = None) -> Row:
    of = {"duplicate_of": f"{survivor:08x}", "cluster_size": size}
    return row(name, url, dropped_by=stage, drop_reason="near_duplicate", **of)


def told(rows: Sequence[Row], batch_rows: int = 10**6) -> Any:
    """A shard's part, as it comes back from the shard's record."""
    measures = ShardMeasures()
    for at in range(0, len(rows), batch_rows):
        measures.add(pa.RecordBatch.from_pylist(list(rows[at : at + batch_rows]), schema=SCHEMA))
    return json.loads(canonical_json(measures.told()))


@dataclass(frozen=True)
class Cluster:
    """Documents that are one to a stage; the first of them stays."""

    stage: str
    size: int


KEPT = st.lists(
    st.fixed_dictionaries(
        {
            "source": st.sampled_from(["web", "books"]),
            "url": URLS,
            "text": st.none() | st.text(max_size=20),
            "lang": st.none() | st.sampled_from(["en", "de"]),
            "n_words": st.integers(0, 9),
            "copy": st.integers(0, 2),
        }
    ),
    max_size=8,
)
CLUSTERS = st.lists(st.builds(Cluster, st.sampled_from(["exact_dedup", "near_dedup"]), st.integers(2, 5)), max_size=14)


def duplicates(clusters: Sequence[Cluster]) -> list[Row]:
    """What the clusters lose; ids of later ones are smaller."""
    return [
        duplicate(
            10_000 * (len(clusters) - n) + member, 10_000 * (len(clusters) - n), one.size, one.stage, f"http://{n}.org"
        )
        for n, one in enumerate(clusters)
        for member in range(1, one.size)
    ]


def plain_clusters(rows: Iterable[Row]) -> dict[str, Any]:
    """By stage, from the rows themselves."""
    members: dict[str, dict[str, list[Row]]] = {}
    for one in rows:
        members.setdefault(one["dropped_by"], {}).setdefault(one["duplicate_of"], []).append(one)
    return {
        stage: {
            "clusters": len(found),
            "sizes": {str(n): count for n, count in sorted(Counter(len(lost) + 1 for lost in found.values()).items())},
            "largest": [
                {"survivor": survivor, "copy": min(lost, key=lambda r: r["id"])["url"], "documents": len(lost) + 1}
                for survivor, lost in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))[
                    :CLUSTER_EXAMPLES
                ]
            ],
        }
        for stage, found in sorted(members.items())
    }


@given(KEPT, CLUSTERS, st.data())
def test_any_cut_of_the_same_rows(kept: list[Row], clusters: list[Cluster], data: st.DataObject) -> None:
    rows = [row(n, **one) for n, one in enumerate(kept)] + duplicates(clusters)
    whole = added_up([told(rows)])
    shuffled = data.draw(st.permutations(rows))
    shards: list[list[Row]] = [[], [], []]
    for one in shuffled:
        shards[data.draw(st.integers(0, 2))].append(one)
    assert added_up(told(shard, data.draw(st.integers(1, 4))) for shard in shards) == whole
    assert whole["clusters"] == plain_clusters(duplicates(clusters))
    assert whole["documents"] == len(kept)
    assert whole["languages"] == dict(sorted(Counter(one["lang"] or "unknown" for one in kept).items()))
    sizes = [len((one["text"] or "").encode()) for one in kept]
    assert whole["lengths_log2"] == {
        str(bits): n for bits, n in sorted(Counter(max(size, 1).bit_length() - 1 for size in sizes).items())
    }
    for source, counts in whole["sources"].items():
        own = [one for one in kept if one["source"] == source]
        assert json.dumps(counts) == json.dumps(
            {
                "bytes": sum(len((one["text"] or "").encode()) for one in own),
                "distinct": sum(one["copy"] == 0 for one in own),
                "documents": len(own),
                "words": sum(one["n_words"] for one in own),
            }
        )
    domains = {"": "unknown", None: "unknown"} | {
        url: "two.org" if "two" in url else "one.org" for url in (one["url"] for one in kept) if url
    }
    counted = Counter(domains[one["url"]] for one in kept)
    assert whole["domains"] == dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
    assert whole["n_domains"] == len(counted)


def test_nothing_is_nothing() -> None:
    assert added_up([]) == added_up([told([])])
    assert added_up([])["n_domains"] == added_up([])["documents"] == 0


def test_columns_that_a_corpus_has_not_yet() -> None:
    measures = ShardMeasures()
    measures.add(documents(["text", None]))
    found = added_up([json.loads(canonical_json(measures.told()))])
    assert (found["languages"], found["clusters"]) == ({}, {})
    assert found["sources"] == {"web": {"bytes": 4, "distinct": 2, "documents": 2, "words": 0}}


def test_faults_and_rejects_are_no_documents() -> None:
    found = added_up([told([row(1, "http://a.org", "x", dropped_by="c4", drop_reason="too_short")])])
    assert (found["documents"], found["n_domains"], found["clusters"]) == (0, 0, {})


def of_domains(first: int, n: int) -> list[Row]:
    return [row(number, f"http://site{number}.org/") for number in range(first, first + n)]


@pytest.mark.parametrize("n_domains", [1, SHARD_DOMAINS + 1, SKETCH - 1])
def test_few_domains_are_counted_exactly(n_domains: int) -> None:
    half = n_domains // 2
    shards = [told(of_domains(0, n_domains - half)), told(of_domains(n_domains - half, half)), told(of_domains(0, 9))]
    assert added_up(shards)["n_domains"] == max(n_domains, 9)


@pytest.mark.parametrize("n_domains", [SKETCH + 1, 4000, 20_000])
def test_many_domains_within_a_few_per_cent(n_domains: int) -> None:
    """Within four standard errors of 1 / sqrt(SKETCH); the hashes are fixed, so is the outcome, in any cut."""
    rows = of_domains(0, n_domains)
    found = added_up([told(rows)])["n_domains"]
    assert abs(found / n_domains - 1) < 4 / SKETCH**0.5
    shards = [told(rows[at : at + 700]) for at in range(0, n_domains, 700)]
    assert added_up(shards)["n_domains"] == found
    assert added_up([*shards, *shards[::-1]])["n_domains"] == found, "seen twice is seen"


def test_a_sketch_of_very_many_shards_stays_small() -> None:
    """Hashes are let go on the way; the outcome is that of all of them."""
    n = 40 * SKETCH
    hashes = [f"{number * 2**64 // n:016x}" for number in range(1, n)]
    part = told([])
    shards = [part | {"domain_hashes": hashes[at::40][:SKETCH]} for at in range(40)]
    assert added_up(shards)["n_domains"] == pytest.approx(n, rel=0.01)


def test_the_top_domains() -> None:
    """Those with most documents, and of equal ones the first by name; the frequent ones are right though a shard tells
    of SHARD_DOMAINS only."""
    often = [row(n, f"http://often{n % 40:02}.org") for n in range(40 * 5)]
    rare = of_domains(1000, SHARD_DOMAINS + 100)
    more = [row(n, "http://often39.org") for n in range(3)]
    found = added_up([told(often + rare), told([*rare, *often]), told(more)])
    assert list(found["domains"].items()) == [
        ("often39.org", 13),
        *((f"often{n:02}.org", 10) for n in range(TOP_DOMAINS - 1)),
    ]


def test_the_largest_clusters_across_shards() -> None:
    """One that is small in each shard and large in all is found; of equal ones the smaller survivors are shown."""
    large = [duplicate(n, 1, 31, url=f"http://{n}.org") for n in range(2, 32)]
    small = [duplicate(1000 + n, 500 + n, 2) for n in range(3 * CLUSTER_EXAMPLES)]
    shards = [told([one, *small[n::30]]) for n, one in enumerate(large)]
    found = added_up(shards[::-1])["clusters"]["near_dedup"]
    assert (found["clusters"], found["sizes"]) == (31, {"2": 30, "31": 1})
    assert [(one["survivor"], one["documents"], one["copy"]) for one in found["largest"]] == [
        ("00000001", 31, "http://2.org"),
        *((f"{500 + n:08x}", 2, None) for n in range(CLUSTER_EXAMPLES - 1)),
    ]


def test_documents_that_were_cut_off_are_counted() -> None:
    rows = [row(1, cut=True), row(2, cut=False), row(3), row(4, cut=True), duplicate(5, 1, 2) | {"cut": True}]
    assert added_up([told(rows[:2]), told(rows[2:])])["cut_off"] == 2
