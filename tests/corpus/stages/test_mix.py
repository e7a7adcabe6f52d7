"""Copies: each row as often as asked, in place, in bounded batches."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import DataError
from corpus.schema import DOCUMENT, joined
from corpus.stage import fuse
from corpus.stages.mix import Copies

INPUT = joined(DOCUMENT, pa.schema([pa.field("copies", pa.int32())]))
COUNTED = st.lists(st.tuples(st.text(max_size=8), st.integers(0, 6)), max_size=12)


def batch_of(rows: list[tuple[str | None, int | None]]) -> pa.RecordBatch:
    values = [
        {"id": f"{i:032x}", "shard": 0, "row": i, "text": text, "copies": copies}
        for i, (text, copies) in enumerate(rows)
    ]
    return pa.RecordBatch.from_pylist(values, schema=INPUT)


def copied(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    step, schema = fuse([Copies()], INPUT)
    out = list(step(batch))
    assert "copies" not in schema.names
    assert all(one.schema == schema for one in out)
    return out


def test_example() -> None:
    rows = pa.Table.from_batches(copied(batch_of([("a", 2), ("b", 0), (None, 1)]))).to_pylist()
    assert [(row["text"], row["copy"], row["drop_reason"]) for row in rows] == [
        ("a", 0, None),
        ("a", 1, None),
        ("b", 0, "over_quota"),
        (None, 0, None),
    ]
    assert [row["dropped_by"] for row in rows] == [None, None, "copies", None]


@given(COUNTED)
def test_every_row_as_often_as_asked(rows: list[tuple[str, int]]) -> None:
    out = [row for batch in copied(batch_of(rows)) for row in batch.to_pylist()]
    expected = [(i, text, copy) for i, (text, copies) in enumerate(rows) for copy in range(max(copies, 1))]
    assert [(row["row"], row["text"], row["copy"]) for row in out] == expected
    kept = [row for row in out if row["drop_reason"] is None]
    assert len(kept) == sum(copies for _, copies in rows)
    assert all(rows[row["row"]][1] == 0 for row in out if row["drop_reason"] == "over_quota")


@given(COUNTED)
def test_batches_are_bounded(rows: list[tuple[str, int]]) -> None:
    """At most twice what came in, counting a byte a row beside the text; and one batch where nothing is repeated."""
    came_in = sum(len(text.encode()) + 1 for text, _ in rows)
    out = copied(batch_of(rows))
    for batch in out:
        assert sum(len(text.encode()) + 1 for text in batch.column("text").to_pylist()) <= 2 * came_in
    if rows and all(copies <= 1 for _, copies in rows):
        assert len(out) == 1


def test_rows_marked_before_are_no_copies() -> None:
    batch = batch_of([("a", 2), ("b", 3)])
    reasons = pa.array(["no_text", None], pa.string())
    marked = batch.set_column(INPUT.get_field_index("drop_reason"), INPUT.field("drop_reason"), reasons)
    rows = [row for one in copied(marked) for row in one.to_pylist()]
    assert [(row["text"], row["copy"], row["drop_reason"]) for row in rows] == [
        ("a", None, "no_text"),
        ("b", 0, None),
        ("b", 1, None),
        ("b", 2, None),
    ]


@pytest.mark.parametrize("copies", [None, -1])
def test_a_quota_that_was_not_made_for_these_documents(copies: int | None) -> None:
    with pytest.raises(DataError, match="copies"):
        copied(batch_of([("a", 1), ("b", copies)]))
