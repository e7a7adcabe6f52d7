import hashlib
import json
import os
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from corpus.errors import ConfigError, DataError
from corpus.storage import Folder
from tokenizer.bpe_bytes import train_bpe_bytes
from tokenizer.specials import GPT2, ROBERTA
from tokenizer.vocab import FILE, Vocab, digest, load, save

EOD = GPT2.eod

TEXTS = [f"{word} {word}s and {word}ing, {i} times" for i in range(40) for word in ("pack", "merge", "Straße", "羊")]
ODD = st.text() | st.text("a b\n\t\u00a0\u200d\u0301\ufeff\ufffd👩🏽\x00<|endoftext>") | st.just(f"a{EOD}{EOD} b")
VOCAB = Vocab.of(train_bpe_bytes(TEXTS, 320))


@given(st.lists(ODD, max_size=5))
def test_every_text_comes_back(texts):
    encoded = VOCAB.encode_batch(texts)
    assert [VOCAB.decode(ids) for ids in encoded] == texts
    assert all(ids.dtype == np.int32 and VOCAB.eod_id not in ids for ids in encoded)
    assert [int(VOCAB.byte_lengths[ids].sum()) for ids in encoded] == [len(text.encode()) for text in texts]


def test_specials_come_first_then_bytes_then_merges_in_order_of_count():
    # "aaabdaaabac", the example of the Wikipedia article on byte pair encoding: aa is the commonest pair, then
    # (aa, a) and (a, b) tie with 2 each in what is left, and the pair of smaller ids wins
    tokenizer = train_bpe_bytes(["aaabdaaabac"], 260)
    merges = [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
    assert tokenizer.token_to_id(EOD) == 0
    assert {tokenizer.id_to_token(i) for i in range(1, 257)} == set(pre_tokenizers.ByteLevel.alphabet())
    assert merges == [("a", "a"), ("a", "b"), ("aa", "ab")]


def test_the_order_of_texts_does_not_matter(tmp_path):
    shuffled = random.Random(1).sample(TEXTS, len(TEXTS))
    first, second = train_bpe_bytes(TEXTS, 400), train_bpe_bytes(iter(shuffled), 400)
    save(first, Folder(f"{tmp_path}/one"))
    save(second, Folder(f"{tmp_path}/two"))
    assert (tmp_path / "one" / FILE).read_bytes() == (tmp_path / "two" / FILE).read_bytes()
    assert digest(first) == digest(second) != digest(train_bpe_bytes(TEXTS, 299))


def test_a_small_text_gives_fewer_entries_than_asked():
    assert Vocab.of(train_bpe_bytes(["abab"], 1000, min_frequency=2)).size == 258  # only (a, b) comes twice
    assert Vocab.of(train_bpe_bytes([], 1000)).size == 257


@pytest.mark.parametrize(
    ("size", "special", "words"),
    [
        (256, GPT2, "vocab_size 256 is below 257"),
        (260, ROBERTA, "vocab_size 260 is below 261"),
    ],
)
def test_wrong_requests_are_refused_before_reading(size, special, words):
    def unread():
        pytest.fail("text was read")
        yield ""

    with pytest.raises(ConfigError, match=words):
        train_bpe_bytes(unread(), size, special)


def test_saved_and_loaded_it_is_the_same(tmp_path):
    tokenizer = train_bpe_bytes(TEXTS, 320)
    files = save(tokenizer, Folder(str(tmp_path)))
    loaded = load(Folder(str(tmp_path)))
    assert loaded == VOCAB
    assert loaded.encode_batch(TEXTS)[7].tolist() == VOCAB.encode_batch(TEXTS)[7].tolist()
    on_disk = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.iterdir()}
    assert on_disk == {file.file: file.sha256 for file in files}
    # a page that names the eod must not end a document, which the library's own pickle and file would allow
    assert Tokenizer.from_file(str(tmp_path / FILE)).encode(EOD).ids == [VOCAB.eod_id]
    assert VOCAB.eod_id not in loaded.encode_batch([EOD])[0]
    assert VOCAB.eod_id not in pickle.loads(pickle.dumps(loaded)).encode_batch([EOD])[0]


def test_a_missing_or_broken_file_is_a_data_error(tmp_path):
    folder = Folder(str(tmp_path))
    with pytest.raises(DataError, match=r"tokenizer\.json is missing"):
        load(folder)
    save(train_bpe_bytes(TEXTS, 320), folder)
    (tmp_path / FILE).write_text((tmp_path / FILE).read_text()[:-100])
    with pytest.raises(DataError, match="no vocabulary can be read"):
        load(folder)


def lossy(**changes):
    tokenizer = train_bpe_bytes(TEXTS, 300)
    for name, value in changes.items():
        setattr(tokenizer, name, value)
    return tokenizer


@pytest.mark.parametrize(
    ("tokenizer", "words"),
    [
        (lossy(normalizer=normalizers.Lowercase()), "normalizer"),
        (lossy(decoder=decoders.WordPiece()), "decoder"),
        (lossy(pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=True)), "space before"),
        (lossy(model=models.BPE({"a": 0}, [])), "lacks some of the 256"),
    ],
)
def test_a_tokenizer_that_loses_text_is_refused(tokenizer, words):
    with pytest.raises(ConfigError, match=words):
        Vocab.of(tokenizer)


def test_an_eod_that_is_no_entry_is_refused():
    with pytest.raises(ConfigError, match="lacks the special tokens <unk> <s> </s>"):
        Vocab.of(train_bpe_bytes(TEXTS, 300), "llama")


def test_what_is_not_text_or_not_a_token_is_a_data_error():
    with pytest.raises(DataError, match="surrogate"):
        VOCAB.encode_batch(["fine", "half \ud83d"])
    with pytest.raises(DataError, match=f"0 to {VOCAB.size - 1}"):
        VOCAB.decode([VOCAB.size])
    assert VOCAB.decode([]) == ""


def test_encoding_leaves_the_callers_tokenizer_alone():
    tokenizer = train_bpe_bytes(TEXTS, 300)
    Vocab.of(tokenizer)
    assert not tokenizer.encode_special_tokens


def test_training_and_encoding_start_no_threads():
    # rayon's threads would fight the engine's processes for cores, and a fork beside them can hang
    code = (
        "import os; from tokenizer.bpe_bytes import train_bpe_bytes; from tokenizer.vocab import Vocab\n"
        "before = len(os.listdir('/proc/self/task'))\n"  # pyarrow has one
        "vocab = Vocab.of(train_bpe_bytes(['ab ab'] * 100, 300)); vocab.encode_batch(['ab'] * 1000)\n"
        "print(len(os.listdir('/proc/self/task')) - before)"
    )
    env = {name: value for name, value in os.environ.items() if name != "TOKENIZERS_PARALLELISM"}
    env |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "3"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert (done.stdout.strip(), done.stderr) == ("0", "")
