"""Deduplication against earlier corpora, run by the engine over real shards, against sets in plain Python."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_stages import documents

from corpus.flows import exact_dedup, near_dedup, stored, unseen, url_dedup
from corpus.lease import Lease
from corpus.parquet import RowGroups
from corpus.plan import Plan, described, schema_of
from corpus.schema import DOCUMENT, MARKS, without
from corpus.shards import ShardWriter
from corpus.stage import Stage
from corpus.stages.keys import BandKeys, ExactKey, UrlKey
from corpus.storage import Folder
from corpus.text.minhash import MinHash, plain_band_keys
from corpus.text.url import c4_key
from pipelines.engines.engine import StoredFile, StoredShard, Usage
from pipelines.engines.phased import PhasedEngine
from pipelines.engines.pool import Task

KEPT = without(DOCUMENT, set(MARKS.names))
PAGES = stored("pages", DOCUMENT)
EARLIER = {"2026-05": stored("then", DOCUMENT), "2026-01": stored("long ago", DOCUMENT)}
MINHASH = MinHash(ngram=2, bands=6, rows=2)


@dataclass(frozen=True)
class Page:
    name: int
    url: str | None
    when: int | None
    text: str


Corpus = list[Page]
CORPUS = st.lists(
    st.builds(
        Page,
        name=st.integers(0, 20),  # few: ids of several snapshots are to be the same
        url=st.sampled_from([None, "http://a.org/", "https://www.a.org", "http://b.org/x", "http://c.org"]),
        when=st.none() | st.integers(0, 3),
        text=st.lists(st.sampled_from("abcde"), max_size=4).map(" ".join),
    ),
    max_size=8,
    unique_by=lambda page: page.name,
)


def texts_of(page: Page) -> set[Any]:
    return {page.text}


def urls_of(page: Page) -> set[Any]:
    return {c4_key(page.url)} if page.url and c4_key(page.url) else set()


def bands_of(page: Page) -> set[Any]:
    return {(n, key) for n, key in enumerate(plain_band_keys(page.text, MINHASH) or ())}


METHODS: dict[str, tuple[Stage, Callable[[Page], set[Any]]]] = {
    "seen_url": (UrlKey(), urls_of),
    "seen_text": (ExactKey(), texts_of),
    "seen_near": (BandKeys(minhash=MINHASH), bands_of),
}


def shard_of(path: Path, number: int, pages: Corpus) -> StoredShard:
    whens = [None if p.when is None else datetime.fromtimestamp(p.when, UTC) for p in pages]
    columns = {"id": [f"{p.name:032x}" for p in pages], "url": [p.url for p in pages], "timestamp": whens}
    groups = RowGroups(path, KEPT)
    groups.write(documents([p.text for p in pages], shard=number, **columns).select(KEPT.names))
    groups.close()
    return StoredShard(number, (StoredFile(number, str(path), len(pages), path.stat().st_size),))


@dataclass
class Hands:
    """A crew without processes."""

    usage: Usage = field(default_factory=Usage)

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[int, int]]:
        for task in tasks:
            task.run(lambda _: None)
            yield 1, 0


Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    def run(plan: Plan, **corpora: Corpus) -> list[dict[str, Any]]:
        """All rows of the result; every corpus lies in two shards, 0 and 1, as the new pages do."""
        folder = tmp_path_factory.mktemp("against")
        inputs = {
            name.replace("_", " "): [
                shard_of(folder / f"{name}-{n}.parquet", n, part) for n, part in enumerate((pages[::2], pages[1::2]))
            ]
            for name, pages in corpora.items()
        }
        writer = ShardWriter(Folder(str(folder / "out" / "dev")), "f" * 64, Lease.take(Folder(str(folder / "run"))))
        numbers = PhasedEngine(Hands(), folder / "scratch").run(plan, inputs, writer, lambda *_: None)
        files = [file for record in writer.records(numbers) for file in record.info.files.values()]
        return [row for file in files for row in pq.read_table(folder / "out" / "dev" / file.file).to_pylist()]

    return run


def fates(rows: list[dict[str, Any]]) -> dict[int, str | None]:
    assert len({row["id"] for row in rows}) == len(rows)
    return {int(row["id"], 16): row.get("drop_reason") for row in rows}


def first_with(keys: set[Any], earlier: dict[str, Corpus], keys_of: Callable[[Page], set[Any]]) -> str:
    """Of each key the first document by (version, id); of those the first as it is written."""
    owners = [
        min(
            (label, f"{page.name:032x}") for label, corpus in earlier.items() for page in corpus if key in keys_of(page)
        )
        for key in keys
        if any(key in keys_of(page) for corpus in earlier.values() for page in corpus)
    ]
    return min(f"{name}@{label}" for label, name in owners)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(new=CORPUS, then=CORPUS, before=CORPUS, reasons=st.permutations(list(METHODS)).map(lambda all_: all_[:2]))
def test_exactly_what_shares_no_key_stays(
    run: Run, new: Corpus, then: Corpus, before: Corpus, reasons: Sequence[str]
) -> None:
    """deduped(B against A) = those of deduped(B) that share no key with A; the first method that saw it says so."""
    own = near_dedup(exact_dedup(url_dedup(PAGES, 2), 2), MINHASH, 2)
    alone = fates(run(own, pages=new))
    plan = own
    for reason in reasons:
        plan = unseen(plan, EARLIER, METHODS[reason][0], reason, 2)
    earlier = {"2026-05": then, "2026-01": before}
    expected = dict(alone)
    for reason in reasons:
        keys_of = METHODS[reason][1]
        seen = {key for corpus in earlier.values() for page in corpus for key in keys_of(page)}
        left = [page for page in new if expected[page.name] is None]
        expected |= {page.name: reason for page in left if keys_of(page) & seen}
    rows = run(plan, pages=new, then=then, long_ago=before)
    assert fates(rows) == expected
    pages = {page.name: page for page in new}
    for row in rows:
        if (reason := row.get("drop_reason")) in METHODS:
            keys_of = METHODS[reason][1]
            assert row["dropped_by"] == "against"
            assert row["duplicate_of"] is None, "that column is for documents of the corpus itself"
            assert row["seen_as"] == first_with(keys_of(pages[int(row["id"], 16)]), earlier, keys_of)
        else:
            assert row["seen_as"] is None


def test_verdicts_never_reach_the_homes_of_earlier_documents(run: Run) -> None:
    """The earlier page has the home and the id of another new one."""
    new = [Page(1, None, None, "mine"), Page(2, None, None, "other"), Page(3, None, None, "again")]
    old = [Page(1, None, None, "again")]
    rows = run(unseen(PAGES, {"then": stored("then", DOCUMENT)}, ExactKey(), "seen_text"), pages=new, then=old)
    assert fates(rows) == {1: None, 2: None, 3: "seen_text"}


def test_pages_without_a_key_stay(run: Run) -> None:
    nothing = [Page(1, None, None, ""), Page(2, "", None, "...")]
    old = {"then": stored("then", DOCUMENT)}
    for reason in ("seen_url", "seen_near"):
        plan = unseen(PAGES, old, METHODS[reason][0], reason)
        assert set(fates(run(plan, pages=nothing, then=nothing)).values()) == {None}


def test_the_order_in_which_corpora_are_given_changes_nothing() -> None:
    one = unseen(PAGES, EARLIER, ExactKey(), "seen_text")
    other = unseen(PAGES, dict(reversed(EARLIER.items())), ExactKey(), "seen_text")
    assert described(one) == described(other)
    assert described(one) != described(unseen(PAGES, dict([*EARLIER.items()][:1]), ExactKey(), "seen_text"))
    assert schema_of(one).names == [*DOCUMENT.names, "seen_as"]
