"""BERT's pairs: against the reference's own loop over sentences, its rates, and where every token comes from."""

import math
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from objective_samples import SPECIALS

from corpus.errors import ConfigError
from corpus.storage import Folder
from tokenizer.marking import SENTENCE_END, WORD_START
from tokenizer.shard import Batch, TokenShard, write_shard
from training.objective import IGNORED, Row, noise
from training.objectives.next_sentence import NextSentence
from training.objectives.sentence_pairs import Pair, SentencePairs, document_pairs, truncated
from training.objectives.sentences import Sentences, sentences

EOD = SPECIALS.eod
Document = list[int]  # lengths of its sentences


def text_of(documents: list[Document]) -> Sentences:
    """Documents end to end with an eod after each."""
    starts, stops, first, at = [], [], [0], 0
    for lengths in documents:
        for length in lengths:
            starts.append(at)
            at += length
            stops.append(at)
        first.append(len(starts))
        at += 1
    return Sentences(np.array(starts), np.array(stops), np.array(first))


def reference(text: Sentences, d: int, max_len: int, u: Iterator[float]) -> list[Pair]:
    """create_pretraining_data.py, create_instances_from_document, told over sentence numbers, a step at a time."""

    def randint(low: int, high: int) -> int:
        return low + int(next(u) * (high - low + 1))

    first, last = text.first_D[d], text.first_D[d + 1]
    target = randint(2, max_len) if next(u) < 0.1 else max_len
    pairs, chunk, length, i = [], [], 0, first
    while i < last:
        chunk.append(i)
        length += text.stops_N[i] - text.starts_N[i]
        if i == last - 1 or length >= target:
            a_end = randint(1, len(chunk) - 1) if len(chunk) >= 2 else 1
            a = chunk[:a_end]
            a_len = text.stops_N[a[-1]] - text.starts_N[a[0]]
            if len(chunk) == 1 or next(u) < 0.5:
                for _ in range(10):
                    other = randint(0, text.n_documents - 1)
                    if other != d:
                        break
                begin, end = text.first_D[other], text.first_D[other + 1]
                b, b_len = [], 0
                for j in range(begin + randint(0, end - begin - 1), end):
                    b.append(j)
                    b_len += text.stops_N[j] - text.starts_N[j]
                    if b_len >= target - a_len:
                        break
                follows = False
                i -= len(chunk) - a_end
            else:
                b, follows = chunk[a_end:], True
            b_len = text.stops_N[b[-1]] - text.starts_N[b[0]]
            pairs.append(Pair(text.starts_N[a[0]], a_len, text.starts_N[b[0]], b_len, follows))
            chunk, length = [], 0
        i += 1
    return pairs


def uniforms(seed: int) -> Iterator[float]:
    rng = np.random.default_rng(seed)
    while True:
        yield float(rng.random())


documents_of_sentences = st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=30), min_size=2, max_size=5)


@given(documents_of_sentences, st.integers(2, 60), st.integers(0, 9999))
def test_pairs_are_the_references(documents: list[Document], max_len: int, seed: int) -> None:
    text = text_of(documents)
    for d in range(text.n_documents):
        ours = list(document_pairs(text, d, max_len, uniforms(seed)))
        assert ours == reference(text, d, max_len, uniforms(seed))


def popped(a_len: int, b_len: int, max_len: int) -> tuple[int, int]:
    """create_pretraining_data.py, truncate_seq_pair: a token at a time."""
    while a_len + b_len > max_len:
        a_len, b_len = (a_len - 1, b_len) if a_len > b_len else (a_len, b_len - 1)
    return a_len, b_len


@given(st.integers(1, 200), st.integers(1, 200), st.integers(2, 200), st.integers(0, 99))
def test_the_longer_text_is_truncated(a_len: int, b_len: int, max_len: int, seed: int) -> None:
    pairs = np.array([Pair(1000, a_len, 5000, b_len, True)])
    pair = Pair(*truncated(pairs, max_len, np.random.default_rng(seed))[0].tolist())
    assert (pair.a_len, pair.b_len) == popped(a_len, b_len, max_len)
    assert 1000 <= pair.a <= 1000 + a_len - pair.a_len
    assert 5000 <= pair.b <= 5000 + b_len - pair.b_len


def test_front_and_back_are_cut_alike() -> None:
    pairs = np.array([Pair(0, 50, 100, 20, True)] * 2000)
    cuts = truncated(pairs, 50, np.random.default_rng(0))[:, 0]  # of 20
    assert abs(np.mean(cuts) - 10) < 4 * math.sqrt(5 / 2000)
    assert abs(np.var(cuts) / 5 - 1) < 0.15


