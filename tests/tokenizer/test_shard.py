import hashlib
import pickle
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import ConfigError, DataError
from corpus.storage import Folder
from tokenizer.shard import DOCUMENTS, TokenShard, file_names, marks_name, token_dtype, write_shard

BIN, PARQUET, IDX = file_names(12)
MARKS = marks_name(12)
EOD = 0
SMALL, LARGE = 1000, 65_500


def rows(count, first=0):
    numbers = range(first, first + count)
    return pa.RecordBatch.from_pydict(
        {
            "id": [f"{n:032x}" for n in numbers],
            "url": [f"http://example.org/{n}" for n in numbers],
            "text": ["x"] * count,
        }
    )


def write(folder, documents, *, vocab_size=SMALL, cut=3, part=12):
    """The documents written in batches of `cut`."""
    batches = (
        (rows(len(documents[i : i + cut]), i), [np.array(d, np.int32) for d in documents[i : i + cut]])
        for i in range(0, len(documents), cut)
    )
    return write_shard(Folder(str(folder)), part, batches, vocab_size=vocab_size, eod_id=EOD)


def megatron(documents, code, letter, size):
    """The two files as megatron/core/datasets/indexed_dataset.py describes them, one value after another."""
    closed = [[*d, EOD] for d in documents]
    tokens = [token for d in closed for token in d]
    index = b"MMIDIDX\x00\x00" + struct.pack("<Q", 1) + struct.pack("<B", code)
    index += struct.pack("<Q", len(closed)) + struct.pack("<Q", len(closed) + 1)
    index += b"".join(struct.pack("<i", len(d)) for d in closed)
    index += b"".join(struct.pack("<q", size * sum(len(d) for d in closed[:i])) for i in range(len(closed)))
    index += b"".join(struct.pack("<q", i) for i in range(len(closed) + 1))
    return struct.pack(f"<{len(tokens)}{letter}", *tokens), index


DOCUMENT_LISTS = st.lists(st.lists(st.integers(1, SMALL - 1), max_size=6), max_size=8)


@settings(deadline=None, max_examples=60)
@given(DOCUMENT_LISTS, st.integers(1, 9), st.sampled_from([(SMALL, 8, "H", 2), (LARGE, 4, "i", 4)]))
def test_files_are_megatrons_and_read_back(tmp_path_factory, documents, cut, kind):
    vocab_size, code, letter, size = kind
    folder = tmp_path_factory.mktemp("shard")
    written = write(folder, documents, vocab_size=vocab_size, cut=cut)
    expected_bin, expected_idx = megatron(documents, code, letter, size)
    assert (folder / BIN).read_bytes() == expected_bin
    assert (folder / IDX).read_bytes() == expected_idx
    assert (written.n_documents, written.n_tokens) == (len(documents), sum(len(d) + 1 for d in documents))

    shard = TokenShard.open(folder, 12, vocab_size)
    shard.check_tokens(chunk_tokens=5)
    assert shard.n_documents == len(documents)
    assert [shard.document(i).tolist() for i in range(len(documents))] == [[*d, EOD] for d in documents]
    assert shard.origins["n_tokens"].to_pylist() == [len(d) + 1 for d in documents]


def test_the_dtype_is_megatrons():
    assert [token_dtype(n).str for n in (1, 65_499, 65_500, 2**31 - 1)] == ["<u2", "<u2", "<i4", "<i4"]
    with pytest.raises(ConfigError, match="does not fit"):
        token_dtype(2**31)


