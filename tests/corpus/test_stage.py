"""The law of the pass: every row that goes in comes out, kept or marked, in its order, however the batches are cut."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_stages import Append, Counting, DropWord, Mishap, Repeat, Wrong, cut, documents, split

from corpus.errors import DataError, SchemaError
from corpus.schema import DOCUMENT
from corpus.splits import SPLIT
from corpus.stage import Stage, fuse, written
from corpus.stages.keys import ExactKey

WORDS = ["a", "b", "c"]
TEXTS = st.lists(st.none() | st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join), max_size=12)
STAGES = st.lists(
    st.one_of(
        st.builds(DropWord, word=st.sampled_from([*WORDS, "d"])),
        st.builds(Append, word=st.sampled_from([*WORDS, "d"])),
        st.builds(Repeat, times=st.integers(1, 3), batch_rows=st.integers(1, 5)),
    ),
    max_size=4,
)
SIZES = st.lists(st.integers(1, 5), max_size=3)

Row = dict[str, Any]


def passed(stages: list[Stage], batches: list[pa.RecordBatch]) -> list[Row]:
    step, schema = fuse(stages, DOCUMENT)
    outs = [out for batch in batches for out in step(batch)]
    assert all(out.schema == schema for out in outs)
    return pa.Table.from_batches(outs, schema=schema).to_pylist()


def plainly(stages: list[Stage], row: Row) -> list[Row]:
    """One row through the stages, said as plainly as can be."""
    rows = [row]
    for stage in stages:
        if isinstance(stage, Repeat):
            rows = [dict(r) for r in rows for _ in range(1 if r["drop_reason"] else stage.times)]
        for r in rows:
            if r["drop_reason"] is None:
                if isinstance(stage, DropWord) and stage.word in (r["text"] or "").split():
                    r |= {"dropped_by": stage.name, "drop_reason": "has_word"}
                elif isinstance(stage, Append):
                    r["text"] = f"{r['text'] or ''} {stage.word}"
    return rows


@given(TEXTS, STAGES, SIZES)
def test_every_row_comes_out_in_its_place(texts: list[str | None], stages: list[Stage], sizes: list[int]) -> None:
    batch = documents(texts)
    found = passed(stages, cut(batch, sizes))
    assert found == [out for row in batch.to_pylist() for out in plainly(stages, row)]
    assert {row["row"] for row in found} == set(range(len(texts)))


def test_marked_rows_pass_by_later_stages() -> None:
    rows = passed([DropWord(word="b"), Append(word="x")], [documents(["a", "b", "c"])])
    assert [row["text"] for row in rows] == ["a x", "b", "c x"]
    assert [row["dropped_by"] for row in rows] == [None, "drop_b", None]


def test_a_projection_ends_marked_rows() -> None:
    rows = passed([DropWord(word="b"), ExactKey()], [documents(["a", "b", "a"])])
    assert [row["row"] for row in rows] == [0, 2]
    assert rows[0]["key"] == rows[1]["key"]


@pytest.mark.parametrize("way", ["loses", "turns", "none"])
@pytest.mark.parametrize("rows", ["same", "many"])
def test_a_stage_that_leaves_rows_out_is_found(way: str, rows: Any) -> None:
    with pytest.raises(DataError, match=r'stage "wrong" took 2 rows'):
        passed([Wrong(way=way, rows=rows)], [documents(["a", "b"])])


def test_a_reason_must_be_declared() -> None:
    with pytest.raises(SchemaError, match="never_declared"):
        passed([Wrong(way="reason")], [documents(["a", "b"])])


@given(st.lists(st.sampled_from(["a", "raise now"]), max_size=9), SIZES)
def test_a_row_that_raises_is_dropped_with_its_trace(texts: list[str], sizes: list[int]) -> None:
    """The trace depends on the row alone: not on the batch, the process (addresses) or the place of the files."""
    rows = passed([Mishap(guarded=False, watch=False), Append(word="x")], cut(documents(texts), sizes))
    assert [row["drop_reason"] for row in rows] == ["stage_error" if t == "raise now" else None for t in texts]
    assert [row["text"] for row in rows] == [t if t == "raise now" else "A x" for t in texts]
    faults = {row["fault"] for row in rows if row["drop_reason"]}
    assert len(faults) <= 1
    for fault in faults:
        assert "tiny_stages:" in fault
        assert fault.endswith("ValueError: cannot take <object object at 0x...>")
        assert "/" not in fault


def test_a_projection_that_raises_loses_nobody() -> None:
    with pytest.raises(DataError, match=documents(["b"]).column("id")[0].as_py()):
        passed([Wrong(way="raises", rows="project")], [documents(["b"])])


def test_equal_stages_are_opened_once() -> None:
    class Opened(Append):
        times = 0

        def open(self) -> Any:
            Opened.times += 1
            return super().open()

    for _ in range(3):
        passed([Opened(word="a"), Opened(word="a")], [documents(["a"])])
    assert Opened.times == 1


def test_what_a_stage_reads_must_be_there() -> None:
    with pytest.raises(SchemaError, match=r'"counting" reads column "url"|"counting" reads column "file"'):
        written(DOCUMENT, Counting())
    with pytest.raises(SchemaError, match='"append" reads text: string, but that column is binary'):
        written(pa.schema([("text", pa.binary())]), Append(word="x"))


def test_columns_keep_their_places() -> None:
    after = written(pa.schema([*SPLIT, ("lang", pa.string())]), Counting())
    assert after.names[:4] == ["shard", "source", "url", "lang"]
    assert set(after.names) == {*DOCUMENT.names, "lang"}


def test_a_reader_multiplies_a_split() -> None:
    step, schema = fuse([Counting(batch_rows=2), DropWord(word="word")], SPLIT)
    batches: Iterator[pa.RecordBatch] = step(split(7, (0, 3), (3, 5)).batch())
    table = pa.Table.from_batches(batches, schema=schema)
    assert table.column("row").to_pylist() == [0, 1, 2, 3, 4]
    assert set(table.column("shard").to_pylist()) == {7}
    assert table.column("drop_reason").to_pylist() == [None, "has_word", "has_word", None, "has_word"]
