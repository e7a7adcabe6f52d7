"""Wide nodes against definitions in plain Python; the order of their input does not matter."""

from collections import Counter, defaultdict
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import DataError
from corpus.plan import EDGE, Read, Reduce, schema_of
from corpus.schema import DOCUMENT, MARKS
from corpus.wide import attached, bucketed, buckets_of, component_labels, grouped, reduced

KEYED = pa.schema([("id", pa.string()), ("key", pa.int64()), ("order", pa.int64()), ("n", pa.int32())])
ROWS = st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 2), st.none() | st.integers(0, 9)), max_size=15).map(
    lambda rows: [{"id": f"{n:03}", "key": k, "order": o, "n": v} for n, (k, o, v) in enumerate(rows)]
)
TAKE = (("first", "first", "id"), ("count", "count", "id"), ("total", "sum", "n"))


def table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)


@given(ROWS, st.randoms(use_true_random=False), st.booleans())
def test_reduce(rows: list[dict[str, Any]], draw: Any, spread: bool) -> None:
    plan = Reduce(Read("x", KEYED), "key", TAKE, order=("order", "id"), spread=spread)
    shuffled = list(rows)
    draw.shuffle(shuffled)
    found = reduced(table(shuffled, KEYED), plan, schema_of(plan)).to_pylist()
    runs: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row["key"], row["order"], row["id"])):
        runs[row["key"]].append(row)
    expected = []
    for key, run in runs.items():
        sums = {"first": run[0]["id"], "count": len(run), "total": sum(row["n"] or 0 for row in run)}
        expected += [row | sums for row in run] if spread else [{"key": key} | sums]
    assert found == expected


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from("ab"), st.integers(0, 2)), max_size=9), st.data())
def test_rows_that_order_does_not_part(rows: list[tuple[int, str, int]], data: st.DataObject) -> None:
    """Copies of a document share key, order and id: what is first of them does not depend on who came first."""
    plan = Reduce(Read("x", KEYED), "key", (("first", "first", "n"),), order=("id",), spread=True)
    given = [{"id": name, "key": key, "order": 0, "n": n} for key, name, n in rows]
    found = [
        reduced(table(order, KEYED), plan, schema_of(plan)) for order in (given, data.draw(st.permutations(given)))
    ]
    assert found[0] == found[1]


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 9)), st.integers(1, 20))
def test_buckets_of_numbers(keys: list[int], n_buckets: int) -> None:
    buckets = buckets_of(pa.array(keys, pa.int64()), n_buckets).tolist()
    assert all(0 <= bucket < n_buckets for bucket in buckets)
    assert len(set(zip(keys, buckets, strict=True))) == len(set(keys))


@given(st.lists(st.text(max_size=3)), st.integers(1, 20))
def test_buckets_hold_whole_keys_in_order(keys: list[str], n_buckets: int) -> None:
    batch = pa.RecordBatch.from_pydict(
        {"key": pa.array(keys, pa.string()), "at": pa.array(range(len(keys)), pa.int64())}
    )
    parts = bucketed(batch, "key", n_buckets)
    assert len(parts) == n_buckets
    rows = [(row["key"], row["at"]) for part in parts for row in part.to_pylist()]
    assert Counter(rows) == Counter((key, at) for at, key in enumerate(keys))
    homes = [{row["key"] for row in part.to_pylist()} for part in parts]
    assert sum(map(len, homes)) == len(set(keys))
    for part in parts:
        assert part.column("at").to_pylist() == sorted(part.column("at").to_pylist())


def test_buckets_are_the_same_for_ever() -> None:
    assert buckets_of(pa.array(["a", "b", "", "ü"]), 16).tolist() == [3, 9, 0, 5]
    numbers = [0, 1, -1, 2**62, -(2**63)]
    plain = [((n * 0x9E3779B97F4A7C15) % 2**64 >> 33) % 16 for n in numbers]
    assert buckets_of(pa.array(numbers), 16).tolist() == plain == [0, 12, 3, 0, 0]


def test_buckets_fill_evenly() -> None:
    for keys in (pa.array(range(16_000)), pa.array([f"{n}" for n in range(16_000)])):
        sizes = Counter(buckets_of(keys, 16).tolist())
        assert max(sizes.values()) < 1.2 * min(sizes.values())


