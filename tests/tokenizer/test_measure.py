import numpy as np
import pytest

from corpus.errors import ConfigError
from tokenizer.bpe_bytes import train_bpe_bytes
from tokenizer.measure import TextCounts, by_language, count, fragments, measures
from tokenizer.vocab import Vocab


@pytest.fixture(scope="module")
def bytes_only() -> Vocab:
    return Vocab.of(train_bpe_bytes([], 257))


def test_a_vocabulary_of_bytes_by_hand(bytes_only):
    # "aß" is 3 bytes, of which two are pieces of ß; two words, four characters with the space and b
    counts = count(bytes_only, ["aß b"])
    assert (counts.n_texts, counts.n_bytes, counts.n_chars, counts.n_words) == (1, 5, 4, 2)
    found = measures(counts, bytes_only)
    assert found == {
        "n_tokens": 5,
        "bytes_per_token": 1.0,
        "tokens_per_word": 2.5,
        "tokens_per_char": 1.25,
        "single_byte_share": 1.0,
        "fragment_share": 0.4,
        "used_share": 5 / 257,
    }


def test_128_bytes_are_no_characters_and_no_merge_of_ascii_is_a_fragment(vocab, bytes_only):
    assert fragments(bytes_only).sum() == 128
    ascii_entries = [vocab.tokenizer.token_to_id(name) for name in ("Ġthe", "Ġdog", "a")]
    assert None not in ascii_entries
    assert not fragments(vocab)[ascii_entries].any()


def test_merges_make_fewer_tokens_of_the_text_they_were_learnt_on(vocab, bytes_only):
    texts = ["the quick brown fox jumps over the lazy dog"]
    whole = [measures(count(v, texts), v) for v in (vocab, bytes_only)]
    assert whole[0]["bytes_per_token"] > 1.5 * whole[1]["bytes_per_token"]
    assert whole[0]["tokens_per_word"] < whole[1]["tokens_per_word"]


def test_languages_add_up(vocab):
    texts = {"en": ["the dog", "a fox"], "de": ["der Hund"]}
    found = by_language(vocab, {language: count(vocab, some) for language, some in texts.items()})
    assert list(found) == ["de", "en", "all"]
    everything = count(vocab, ["the dog", "a fox", "der Hund"])
    assert found["all"] == measures(everything, vocab)
    assert found["all"]["n_tokens"] == found["de"]["n_tokens"] + found["en"]["n_tokens"]


def test_nothing_measures_zero(vocab):
    found = measures(TextCounts.none(vocab.size), vocab)
    assert set(found.values()) == {0}
    assert np.array_equal(count(vocab, []).by_token, TextCounts.none(vocab.size).by_token)


def test_a_language_called_all_is_refused(vocab):
    with pytest.raises(ConfigError, match='"all" is the name'):
        by_language(vocab, {"all": TextCounts.none(vocab.size)})