def test_tokens_lead_back_to_pages_and_the_record_is_true(tmp_path):
    written = write(tmp_path, [[1, 2], [], [3]])
    table = pq.read_table(tmp_path / PARQUET)
    assert table.schema.equals(DOCUMENTS)
    assert table.slice(1, 1).to_pylist() == [
        {"id": f"{1:032x}", "source": None, "url": "http://example.org/1", "copy": None, "n_tokens": 1}
    ]
    assert {path.name for path in tmp_path.iterdir()} == {BIN, PARQUET, IDX}
    for file in written.files:
        content = (tmp_path / file.file).read_bytes()
        assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_cut_of_batches_does_not_show(tmp_path):
    documents = [[n % 900 + 1] * (n % 5) for n in range(50)]
    assert write(tmp_path / "a", documents, cut=1) == write(tmp_path / "b", documents, cut=50)


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (np.array([SMALL]), "reach from 0 to 1000; the vocabulary has 0 to 999"),
        (np.array([-1]), "reach from -1"),
        (np.array([65_537]), "65537"),  # would wrap to 1 in uint16
        (np.array([5, EOD, 5]), "eod id 0 inside"),
        (np.array([1.5]), "float64"),
        (np.broadcast_to(np.int32(1), 2**31 - 1), "2147483647 tokens"),
    ],
)
def test_a_bad_document_leaves_nothing_behind(tmp_path, tokens, words):
    batches = [(rows(1), [np.array([1, 2])]), (rows(1), [tokens])]
    with pytest.raises(DataError, match=words):
        write_shard(Folder(str(tmp_path)), 12, batches, vocab_size=SMALL, eod_id=EOD)
    assert list(tmp_path.iterdir()) == []


def test_a_crash_between_renames_hides_the_part(tmp_path, monkeypatch):
    write(tmp_path, [[1, 2, 3]])
    path_type = type(tmp_path)
    replace = path_type.replace

    def dies(self, target):
        if target.name == PARQUET:
            raise OSError("power cut")
        return replace(self, target)

    monkeypatch.setattr(path_type, "replace", dies)
    with pytest.raises(OSError, match="power cut"):
        write(tmp_path, [[4, 5, 6]])
    with pytest.raises(DataError, match="never finished"):
        TokenShard.open(tmp_path, 12, SMALL)
    monkeypatch.undo()
    write(tmp_path, [[4, 5, 6]])
    assert TokenShard.open(tmp_path, 12, SMALL).tokens.tolist() == [4, 5, 6, EOD]


def flip(path, at, value):
    content = bytearray(path.read_bytes())
    content[at : at + len(value)] = value
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: (f / BIN).write_bytes((f / BIN).read_bytes()[:-2]), "its index tells of 7 tokens, 14 bytes"),
        (lambda f: (f / BIN).unlink(), "is missing, though its index is there"),
        (lambda f: (f / IDX).unlink(), "never finished"),
        (lambda f: (f / IDX).write_bytes((f / IDX).read_bytes()[:-1]), "an index of 2 documents has"),
        (lambda f: (f / IDX).write_bytes(b""), "not an index of tokens"),
        (lambda f: flip(f / IDX, 0, b"P"), "not an index of tokens"),
        (lambda f: flip(f / IDX, 17, b"\x05"), r"dtype code 5; this vocabulary needs .* code 8 \(uint16\)"),
        (lambda f: flip(f / IDX, 9, b"\x02"), "version 2"),
        (lambda f: flip(f / IDX, 34, struct.pack("<ii", 3, 4)), "not the sums of its lengths"),
        (lambda f: flip(f / IDX, 34, struct.pack("<ii", -1, 8)), "not the sums of its lengths"),
    ],
)
def test_damage_is_named(tmp_path, damage, words):
    write(tmp_path, [[1, 2, 3], [4, 5]])
    damage(tmp_path)
    with pytest.raises(DataError, match=words):
        TokenShard.open(tmp_path, 12, SMALL)


def test_a_shard_of_another_vocabulary_is_refused(tmp_path):
    write(tmp_path, [[1, 2, 3], [4, 999]])
    with pytest.raises(DataError, match=r"needs version 1 and code 4 \(int32\)"):
        TokenShard.open(tmp_path, 12, LARGE)
    with pytest.raises(DataError, match="token 5 is 999, but the vocabulary has 999 entries"):
        TokenShard.open(tmp_path, 12, 999).check_tokens(chunk_tokens=4)


def test_documents_of_another_part_are_noticed(tmp_path):
    write(tmp_path, [[1, 2, 3]])
    write(tmp_path, [[1], [2]], part=13)
    (tmp_path / file_names(13)[1]).replace(tmp_path / PARQUET)
    with pytest.raises(DataError, match="different documents"):
        _ = TokenShard.open(tmp_path, 12, SMALL).origins
    (tmp_path / PARQUET).write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot be read"):
        _ = TokenShard.open(tmp_path, 12, SMALL).origins


