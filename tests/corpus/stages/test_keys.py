"""Key rows: what each stage puts out, in which order, and for which documents nothing."""

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from corpus.schema import DOCUMENT
from corpus.stage import Stage, fuse
from corpus.stages.keys import BandKeys, ExactKey, UrlKey, utf8
from corpus.text.hashing import exact_key
from corpus.text.minhash import MinHash, plain_band_keys

SMALL = MinHash(ngram=2, bands=3, rows=2)
LAST = 2**63 - 1


def documents(**columns: list[Any]) -> pa.RecordBatch:
    n = len(next(iter(columns.values())))
    rows = {
        "id": [f"{i:032x}" for i in range(n)],
        "shard": [i // 3 for i in range(n)],
        "row": [i % 3 for i in range(n)],
    } | columns
    arrays = [pa.array(rows.get(field.name, [None] * n), field.type) for field in DOCUMENT]
    return pa.RecordBatch.from_arrays(arrays, schema=DOCUMENT)


def keyed(stage: Stage, batch: pa.RecordBatch) -> list[dict[str, Any]]:
    step, schema = fuse([stage], batch.schema)
    out = pa.Table.from_batches(step(batch), schema=schema)
    assert schema.names[:3] == ["id", "shard", "row"]
    return out.to_pylist()


def test_url_keys_order_the_newest_first() -> None:
    batch = documents(
        url=["http://a.org/", "https://www.a.org?ref=b", None, "", "http://", "http://a.org"],
        timestamp=[1000, 2000, 3000, 4000, 5000, None],
    )
    rows = keyed(UrlKey(), batch)
    assert [(row["shard"], row["row"], row["key"], row["order"]) for row in rows] == [
        (0, 0, "a.org", -1000),
        (0, 1, "a.org", -2000),
        (1, 2, "a.org", LAST),
    ]
    assert min(rows, key=lambda row: row["order"])["id"] == f"{1:032x}"


def test_exact_keys_of_all_texts_there_are() -> None:
    rows = keyed(ExactKey(), documents(text=["one", None, "", "one", "One"]))
    assert [row["row"] for row in rows] == [0, 2, 0, 1]
    assert [row["key"] for row in rows] == [exact_key(text) for text in ("one", "", "one", "One")]


def test_band_keys_stand_by_document_and_band() -> None:
    texts = ["a b c", None, "...", "漢字 x", "A b, c"]
    rows = keyed(BandKeys(minhash=SMALL), documents(text=texts))
    assert [(row["shard"], row["row"]) for row in rows] == [(0, 0)] * 3 + [(1, 0)] * 3 + [(1, 1)] * 3
    keys = [plain_band_keys(text, SMALL) for text in ("a b c", "漢字 x", "A b, c")]
    assert [row["key"] for row in rows] == np.array(keys, np.uint64).reshape(-1).view(np.int64).tolist()
    assert [row["key"] for row in rows[:3]] == [row["key"] for row in rows[6:]]


@pytest.mark.parametrize("stage", [UrlKey(), ExactKey(), BandKeys(minhash=SMALL)])
def test_marked_rows_and_other_columns_stay_behind(stage: Stage) -> None:
    batch = documents(text=["a", "b"], url=["http://a", "http://b"], drop_reason=["no_text", None])
    wide = batch.append_column("score", pa.array([0.5, 0.25]))
    rows = keyed(stage, wide)
    assert {row["id"] for row in rows} == {f"{1:032x}"}
    assert set(rows[0]) == set(stage.writes.names)


@pytest.mark.parametrize("stage", [UrlKey(), ExactKey(), BandKeys(minhash=SMALL)])
def test_nothing_in_nothing_out(stage: Stage) -> None:
    assert keyed(stage, documents(text=[])) == []
    assert keyed(stage, documents(text=[None, None])) == []


@pytest.mark.parametrize("stage", [UrlKey(), ExactKey(), BandKeys(minhash=SMALL)])
def test_batch_cuts_do_not_matter(stage: Stage) -> None:
    texts = ["a b", "", None, "c", "漢字", "d e f", "..."]
    batch = documents(text=texts, url=[text and f"http://x/{text}" for text in texts])
    whole = keyed(stage, batch)
    assert whole == [row for i in range(batch.num_rows) for row in keyed(stage, batch.slice(i, 1))]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_utf8_of_slices_nulls_and_nothing(kind: pa.DataType) -> None:
    texts = pa.array(["abc", "漢", None, "", "de"], kind)
    for array in (texts, texts[1:4], texts[4:], texts[2:3], texts[:0], pa.array([None, None], kind)):
        offsets, data = utf8(array)
        found = [data[a:b].tobytes().decode() for a, b in pairwise(offsets)]
        assert found == [text or "" for text in array.to_pylist()]


def test_bytes_under_a_null_are_not_text() -> None:
    """Arrow lets a null's slot hold bytes; they are nobody's words."""
    valid, offsets, data = pa.py_buffer(b"\x05"), pa.py_buffer(np.array([0, 1, 4, 5], np.int32)), pa.py_buffer(b"axyzb")
    places, taken = utf8(pa.Array.from_buffers(pa.string(), 3, [valid, offsets, data], null_count=1))
    assert [taken[a:b].tobytes() for a, b in pairwise(places)] == [b"a", b"", b"b"]