def shards_of(folder: Path, documents: list[Document], parts: int = 2) -> list[TokenShard]:
    """Token k of the documents is 6 + k; words have two tokens."""
    at, tokens, marks = 6, [], []
    for lengths in documents:
        n = sum(lengths)
        tokens.append(np.arange(at, at + n))
        marked = np.where(np.arange(n) % 2 == 0, WORD_START, 0)
        marked[np.cumsum(lengths, dtype=np.int64)[:-1] - 1] |= (
            SENTENCE_END  # the last sentence ends with the document, unmarked
        )
        marks.append(marked.astype(np.uint8))
        at += n
    per = -(-len(documents) // parts)
    for part in range(parts):
        these = slice(part * per, (part + 1) * per)
        origins = pa.RecordBatch.from_pydict({"id": [f"d{k}" for k in range(len(documents))[these]]})
        batch = Batch(origins, tokens[these], marks[these])
        write_shard(Folder(str(folder)), part, [batch], vocab_size=40_000, eod_id=EOD)
    return [TokenShard.open(folder, part, 40_000) for part in range(parts)]


def test_sentences_leave_out_eods_and_empty_documents(tmp_path: Path) -> None:
    text = sentences(shards_of(tmp_path, [[2, 1], [], [3], [1, 1]]))
    assert text.starts_N.tolist() == [0, 2, 5, 9, 10]
    assert text.stops_N.tolist() == [2, 3, 8, 10, 11]
    assert text.first_D.tolist() == [0, 2, 3, 5]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> SentencePairs:
    rng = np.random.default_rng(4)
    documents = [rng.integers(3, 25, rng.integers(1, 60)).tolist() for _ in range(80)]
    shards = shards_of(tmp_path_factory.mktemp("pairs"), documents)
    return SentencePairs(shards, 61, seed=5, copies=3, pad=SPECIALS.pad, words=True)


def test_rows_tell_where_they_come_from(pairs: SentencePairs) -> None:
    by_part = {shard.part: shard for shard in pairs.shards}
    for i in range(0, len(pairs), 7):
        row = pairs.row(i)
        assert row.pair is not None
        a_len, follows = row.pair
        spans = pairs.documents(i)
        n = spans[1].row_stop
        assert (spans[0].row_start, spans[0].row_stop, spans[1].row_start) == (0, a_len, a_len)
        assert row.segments_S.tolist() == [1] * a_len + [2] * (n - a_len) + [0] * (61 - n)
        assert (row.tokens_S[n:] == SPECIALS.pad).all()
        for span in spans:
            document = by_part[span.part].document(span.document)
            length = span.row_stop - span.row_start
            assert np.array_equal(
                document[span.first_token : span.first_token + length], row.tokens_S[span.row_start : span.row_stop]
            )
            words = (np.arange(length) + span.first_token) % 2 == 0
            assert np.array_equal(row.word_starts_S[span.row_start : span.row_stop], words)
            assert span.id == f"d{span.document + 40 * span.part}"
        assert EOD not in row.tokens_S
        assert not follows or spans[0].id == spans[1].id
        if follows:
            assert spans[1].first_token >= spans[0].first_token + a_len


def test_half_of_the_pairs_follow_and_a_tenth_of_the_documents_is_short(pairs: SentencePairs) -> None:
    rows = [pairs.pair(i) for i in range(len(pairs))]
    follows = np.mean([pair.follows for pair in rows])
    assert 0.4 < follows <= 0.5  # always random where a chunk has one sentence
    lengths = np.array([pair.a_len + pair.b_len for pair in rows])
    assert lengths.max() == 61
    assert 0.6 < (lengths == 61).mean() < 0.95


def test_copies_differ_and_seeds_decide(pairs: SentencePairs) -> None:
    again = SentencePairs(pairs.shards, 61, seed=5, copies=3, pad=0)
    other = SentencePairs(pairs.shards, 61, seed=6, copies=3, pad=0)
    assert np.array_equal(again.pairs, pairs.pairs)
    assert not np.array_equal(other.pairs[:50], pairs.pairs[:50])
    assert (np.diff(pairs.pairs[:, 0]) < -1000).sum() == 2  # each copy begins with the first documents again


def test_pairs_stay_the_same_from_change_to_change(pairs: SentencePairs) -> None:
    digest = sha256(pairs.pairs.astype("<i8").tobytes()).hexdigest()[:16]
    assert (NextSentence.version, digest) == (1, "c445ac515baaa02f")


def test_an_example_frames_the_pair() -> None:
    row = Row(np.array([10, 11, 12, 13, 0, 0]), np.array([1, 1, 2, 2, 0, 0]), pair=(2, True))
    objective = NextSentence(specials=SPECIALS, density=0.3)
    example = objective.draw(row, noise(0, 0, 0))
    chosen = example["targets_T"] != IGNORED
    assert chosen.sum() == 2  # round(0.3 * 7)
    plain = np.where(chosen, example["targets_T"], example["tokens_T"])
    assert plain.tolist() == [2, 10, 11, 3, 12, 13, 3, 0, 0]
    assert example["types_T"].tolist() == [0, 0, 0, 0, 1, 1, 1, 0, 0]
    assert example["segments_T"].tolist() == [1] * 7 + [0, 0]
    assert example["is_next_1"].tolist() == [1]
    assert {name: ("int64", len(v)) for name, v in example.items()} == {
        name: tuple(feature) for name, feature in objective.features(9).items()
    }


def test_examples_of_shards(pairs: SentencePairs) -> None:
    objective = NextSentence(specials=SPECIALS, whole_words=True, copies=3)
    rows = objective.rows(pairs.shards, 64, seed=5)
    assert len(rows) == len(pairs)
    for i in range(0, len(rows), 11):
        row = rows.row(i)
        # tokens of these shards are beyond the small vocabulary of the specials: bring them back into it
        row = row._replace(tokens_S=np.where(row.tokens_S > 5, 6 + row.tokens_S % 1000, row.tokens_S))
        example = objective.draw(row, noise(5, 0, i))
        chosen = np.flatnonzero(example["targets_T"] != IGNORED)
        n = int(example["segments_T"].sum())
        assert len(chosen) <= max(1, round(0.15 * n))
        a_len = row.pair[0]
        assert not {0, a_len + 1, *range(n - 1, 64)} & set(chosen.tolist())


def test_one_document_is_not_enough(tmp_path: Path) -> None:
    objective = NextSentence(specials=SPECIALS)
    assert len(objective.rows(shards_of(tmp_path, [[3, 4]], parts=1), 32, seed=0)) == 0
    with pytest.raises(ConfigError, match="document_mask"):
        NextSentence(specials=SPECIALS, document_mask=True)
