"""Named pieces of plan: the usual ways from archives to a mixture, as expressions of stages."""

from collections.abc import Sequence

import pyarrow as pa

from corpus.plan import Attach, Components, Map, Plan, Read, Reduce
from corpus.splits import SPLIT
from corpus.stage import Stage
from corpus.stages.duplicates import Duplicates, Shared
from corpus.stages.keys import BandKeys, ExactKey, UrlKey
from corpus.text.minhash import MinHash


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


def url_dedup(pages: Plan) -> Plan:
    """C4's rule 4: of the pages with one url key the newest stays; of equally new ones the smallest id."""
    firsts = Reduce(Map(pages, UrlKey()), "key", (("first", "first", "id"),), order=("order", "id"), spread=True)
    return Attach(pages, Map(firsts, Duplicates(name="url_dedup", reason="duplicate_url")))


def exact_dedup(pages: Plan) -> Plan:
    """Of the pages with the same text, byte for byte, the smallest id stays."""
    firsts = Reduce(Map(pages, ExactKey()), "key", (("first", "first", "id"),), spread=True)
    return Attach(pages, Map(firsts, Duplicates(name="exact_dedup", reason="exact_duplicate")))


def near_dedup(pages: Plan, minhash: MinHash) -> Plan:
    """MinHash-LSH: pages that share a band are neighbours, and of each component the smallest id stays.

    Limit: components chain; two pages of one component need not be alike themselves (the facts: precision .34 at a
    Jaccard of .7 on planted clusters).
    """
    keys = Map(pages, BandKeys(minhash=minhash))
    firsts = Reduce(keys, "key", (("first", "first", "id"), ("n", "count", "id")), spread=True)
    edges = Map(firsts, Shared())
    return Attach(pages, Map(Components(edges), Duplicates(name="near_dedup", reason="near_duplicate")))
