"""Deduplication as a whole, run by the engine over real shards, against definitions in plain Python."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_stages import documents

from corpus.flows import BUCKET_ROWS, buckets_for, exact_dedup, near_dedup, stored, url_dedup
from corpus.lease import Lease
from corpus.parquet import RowGroups
from corpus.plan import Plan
from corpus.schema import DOCUMENT, MARKS, without
from corpus.shards import ShardWriter
from corpus.storage import Folder
from corpus.text.minhash import MinHash, plain_band_keys
from corpus.text.url import c4_key
from pipelines.engines.engine import StoredFile, StoredShard
from pipelines.engines.phased import PhasedEngine
from pipelines.engines.pool import Pool

KEPT = without(DOCUMENT, set(MARKS.names))
PAGES = stored("pages", DOCUMENT)
MINHASH = MinHash(ngram=2, bands=6, rows=2)


@dataclass(frozen=True)
class Page:
    name: int
    url: str | None
    when: int | None
    text: str


PAGES_OF = st.lists(
    st.builds(
        Page,
        name=st.integers(0, 10**6),
        url=st.sampled_from(
            [None, "", "http://a.org/", "https://www.a.org", "http://b.org/x?utm_a=1", "http://b.org/x"]
        ),
        when=st.none() | st.integers(0, 3),
        text=st.lists(st.sampled_from("abcde"), max_size=5).map(" ".join),
    ),
    max_size=12,
    unique_by=lambda page: page.name,
)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(1) as pool:
        yield pool


@pytest.fixture(scope="module")
def run(
    pool: Pool, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Plan, list[list[Page]]], list[dict[str, Any]]]:
    def run(plan: Plan, shards: list[list[Page]]) -> list[dict[str, Any]]:
        """All rows of the result, kept and dropped, by shard and row."""
        folder = tmp_path_factory.mktemp("flow")
        inputs = [stored_shard(folder / f"{n}.parquet", n, pages) for n, pages in enumerate(shards)]
        writer = ShardWriter(Folder(str(folder / "out" / "dev")), "f" * 64, Lease.take(Folder(str(folder / "run"))))
        numbers = PhasedEngine(pool, folder / "scratch").run(plan, {"pages": inputs}, writer, lambda *_: None)
        assert list(numbers) == list(range(len(shards)))
        rows = []
        for record in writer.records(numbers):
            for file in record.info.files.values():
                rows += pq.read_table(folder / "out" / "dev" / file.file).to_pylist()
        return sorted(rows, key=lambda row: (row["shard"], row["row"]))

    return run


def stored_shard(path: Path, number: int, pages: list[Page]) -> StoredShard:
    whens = [None if p.when is None else datetime.fromtimestamp(p.when, UTC) for p in pages]
    columns = {"id": [f"{p.name:032x}" for p in pages], "url": [p.url for p in pages], "timestamp": whens}
    batch = documents([p.text for p in pages], shard=number, **columns)
    groups = RowGroups(path, KEPT)
    groups.write(batch.select(KEPT.names))
    groups.close()
    return StoredShard(number, (StoredFile(number, str(path), len(pages), path.stat().st_size),))


def survivors(groups: list[list[Page]], first: Callable[[Page], Any]) -> dict[int, int]:
    """Of each group the page that stays, by the name of each page that goes."""
    gone = {}
    for group in groups:
        best = min(group, key=first)
        gone |= {page.name: best.name for page in group if page != best}
    return gone


def gathered(pages: list[Page], key: Callable[[Page], Any]) -> list[list[Page]]:
    groups: dict[Any, list[Page]] = defaultdict(list)
    for page in pages:
        if key(page):
            groups[key(page)].append(page)
    return list(groups.values())


def by_url(pages: list[Page]) -> dict[int, int]:
    """The newest stays; one without a time is the oldest; ties go to the smallest id."""
    newest = gathered(pages, lambda p: p.url and c4_key(p.url))
    return survivors(newest, lambda p: (-p.when if p.when is not None else 10**9, p.name))


def by_text(pages: list[Page]) -> dict[int, int]:
    return survivors(gathered(pages, lambda p: (p.text,)), lambda p: p.name)


def by_bands(pages: list[Page]) -> dict[int, int]:
    """Clusters grow until no two have pages that share a band."""
    keys = {p.name: set(plain_band_keys(p.text, MINHASH) or ()) for p in pages}
    clusters = [[p] for p in pages]
    while pair := next(
        ((a, b) for a, b in combinations(clusters, 2) if any(keys[p.name] & keys[q.name] for p in a for q in b)),
        None,
    ):
        clusters.remove(pair[1])
        pair[0].extend(pair[1])
    return survivors(clusters, lambda p: p.name)


FLOWS: dict[str, tuple[Plan, Callable[[list[Page]], dict[int, int]], str]] = {
    "url": (url_dedup(PAGES), by_url, "duplicate_url"),
    "exact": (exact_dedup(PAGES), by_text, "exact_duplicate"),
    "near": (near_dedup(PAGES, MINHASH), by_bands, "near_duplicate"),
}


@pytest.mark.parametrize("method", FLOWS)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pages=PAGES_OF, draw=st.randoms(use_true_random=False))
def test_like_the_definition_in_any_order(run: Any, method: str, pages: list[Page], draw: Any) -> None:
    """The survivors do not depend on the order of the rows or on the shard that a page lies in."""
    plan, definition, reason = FLOWS[method]
    gone = definition(pages)
    shuffled = list(pages)
    draw.shuffle(shuffled)
    at = draw.randint(0, len(pages))
    for shards in ([pages], [shuffled[:at], [], shuffled[at:]]):
        rows = run(plan, shards)
        assert [int(row["id"], 16) for row in rows] == [page.name for shard in shards for page in shard]
        found = {int(row["id"], 16): int(row["duplicate_of"], 16) for row in rows if row.get("drop_reason")}
        assert found == gone
        assert {row["drop_reason"] for row in rows if row.get("drop_reason")} <= {reason}
        sizes = Counter(gone.values())
        assert all(row["cluster_size"] == 1 + sizes[gone[int(row["id"], 16)]] for row in rows if row.get("drop_reason"))


def test_buckets_grow_with_the_rows() -> None:
    """None holds more than BUCKET_ROWS, if keys spread evenly; the fingerprint of a small corpus does not move."""
    assert [buckets_for(n) for n in (0, 1, BUCKET_ROWS, 16 * BUCKET_ROWS)] == [16] * 4
    assert buckets_for(16 * BUCKET_ROWS + 1) == 17
    assert buckets_for(14 * 10**9) * BUCKET_ROWS >= 14 * 10**9


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pages=PAGES_OF)
def test_one_after_the_other(run: Any, pages: list[Page]) -> None:
    """What one method drops is no page for the next, and each row keeps the first word said of it."""
    plan: Plan = PAGES
    expected: dict[int, tuple[str, int]] = {}
    left = pages
    for method in (url_dedup, exact_dedup, lambda plan: near_dedup(plan, MINHASH)):
        plan = method(plan)
    for _, definition, reason in FLOWS.values():
        gone = definition(left)
        expected |= {name: (reason, survivor) for name, survivor in gone.items()}
        left = [page for page in left if page.name not in gone]
    rows = run(plan, [pages[::2], pages[1::2]])
    assert len(rows) == len(pages)
    assert {
        int(row["id"], 16): (row["drop_reason"], int(row["duplicate_of"], 16)) for row in rows if row.get("drop_reason")
    } == expected
