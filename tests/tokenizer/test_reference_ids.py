"""Ids that others have published for their vocabularies, read as ours."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from tokenizer.special_tokens import with_specials
from tokenizer.specials import GPT2
from tokenizer.unigram import SPACE, from_pieces
from tokenizer.vocab import Vocab
from tokenizer.wordpiece import from_entries

SEPARATOR = "\n__ggml_vocab_test__\n"


@pytest.fixture(scope="module")
def reference(shared_data: Path) -> Path:
    return shared_data / "reference"


@pytest.fixture(scope="module")
def gpt2(reference: Path) -> Vocab:
    with gzip.open(reference / "gpt2-bpe" / "encoder.json.gz", "rt", encoding="utf-8") as file:
        entries = json.load(file)
    with gzip.open(reference / "gpt2-bpe" / "vocab.bpe.gz", "rt", encoding="utf-8") as file:
        merges = [tuple(line.split(" ")) for line in file.read().split("\n")[1:] if line]
    tokenizer = Tokenizer(models.BPE(entries, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return Vocab.of(with_specials(tokenizer, GPT2))


@pytest.fixture(scope="module")
def bert(reference: Path) -> Vocab:
    with gzip.open(reference / "bert-base-uncased" / "vocab.txt.gz", "rt", encoding="utf-8") as file:
        entries = {line.rstrip("\n"): i for i, line in enumerate(file)}
    return Vocab.of(from_entries(entries))


def published(folder: Path, name: str) -> list[tuple[str, list[int]]]:
    """Texts with the ids that the models' own tokenizers gave for them, special tokens left out."""
    texts = (folder / f"{name}.inp").read_text(encoding="utf-8").split(SEPARATOR)
    ids = (folder / f"{name}.out").read_text(encoding="utf-8").split("\n")
    cases = [(text, [int(i) for i in line.split()]) for text, line in zip(texts, ids, strict=False)]
    assert len(cases) > 40
    return cases


def test_gpt2(reference: Path, gpt2: Vocab) -> None:
    cases = published(reference / "llama-cpp-tokenizer-tests", "gpt-2")
    encoded = gpt2.encode_batch([text for text, _ in cases])
    assert [ids.tolist() for ids in encoded] == [ids for _, ids in cases]
    assert (gpt2.family, gpt2.names, gpt2.eod_id, gpt2.size) == ("bpe-bytes", "gpt2", 50256, 50257)


def test_bert(reference: Path, bert: Vocab) -> None:
    cases = published(reference / "llama-cpp-tokenizer-tests", "bert-bge")
    encoded = bert.encode_batch([text for text, _ in cases])
    assert [ids.tolist() for ids in encoded] == [ids for _, ids in cases]
    assert (bert.family, bert.names, bert.size) == ("wordpiece", "bert", 30522)
    said = bert.specials
    assert (said.pad, said.unknown, said.start, said.separator, said.mask) == (0, 100, 101, 102, 103)


def protobuf(content: bytes) -> list[tuple[int, Any]]:
    """The fields of a protocol buffers message: (number, value); nested messages are bytes."""
    at, fields = 0, []

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = content[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while at < len(content):
        number, wire = divmod(varint(), 8)
        if wire == 0:
            fields.append((number, varint()))
            continue
        size = varint() if wire == 2 else {1: 8, 5: 4}[wire]
        fields.append((number, content[at : at + size]))
        at += size
    return fields


def sentencepiece(path: Path) -> tuple[list[str], list[tuple[str, float]], bytes]:
    """Pieces of a model file with their scores as printed beside it, and its table of characters."""
    model = protobuf((path / "sentencepiece.model").read_bytes())
    (normalizer,) = (dict(protobuf(value)) for number, value in model if number == 3)
    names = [dict(protobuf(value))[1].decode() for number, value in model if number == 1]
    lines = (path / "sentencepiece.vocab").read_text(encoding="utf-8").rstrip("\n").split("\n")
    pieces = [(piece, float(score)) for piece, score in (line.split("\t") for line in lines)]
    return names, pieces, normalizer[2]


def best_by_hand(word: str, scores: dict[str, float]) -> float:
    """The score of the likeliest way to cut a word (Viterbi), all characters being pieces."""
    best = [0.0] + [float("-inf")] * len(word)
    for stop in range(1, len(word) + 1):
        cuts = (best[start] + scores[word[start:stop]] for start in range(stop) if word[start:stop] in scores)
        best[stop] = max(cuts, default=float("-inf"))
    return best[-1]


def test_seqios_t5_model(reference: Path) -> None:
    names, pieces, table = sentencepiece(reference / "seqio-sentencepiece")
    assert names == [piece for piece, _ in pieces]
    vocab = Vocab.of(from_pieces(pieces, normalizer=normalizers.Precompiled(table)))
    # the ids of "this is a test" in seqio's own tests of this model, seqio/vocabularies_test.py and the like
    assert vocab.encode_batch(["this is a test"])[0].tolist() == [11, 8, 6, 3, 8, 6, 3, 5, 10]
    assert (vocab.specials.pad, vocab.eod_id, vocab.specials.unknown) == (0, 1, 2)
    # 100 sentinels after the model's 26 entries, as seqio's extra_ids=100: the first one used is the last one
    assert vocab.specials.sentinels[:2] == (125, 124)
    assert vocab.decode([125, 26]) == "<extra_id_0><extra_id_99>"
    scores = dict(pieces)
    words = {w for w in (reference / "seqio-sentencepiece" / "tokens.tsv").read_text().split() if w.isalpha()}
    for word in sorted(words | {"that", "complete:", "wasp"}):
        ids = vocab.encode_batch([word])[0]
        if vocab.specials.unknown not in ids:
            assert sum(pieces[i][1] for i in ids) == pytest.approx(best_by_hand(SPACE + word, scores))


def test_nmt_nfkc_but_for_three_characters(reference: Path) -> None:
    _, pieces, table = sentencepiece(reference / "seqio-sentencepiece")
    theirs = normalizers.Precompiled(table)
    ours = from_pieces(pieces).normalizer
    characters = [chr(c) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000]
    # in lines of 1,000 first: single ones are looked at only where a line differs
    lines = [characters[i : i + 1000] for i in range(0, len(characters), 1000)]

    def normal(text: str, one: Any) -> list[str]:
        return str(one.normalize_str(text)).split()  # the words: white space at the ends is cut away later

    doubtful = [c for line in lines if normal("".join(f"x{c}" for c in line), ours) != normal(
        "".join(f"x{c}" for c in line), theirs) for c in line]  # fmt: skip
    differ = {c for c in doubtful if normal(f"a{c}b", ours) != normal(f"a{c}b", theirs)}
    assert differ == {"\uff5e", "\u0344", "\U0001f23b"}
    assert re.fullmatch("a~b", ours.normalize_str("a\uff5eb"))
