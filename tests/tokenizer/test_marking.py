import gzip
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.storage import Folder
from corpus.text.segment import n_sentences, sentence_ends, words
from tokenizer.marking import SENTENCE_END, WORD_START, WhiteSpace, word_starts
from tokenizer.shard import TokenShard, write_shard
from tokenizer.specials import NATURAL
from tokenizer.vocab import Vocab, train

TEXTS = [
    'Mr. Fox left at 5 p.m. He said: \u201cWhy not?\u201d "Nobody knows!" (Really.) Straße 羊, любовь? Yes... no.\n',
    "The 5. august was wet. Inc. However it rained... It's a plan B. End of it all! ünd 🦊🦊 fuchs.",
] * 8
VOCABS = {family: Vocab.of(train(family, TEXTS, 420)) for family in NATURAL}
ALL = pytest.mark.parametrize("family", VOCABS)
WORDS = st.sampled_from(
    ["Fox", "fox.", '"Why?"', "Mr.", "5.", "He", "羊羊", "🦊!", "é", "(So.)", "...", "x.y?z", "\u0301", "ﬁ."]
)
PLAIN = st.lists(st.tuples(WORDS, st.sampled_from([" ", "  ", "\n", "\t \n"]))).map(
    lambda p: "".join(a + b for a, b in p)
)
TEXT = st.text() | PLAIN | st.sampled_from(TEXTS)


def marked(vocab, text):
    batch = vocab.encoded(pa.RecordBatch.from_pydict({"id": ["a"]}), [text], marks=True)
    assert np.array_equal(batch.tokens[0], vocab.encode_batch([text])[0])
    assert batch.marks[0].dtype == np.uint8
    return batch.tokens[0], batch.marks[0] & WORD_START > 0, batch.marks[0] & SENTENCE_END > 0


def pieces(vocab, tokens, cuts):
    """The texts of the tokens between the marks."""
    edges = [0, *cuts, len(tokens)]
    return [vocab.decode(tokens[a:b]) for a, b in pairwise(edges)]


def test_the_worked_example():
    text = 'He left. "Why?" she said'
    assert sentence_ends(text) == [8, 15, 24]
    vocab = Vocab.of(train("bpe-bytes", [], 257))  # one byte, one token
    _, starts, ends = marked(vocab, text)
    assert np.flatnonzero(starts).tolist() == [0, 3, 9, 16, 20]
    assert np.flatnonzero(ends).tolist() == [7, 14, 23]


def test_an_entry_may_end_in_white_space():
    # as "!\n" does where another pattern than GPT-2's has cut words
    white_space = WhiteSpace.of(["a", " b", "! ", " ", "c"])
    assert word_starts(np.array([0, 1, 4, 2, 0, 3, 4, 3, 1]), white_space).tolist() == [
        True, True, False, False, True, False, True, False, True,
    ]  # fmt: skip


@given(text=TEXT)
def test_there_are_as_many_ends_as_sentences_and_they_rise(text):
    ends = sentence_ends(text)
    assert len(ends) == n_sentences(text)
    assert ends == sorted(set(ends))
    assert all(text[end - 1].strip() for end in ends)


@given(text=PLAIN)
def test_bytes_are_cut_into_the_very_words_and_sentences(text):
    vocab = VOCABS["bpe-bytes"]
    tokens, starts, ends = marked(vocab, text)
    assert starts.sum() == len(words(text))
    assert [piece.strip() for piece in pieces(vocab, tokens, np.flatnonzero(starts)) if piece.strip()] == words(text)
    assert ends.sum() == n_sentences(text)
    cut = [piece.strip() for piece in pieces(vocab, tokens, np.flatnonzero(ends) + 1)]
    edges = [0, *sentence_ends(text), len(text)]
    assert cut == [text[a:b].strip() for a, b in pairwise(edges)]


@given(text=PLAIN)
def test_pieces_of_unigram_make_the_words_of_the_normalised_text(text):
    vocab = VOCABS["unigram"]
    _, starts, ends = marked(vocab, text)
    assert starts.sum() == len(words(vocab.normalized(text)))
    assert ends.sum() == n_sentences(text)


@given(text=TEXT)
def test_pieces_of_wordpiece_go_with_their_word(text):
    vocab = VOCABS["wordpiece"]
    tokens, starts, _ = marked(vocab, text)
    names = [vocab.tokenizer.id_to_token(i) for i in tokens]
    assert starts.tolist() == [not name.startswith("##") for name in names]


@ALL
@given(text=TEXT)
def test_no_text_goes_without_its_first_word_and_its_last_end(family, text):
    tokens, starts, ends = marked(VOCABS[family], text)
    if len(tokens) and VOCABS[family].decode(tokens).strip():
        assert ends.any() or not text.strip()
        assert starts.any()
    assert ends.sum() <= n_sentences(text)


@ALL
def test_sentences_end_where_they_end_in_every_family(family):
    text = "Der Fuchs ﬁel um. \u201cNaïve Füchse?\u201d sagte die 羊! 🦊 lief (weg.) Und dann"
    tokens, _, ends = marked(VOCABS[family], text)
    found = [VOCABS[family].decode(tokens[: at + 1]) for at in np.flatnonzero(ends)]
    stops = [text[:end] for end in sentence_ends(text)]
    assert len(found) == len(stops) == 4
    for said, meant in zip(found, stops, strict=True):
        assert said == VOCABS[family].decode(VOCABS[family].encode_batch([meant])[0])


@ALL
def test_marks_come_back_from_the_shard(family, tmp_path):
    vocab = VOCABS[family]
    batch = vocab.encoded(pa.RecordBatch.from_pydict({"id": ["a", "b", "c"]}), [TEXTS[0], "", TEXTS[1]], marks=True)
    write_shard(Folder(str(tmp_path)), 0, [batch], vocab_size=vocab.size, eod_id=vocab.eod_id)
    shard = TokenShard.open(tmp_path, 0, vocab.size)
    expected = [mark for marks in batch.marks for mark in [*marks.tolist(), 0]]
    assert shard.marks.tolist() == expected
    assert not shard.marks[shard.tokens == vocab.eod_id].any()


def test_a_long_word_takes_no_long_time():
    # backtracking over a text without white space would take minutes
    assert len(sentence_ends("羊" * 200_000)) == 1
    assert len(sentence_ends("a." * 50_000)) == 1


def test_sentences_of_real_pages(shared_data: Path) -> None:
    with gzip.open(shared_data / "pages" / "wcxb-dev" / "gold.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line, _ in zip(file, range(150), strict=False)]
    for text in filter(None, texts):
        assert len(sentence_ends(text)) == n_sentences(text)
