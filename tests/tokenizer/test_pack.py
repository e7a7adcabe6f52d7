import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import ConfigError, DataError
from corpus.storage import Folder
from tokenizer.pack import Packed
from tokenizer.shard import TokenShard, write_shard

EOD = 2


def shards(folder, parts, vocab_size=10_000, marks=None):
    """One shard for each list of documents; ids are "part/document"."""
    for part, documents in enumerate(parts):
        names = [f"{part}/{d}" for d in range(len(documents))]
        table = pa.RecordBatch.from_pydict({"id": names, "url": [f"http://{name}" for name in names]})
        tokens = [np.array(document, np.int32) for document in documents]
        marked = None if marks is None else [np.array(document, np.uint8) for document in marks[part]]
        write_shard(Folder(str(folder)), part, [(table, tokens, marked)], vocab_size=vocab_size, eod_id=EOD)
    return [TokenShard.open(folder, part, vocab_size) for part in range(len(parts))]


def numbered(lengths):
    """Documents of these lengths whose tokens count on from 3, so that each token of the whole differs."""
    counter = iter(range(3, 10_000))
    return [[[next(counter) for _ in range(n)] for n in part] for part in lengths]


def test_the_worked_example(tmp_path):
    packed = Packed(shards(tmp_path, [[[5, 9], [7, 7]], [[4]]]), row_len=3)  # 5 9 2 7 7 2 | 4 2
    assert packed.rows([1, 0]).tolist() == [[7, 7, 2, 4], [5, 9, 2, 7]]
    assert [packed.segments(i).tolist() for i in range(2)] == [[1, 1, 1, 2], [1, 1, 1, 2]]
    assert packed.record() == {"row_len": 3, "n_rows": 2, "n_tokens": 8, "n_tail_tokens": 2, "n_shards": 2}
    first, second = packed.documents(1)
    assert (first.part, first.document, first.id, first.url) == (0, 1, "0/1", "http://0/1")
    assert (first.row_start, first.row_stop, first.first_token) == (0, 3, 0)
    assert (second.part, second.document, second.id) == (1, 0, "1/0")
    assert (second.row_start, second.row_stop, second.first_token) == (3, 4, 0)


LENGTHS = st.lists(st.lists(st.integers(0, 12), max_size=6), max_size=4)


@settings(deadline=None, max_examples=120)
@given(LENGTHS, st.integers(1, 9), st.integers(0, 3))
def test_every_token_is_in_a_row_once_but_the_tail(tmp_path_factory, lengths, row_len, overlap):
    parts = numbered(lengths)
    whole = [token for part in parts for document in part for token in [*document, EOD]]
    packed = Packed(shards(tmp_path_factory.mktemp("pack"), parts), row_len, overlap)
    record = packed.record()
    rows = packed.rows(range(len(packed)))
    covered = row_len * len(packed)

    assert rows.shape == (len(packed), row_len + overlap)
    assert rows.dtype == np.int64
    assert rows[:, :row_len].ravel().tolist() == whole[:covered]
    assert rows[:, overlap:].ravel().tolist() == whole[overlap : covered + overlap]
    assert record["n_tokens"] == len(whole) == covered + record["n_tail_tokens"]
    assert record["n_tail_tokens"] < row_len + overlap
    assert record["n_tail_tokens"] >= min(overlap, len(whole))


@settings(deadline=None, max_examples=60)
@given(LENGTHS, st.integers(1, 9), st.integers(0, 1))
def test_every_token_leads_back_to_its_document(tmp_path_factory, lengths, row_len, overlap):
    parts = numbered(lengths)
    packed = Packed(shards(tmp_path_factory.mktemp("pack"), parts), row_len, overlap)
    for i in range(len(packed)):
        spans = packed.documents(i)
        from_spans = [
            token
            for span in spans
            for token in [*parts[span.part][span.document], EOD][span.first_token :][: span.row_stop - span.row_start]
        ]
        assert from_spans == packed.row(i).tolist()
        assert [span.row_start for span in spans] == [0, *(span.row_stop for span in spans[:-1])]
        assert spans[-1].row_stop == row_len + overlap
        assert all(span.id == f"{span.part}/{span.document}" for span in spans)
        expected = [k for k, span in enumerate(spans, 1) for _ in range(span.row_start, span.row_stop)]
        assert packed.segments(i).tolist() == expected