def test_a_key_that_is_null_is_an_error() -> None:
    batch = pa.RecordBatch.from_pydict({"key": pa.array([1, None], pa.int64())})
    with pytest.raises(DataError, match='column "key" is a key and has nulls'):
        bucketed(batch, "key", 4)


@given(ROWS)
def test_group_gets_whole_keys_sorted(rows: list[dict[str, Any]]) -> None:
    seen: list[list[tuple[int, str]]] = []

    def opened(whole: pa.Table) -> pa.Table:
        seen.append(list(zip(whole.column("key").to_pylist(), whole.column("id").to_pylist(), strict=True)))
        return whole.select(["id"])

    found = grouped(table(rows[::-1], KEYED), "key", opened, pa.schema([("id", pa.string())]))
    assert seen == [sorted((row["key"], row["id"]) for row in rows)]
    assert found.num_rows == len(rows)


def clusters(edges: list[tuple[str, str]]) -> dict[str, str]:
    """The smallest name of each name's component, by walking."""
    near: dict[str, set[str]] = defaultdict(set)
    for a, b in edges:
        near[a].add(b)
        near[b].add(a)
    smallest: dict[str, str] = {}
    for start in sorted(near):
        reached, open_ = {start}, [start]
        while open_:
            new = near[open_.pop()] - reached
            reached |= new
            open_ += new
        smallest[start] = min(reached)
    return smallest


NAMES = st.sampled_from([f"{n:02}" for n in range(12)])


@given(st.lists(st.tuples(NAMES, NAMES), max_size=14), st.randoms(use_true_random=False))
def test_components(pairs: list[tuple[str, str]], draw: Any) -> None:
    """Names stand in shard 0 below "06" and in shard 1 from there on; edges come in any order. A name that only others
    point at is no document, and is not counted."""
    edges = [{"id": a, "shard": int(a) // 6, "row": int(a) % 6, "first": b} for a, b in pairs]
    draw.shuffle(edges)
    found = component_labels(table(edges, EDGE)).to_pylist()
    smallest = clusters(pairs)
    documents = sorted({a for a, _ in pairs})
    sizes = Counter(smallest[a] for a in documents)
    expected = [(a, int(a) // 6, int(a) % 6, smallest[a], sizes[smallest[a]]) for a in documents]
    assert [tuple(row.values()) for row in found] == expected


VERDICT = pa.schema(
    [("shard", pa.int32()), ("row", pa.int64()), *MARKS, ("duplicate_of", pa.string()), ("n", pa.int8())]
)


HOMES = st.tuples(st.sampled_from([0, 3, 4, 2**22]), st.integers(0, 3) | st.just(2**39))
WORDS = st.none() | st.sampled_from("xy")


@given(
    st.lists(HOMES, unique=True, max_size=8),
    st.lists(st.tuples(HOMES, WORDS, st.none() | st.integers(0, 3)), max_size=10),
    st.randoms(use_true_random=False),
)
def test_attach(
    homes: list[tuple[int, int]], verdicts: list[tuple[tuple[int, int], str | None, int | None]], draw: Any
) -> None:
    """Documents of several home shards, in any order; of several verdicts on one of them the first in the order of the
    columns counts (a null comes last), in whatever order they come."""
    columns = pa.schema([*DOCUMENT, ("n", pa.int8())])
    documents = [{"id": f"{shard}:{row}", "shard": shard, "row": row, "n": 7} for shard, row in homes]
    batch = pa.RecordBatch.from_pylist(documents, schema=columns)
    shuffled = list(verdicts)
    draw.shuffle(shuffled)
    said = [
        {"shard": home[0], "row": home[1], "drop_reason": why, "duplicate_of": why, "n": n} for home, why, n in shuffled
    ]
    schema = pa.schema([*columns, ("duplicate_of", pa.string())])
    found = attached(batch, table(said, VERDICT), schema)
    assert found.schema == schema
    first = {
        home: (why, n)
        for home, why, n in sorted(verdicts, key=lambda v: (v[0], v[1] or "z", 9 if v[2] is None else v[2]))[::-1]
    }
    expected = []
    for home in homes:
        why, n = first.get(home, (None, None))
        expected.append((*home, why, why, 7 if n is None else n))
    names = ("shard", "row", "drop_reason", "duplicate_of", "n")
    assert [tuple(row[name] for name in names) for row in found.to_pylist()] == expected
