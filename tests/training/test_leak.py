"""Held-out documents among the training documents are found, each once, without reading what cannot be one."""

import os

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import ConfigError
from corpus.storage import Folder
from tokenizer.shard import TokenShard, write_shard
from training.evaluation.leak import SHORTEST, check_apart, leaked


def written(folder, parts, vocab_size=300):
    for part, documents in enumerate(parts):
        names = [f"{part}-{d}" for d in range(len(documents))]
        origins = pa.RecordBatch.from_pydict({"id": names, "url": [f"http://{name}" for name in names]})
        tokens = [np.array(document, np.int32) for document in documents]
        write_shard(Folder(str(folder)), part, [(origins, tokens)], vocab_size=vocab_size, eod_id=2)
    return [TokenShard.open(folder, part, vocab_size) for part in range(len(parts))]


def text(rng, n, vocab_size=300):
    return rng.integers(3, vocab_size, n)


# two tokens and few lengths, so that documents are often the same
DOCUMENTS = st.lists(st.lists(st.sampled_from([3, 4]), min_size=14, max_size=18), max_size=8)


@settings(max_examples=80)
@given(st.lists(DOCUMENTS, max_size=3), DOCUMENTS, st.sampled_from([300, 70_000]))
def test_what_is_found_is_what_is_the_same(tmp_path_factory, parts, held_out, vocab_size):
    shards = written(tmp_path_factory.mktemp("leak"), parts, vocab_size)
    whole = [document for part in parts for document in part]
    leaks = leaked(shards, [np.array(document) for document in held_out])
    long = [number for number, document in enumerate(held_out) if len(document) >= SHORTEST]
    assert leaks.compared == len(long)
    assert [leak.number for leak in leaks.found] == [n for n in long if held_out[n] in whole]
    for leak in leaks.found:
        assert parts[leak.shard.part][leak.document] == held_out[leak.number]


def test_the_error_names_them(tmp_path):
    rng = np.random.default_rng(1)
    parts = [[text(rng, n) for n in (20, 40, 60)], [text(rng, n) for n in (40, 25, 33, 90)]]
    shards = written(tmp_path, parts)
    apart = [text(rng, n) for n in (20, 40, 33, 1000)]
    check_apart(shards, apart)
    check_apart(shards, [])
    check_apart([], apart)
    leaks = [parts[1][2], *apart, parts[0][1], parts[1][0], parts[0][0], parts[1][3]]
    with pytest.raises(ConfigError) as error:
        check_apart(shards, leaks)
    assert str(error.value).startswith(
        "5 of 9 held-out documents that were compared are among the training tokens: "
        "held-out document 0 is document 2 of part 1 (1-2, http://1-2); "
        "held-out document 5 is document 1 of part 0 (0-1, http://0-1); "
        "held-out document 6 is document 0 of part 1 (1-0, http://1-0) and 2 more; hold documents out by hash"
    )


def test_short_texts_may_come_twice(tmp_path):
    shards = written(tmp_path, [[[3] * (SHORTEST - 1), [3] * SHORTEST]])
    check_apart(shards, [np.full(SHORTEST - 1, 3)])
    with pytest.raises(ConfigError, match="1 of 1 held-out documents"):
        check_apart(shards, [np.full(SHORTEST, 3)])


def test_the_rarest_lengths_are_compared_where_not_all_can_be(tmp_path):
    rng = np.random.default_rng(1)
    documents = [text(rng, n) for n in [50] * 30 + [60] * 5 + [70] * 2]
    shards = written(tmp_path, [documents])
    held_out = [documents[0], documents[31], documents[36], text(rng, 80)]
    numbers = lambda most: [leak.number for leak in leaked(shards, held_out, most).found]  # noqa: E731
    assert numbers(37) == [0, 1, 2]
    assert numbers(36) == [1, 2]
    assert numbers(6) == [2]
    assert [leaked(shards, held_out, most).compared for most in (37, 7, 6, 1)] == [4, 3, 2, 1]


def test_only_documents_of_these_lengths_are_read(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    shards = written(tmp_path, [[text(rng, n) for n in (20, 30, 40, 30)], [text(rng, 50)]])
    read, whole = [], os.pread
    monkeypatch.setattr(os, "pread", lambda file, n, at: read.append((n // 2, at // 2)) or whole(file, n, at))
    assert not leaked(shards, [text(rng, 30), text(rng, 35)]).found
    assert read == [(30, 21), (30, 93)]