@settings(deadline=None, max_examples=60)
@given(LENGTHS, st.integers(1, 9), st.integers(0, 3))
def test_lengths_count_each_token_once(tmp_path_factory, lengths, row_len, overlap):
    packed = Packed(shards(tmp_path_factory.mktemp("pack"), numbered(lengths)), row_len, overlap)
    found = np.zeros((len(lengths), 7), int)
    for i in range(len(packed)):
        row = np.zeros_like(found)
        for shard, first, lengths_D in packed.lengths(i):
            row[shard, first : first + len(lengths_D)] += lengths_D
        told = np.zeros_like(found)
        for span in packed.documents(i):
            told[span.part, span.document] += max(min(span.row_stop, row_len) - span.row_start, 0)
        assert row.tolist() == told.tolist()
        found += row
    whole = [(part, d) for part, some in enumerate(lengths) for d, n in enumerate(some) for _ in range(n + 1)]
    expected = np.zeros_like(found)
    np.add.at(expected, tuple(np.array(whole[: row_len * len(packed)], int).reshape(-1, 2).T), 1)
    assert found.tolist() == expected.tolist()


def test_the_same_shards_serve_every_row_length(tmp_path):
    opened = shards(tmp_path, numbered([[40, 3, 0], [], [57]]))
    whole = np.concatenate([shard.tokens for shard in opened])
    for row_len in (1, 7, 103):
        packed = Packed(opened, row_len)
        assert packed.rows(range(len(packed)))[:, :-1].ravel().tolist() == whole[: row_len * len(packed)].tolist()
    assert len(Packed(opened, 103)) == 1  # 104 tokens: 103 inputs and the last target
    assert len(Packed(opened, 104)) == 0
    assert len(Packed(opened, 104, overlap=0)) == 1


def test_rows_of_every_usual_length_from_the_same_shards(tmp_path):
    opened = shards(tmp_path, numbered([[700, 1500], [2], [2900]]))
    whole = np.concatenate([shard.tokens for shard in opened])
    for row_len in (128, 256, 512, 1024, 2048):
        for overlap in (0, 1):
            packed = Packed(opened, row_len, overlap)
            rows = packed.rows(range(len(packed)))
            assert len(packed) == (len(whole) - overlap) // row_len
            assert rows[:, :row_len].ravel().tolist() == whole[: row_len * len(packed)].tolist()


@settings(deadline=None, max_examples=60)
@given(LENGTHS, st.integers(1, 9), st.integers(0, 1), st.data())
def test_marks_are_those_of_the_tokens_beside_them(tmp_path_factory, lengths, row_len, overlap, data):
    folder, parts = tmp_path_factory.mktemp("pack"), numbered(lengths)
    every = iter(data.draw(st.lists(st.integers(0, 3), min_size=300, max_size=300)))
    marks = [[[next(every) for _ in document] for document in part] for part in parts]
    packed = Packed(shards(folder, parts, marks=marks), row_len, overlap)
    whole = [mark for part in marks for document in part for mark in [*document, 0]]
    for i in range(len(packed)):
        expected = whole[i * row_len : (i + 1) * row_len + overlap]
        found = packed.marks(i)
        assert found.word_starts_S.dtype == found.sentence_ends_S.dtype == np.bool_
        assert found.word_starts_S.tolist() == [mark in (1, 3) for mark in expected]
        assert found.sentence_ends_S.tolist() == [mark in (2, 3) for mark in expected]


def test_marks_that_were_not_written_say_how_to_make_them(tmp_path):
    packed = Packed(shards(tmp_path, [[[5, 9, 7, 8]]]), row_len=2)
    with pytest.raises(DataError, match=r"part-00000\.marks is missing.*tokenizer\.marks: true.*make the tokens again"):
        packed.marks(0)


def test_what_is_not_there_is_not_read(tmp_path):
    packed = Packed(shards(tmp_path, [[[5, 9, 7, 8]]]), row_len=2)
    for i in (2, -1):
        with pytest.raises(IndexError, match=f"row {i} of 2"):
            packed.row(i)
    assert len(Packed([], row_len=4)) == 0


def test_wrong_settings_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="row_len 0"):
        Packed([], 0)
    with pytest.raises(ConfigError, match="overlap -1"):
        Packed([], 4, -1)
    several = [*shards(tmp_path / "a", [[[5]]], 100), *shards(tmp_path / "b", [[[5]]], 200)]
    with pytest.raises(ConfigError, match=r"several vocabularies: \[100, 200\]"):
        Packed(several, 4)
