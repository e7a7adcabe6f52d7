"""A plan is data: it says its columns before any row is read, and its description is its identity."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from tiny_stages import Append, Counting, DropWord

from corpus.canonical import fingerprint
from corpus.errors import SchemaError
from corpus.flows import exact_dedup, from_splits, near_dedup, stored, unseen, url_dedup
from corpus.plan import (
    EDGE,
    LABELLED,
    Attach,
    Components,
    Group,
    Map,
    Plan,
    Read,
    Reduce,
    Union,
    described,
    explain,
    inputs,
    plain,
    schema_of,
    stages,
    strands,
)
from corpus.schema import DOCUMENT, MARKS, without
from corpus.splits import SPLIT
from corpus.stages.keys import ExactKey, UrlKey
from corpus.stages.quota import FillQuota, Sizes
from corpus.stages.text_filter import text_filter
from corpus.text.minhash import MinHash
from corpus.text.verdict import Keep

PAGES = stored("pages", DOCUMENT)


@dataclass(frozen=True, kw_only=True)
class Lower:
    n: int = 1
    version = 1
    reasons: frozenset[str] = frozenset()

    def __call__(self, text: str) -> Keep:
        return Keep(text.lower())


@dataclass(frozen=True, kw_only=True)
class Upper(Lower):
    def __call__(self, text: str) -> Keep:
        return Keep(text.upper())


def test_schemas() -> None:
    plan = from_splits([Counting(), Append(word="x")])
    assert schema_of(plan).names[:3] == ["shard", "source", "url"]
    assert set(schema_of(plan).names) == set(DOCUMENT.names)
    deduped = near_dedup(exact_dedup(url_dedup(PAGES)), MinHash())
    assert schema_of(deduped) == pa.schema([*DOCUMENT, ("duplicate_of", pa.string()), ("cluster_size", pa.int64())])
    assert schema_of(Components(Read("e", EDGE))) == LABELLED == pa.schema([*EDGE, ("n", pa.int64())])
    counts = Reduce(Map(PAGES, ExactKey()), "key", (("n", "count", "id"), ("who", "first", "id")))
    assert schema_of(counts) == pa.schema([("key", pa.string()), ("n", pa.int64()), ("who", pa.string())])


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (
            Map(Read("x", SPLIT), Append(word="x")),
            'stage "append" reads column "text"; columns here: shard, source, url',
        ),
        (Reduce(PAGES, "key", ()), 'Reduce needs column "key"'),
        (Reduce(PAGES, "url", (("n", "sum", "n_bytes"),)), 'Reduce needs column "n_bytes"'),
        (Reduce(PAGES, "url", (("n", "sum", "text"),)), 'Reduce sums column "text" to "n", but it is string'),
        (Group(PAGES, FillQuota(quotas=(), seed=1)), 'group stage "fill_quota" needs column "n_bytes"'),
        (Components(PAGES), 'Components needs column "first"'),
        (Union(()), "Union has no parts"),
        (
            Union((Map(PAGES, ExactKey()), Map(PAGES, UrlKey()))),
            "its parts have id: string, .*, key: string and id: string, .*, key: string, order: int64",
        ),
        (Attach(Union((PAGES, PAGES)), Read("v", DOCUMENT)), "Attach joins verdicts to documents in their shards"),
        (Attach(PAGES, Read("v", pa.schema([("row", pa.int64())]))), 'Attach needs column "shard"'),
        (
            Attach(PAGES, Read("v", pa.schema([("shard", pa.int32()), ("row", pa.int64()), ("url", pa.int8())]))),
            'column "url" is string and int8',
        ),
    ],
)
def test_parts_that_do_not_fit_are_found_before_any_row(plan: Plan, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        schema_of(plan)


def test_every_difference_is_in_the_description() -> None:
    plans = [
        PAGES,
        stored("other", DOCUMENT),
        stored("pages", without(DOCUMENT, set(MARKS.names))),
        Map(PAGES, DropWord(word="a")),
        Map(PAGES, DropWord(word="b")),
        Map(PAGES, Append(word="a")),
        Map(PAGES, text_filter("mine", Lower())),
        Map(PAGES, text_filter("mine", Lower(n=2))),
        Map(PAGES, text_filter("mine", Upper())),
        url_dedup(PAGES),
        exact_dedup(PAGES),
        near_dedup(PAGES, MinHash()),
        near_dedup(PAGES, MinHash(bands=15)),
        exact_dedup(url_dedup(PAGES)),
        url_dedup(exact_dedup(PAGES)),
        Reduce(PAGES, "url", (("n", "count", "id"),)),
        Reduce(PAGES, "url", (("n", "count", "id"),), buckets=17),
        Reduce(PAGES, "url", (("n", "count", "id"),), spread=True),
        Reduce(PAGES, "url", (("n", "count", "id"),), order=("row",)),
        Group(Map(PAGES, Sizes()), FillQuota(quotas=(("web", 1),), seed=1)),
        Group(Map(PAGES, Sizes()), FillQuota(quotas=(("web", 1),), seed=2)),
        Union((PAGES,)),
        Union((PAGES, stored("other", DOCUMENT))),
        Union((stored("other", DOCUMENT), PAGES)),
        Union((PAGES, PAGES)),
    ]
    digests = [fingerprint(described(plan)) for plan in plans]
    assert len(set(digests)) == len(plans)
    assert digests == [fingerprint(described(plan)) for plan in plans]


def test_configurations_that_are_no_values_are_refused() -> None:
    for value in (Path("/x"), object(), len, b"raw", {"a": object()}):
        with pytest.raises(TypeError, match="cannot be part of a recipe"):
            plain(value)
    assert plain({"b": (1, None), "a": frozenset({"y", "x"})}) == {"a": ["x", "y"], "b": [1, None]}


def test_what_a_plan_reads_and_runs() -> None:
    plan = near_dedup(PAGES, MinHash())
    assert inputs(plan) == {"pages"}
    assert [stage.name for stage in stages(plan)] == ["band_keys", "shared_keys", "near_dedup"]
    assert explain(plan).splitlines()[0] == "attach verdicts"
    assert "reduce by key: first = first(id), n = count(id)" in explain(plan)


def test_a_union_is_read_strand_by_strand() -> None:
    other = stored("other", DOCUMENT)
    keys, word = Map(other, ExactKey()), DropWord(word="a")
    nested = Map(Union((Union((PAGES, Map(other, word))), other)), ExactKey())
    after = [[link.stage for link in links if isinstance(link, Map)] for _, links in strands(nested)]
    assert [node for node, _ in strands(nested)] == [PAGES, other, other]
    assert after == [[ExactKey()], [word, ExactKey()], [ExactKey()]]
    assert strands(keys) == [(other, (keys,))]
    assert inputs(nested) == {"pages", "other"}
    assert [stage.name for stage in stages(nested)] == ["drop_a", "exact_key"]


def test_a_plan_against_earlier_corpora_is_explained() -> None:
    told = explain(unseen(PAGES, {"2026-41": stored("then", DOCUMENT)}, ExactKey(), "seen_text")).splitlines()
    assert [line.strip() for line in told[:4]] == [
        "attach verdicts",
        "map against  may drop: seen_text",
        "reduce by key: first = first(id), seen_in = first(snapshot)",
        "union of 2",
    ]
    assert "read then" in {line.strip() for line in told}


def test_a_user_s_rule_is_known_by_its_module_s_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its authors need not raise a version: another text of the module is another plan."""
    source = (
        "from dataclasses import dataclass\n"
        "from corpus.text.verdict import Keep\n"
        "@dataclass(frozen=True)\n"
        "class Mine:\n"
        "    version = 1\n"
        "    reasons = frozenset()\n"
        "    def __call__(self, text):\n"
        "        return Keep(text)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    digests = []
    for name, body in (("mine_one", source), ("mine_two", source.replace("Keep(text)", "Keep(text[1:])"))):
        (tmp_path / f"{name}.py").write_text(body)
        digests.append(plain(__import__(name).Mine())["source"])
    assert digests[0] != digests[1]
    assert "source" not in plain(MinHash())