def test_a_pickled_shard_opens_the_files_again(tmp_path):
    write(tmp_path, [list(range(1, 900))] * 20)
    shard = TokenShard.open(tmp_path, 12, SMALL)
    pickled = pickle.dumps(shard)
    assert len(pickled) < 1000 < shard.tokens.nbytes
    assert np.array_equal(pickle.loads(pickled).tokens, shard.tokens)


def test_a_store_without_rename_gets_the_same_files(tmp_path):
    store = Folder("memory://shards/one")
    batch = (rows(2), [np.array([1, 2]), np.array([3])])
    assert write_shard(store, 12, [batch], vocab_size=SMALL, eod_id=EOD) == write(tmp_path, [[1, 2], [3]])
    assert all(store.read(name) == (tmp_path / name).read_bytes() for name in (BIN, PARQUET, IDX))


@pytest.mark.parametrize("eod_id", [-1, SMALL])
def test_an_eod_outside_the_vocabulary_is_refused(tmp_path, eod_id):
    with pytest.raises(ConfigError, match="eod id"):
        write_shard(Folder(str(tmp_path)), 0, [], vocab_size=SMALL, eod_id=eod_id)


def marked(folder, documents, marks):
    batch = (rows(len(documents)), [np.array(d, np.int32) for d in documents], [np.array(m, np.uint8) for m in marks])
    return write_shard(Folder(str(folder)), 12, [batch], vocab_size=SMALL, eod_id=EOD)


def test_marks_stand_beside_the_tokens_and_in_the_record(tmp_path):
    plain = write(tmp_path, [[1, 2, 3], [], [4]])
    assert not (tmp_path / MARKS).exists()
    written = marked(tmp_path, [[1, 2, 3], [], [4]], [[1, 0, 2], [], [3]])
    assert (tmp_path / MARKS).read_bytes() == bytes([1, 0, 2, 0, 0, 3, 0])  # 0 for each eod
    assert {file.file for file in written.files} - {file.file for file in plain.files} == {MARKS}
    (record,) = (file for file in written.files if file.file == MARKS)
    content = (tmp_path / MARKS).read_bytes()
    assert (record.size, record.sha256) == (7, hashlib.sha256(content).hexdigest())
    shard = TokenShard.open(tmp_path, 12, SMALL)
    assert shard.marks.tolist() == [1, 0, 2, 0, 0, 3, 0]
    assert pickle.loads(pickle.dumps(shard)).marks.tolist() == shard.marks.tolist()
    # written again without, marks of other tokens must not stay
    assert write(tmp_path, [[1, 2, 3], [], [4]]) == plain
    assert not (tmp_path / MARKS).exists()


def test_a_part_without_tokens_needs_no_marks(tmp_path):
    write_shard(Folder(str(tmp_path)), 12, [], vocab_size=SMALL, eod_id=EOD)
    assert TokenShard.open(tmp_path, 12, SMALL).marks.tolist() == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: (f / MARKS).write_bytes((f / MARKS).read_bytes()[:-1]), r"marks has 4 bytes; its index tells of 5"),
        (lambda f: (f / MARKS).write_bytes(b""), "marks has 0 bytes"),
        (lambda f: (f / MARKS).unlink(), r"marks is missing: .* set tokenizer\.marks: true"),
    ],
)
def test_damaged_marks_are_named(tmp_path, damage, words):
    marked(tmp_path, [[1, 2], [3]], [[1, 2], [3]])
    damage(tmp_path)
    with pytest.raises(DataError, match=words):
        _ = TokenShard.open(tmp_path, 12, SMALL).marks


def test_marks_must_be_those_of_the_tokens(tmp_path):
    with pytest.raises(DataError, match="1 marks for a document of 2 tokens"):
        marked(tmp_path, [[1, 2]], [[1]])
    batches = [(rows(1), [np.array([1])], [np.array([1])]), (rows(1), [np.array([2])])]
    with pytest.raises(DataError, match="2 marks for 4 tokens: give marks with every batch"):
        write_shard(Folder(str(tmp_path)), 12, batches, vocab_size=SMALL, eod_id=EOD)
    assert list(tmp_path.iterdir()) == []
