"""Named pieces of plan: the usual ways from archives to a mixture, as expressions of stages."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from corpus.plan import Attach, Components, How, Map, Plan, Read, Reduce, Union
from corpus.splits import SPLIT
from corpus.stage import Stage
from corpus.stages.duplicates import Duplicates, Shared
from corpus.stages.keys import BandKeys, ExactKey, UrlKey
from corpus.stages.seen import Seen, Snapshot
from corpus.text.minhash import MinHash

FIRST_OF_N: tuple[tuple[str, How, str], ...] = (("first", "first", "id"), ("n", "count", "id"))


def mapped(source: Plan, stages: Sequence[Stage]) -> Plan:
    """The stages, one after the other."""
    for stage in stages:
        source = Map(source, stage)
    return source


def from_splits(stages: Sequence[Stage]) -> Plan:
    """Raw splits through a reader and whatever follows it."""
    return mapped(Read("splits", SPLIT), stages)


def stored(name: str, schema: pa.Schema) -> Plan:
    """The kept documents of an artifact."""
    return Read(name, schema)


BUCKET_ROWS = 2**20
"""Rows of keys that are held in memory together, about 100 bytes each."""


def buckets_for(n_rows: int) -> int:
    """Into how many buckets so many rows are cut; 16 at least, so that a few workers share them evenly."""
    return max(16, -(-n_rows // BUCKET_ROWS))


def url_dedup(pages: Plan, buckets: int = 16) -> Plan:
    """C4's rule 4: of the pages with one url key the newest stays; of equally new ones the smallest id."""
    firsts = Reduce(Map(pages, UrlKey()), "key", FIRST_OF_N, order=("order", "id"), spread=True, buckets=buckets)
    return Attach(pages, Map(firsts, Duplicates(name="url_dedup", reason="duplicate_url")))


def exact_dedup(pages: Plan, buckets: int = 16) -> Plan:
    """Of the pages with the same text, byte for byte, the smallest id stays."""
    firsts = Reduce(Map(pages, ExactKey()), "key", FIRST_OF_N, spread=True, buckets=buckets)
    return Attach(pages, Map(firsts, Duplicates(name="exact_dedup", reason="exact_duplicate")))


def near_dedup(pages: Plan, minhash: MinHash, buckets: int = 16) -> Plan:
    """MinHash-LSH: pages that share a band are neighbours, and of each component the smallest id stays.

    Limit: components chain; two pages of one component need not be alike themselves (the facts: precision .34 at a
    Jaccard of .7 on planted clusters).
    """
    keys = Map(pages, BandKeys(minhash=minhash))
    firsts = Reduce(keys, "key", FIRST_OF_N, spread=True, buckets=buckets)
    edges = Map(firsts, Shared())
    return Attach(pages, Map(Components(edges), Duplicates(name="near_dedup", reason="near_duplicate")))


FIRST_SEEN: tuple[tuple[str, How, str], ...] = (("first", "first", "id"), ("seen_in", "first", "snapshot"))


def unseen(pages: Plan, earlier: Mapping[str, Plan], keys: Stage, reason: str, buckets: int = 16) -> Plan:
    """Pages that share a key with a document of an earlier corpus go; what they share among themselves changes nothing.

    Earlier corpora are plans by the name that tells them apart; in which order they are given does not matter. Of
    several documents with a key the one of the smallest (name, id) is named. Limit: their keys are made anew each time.
    """
    sides: list[tuple[str | None, Plan]] = [(None, pages), *sorted(earlier.items())]
    rows = Union(tuple(Map(Map(side, keys), Snapshot(of=name)) for name, side in sides))
    firsts = Reduce(rows, "key", FIRST_SEEN, order=("snapshot", "id"), spread=True, buckets=buckets)
    return Attach(pages, Map(firsts, Seen(reason=reason)))
