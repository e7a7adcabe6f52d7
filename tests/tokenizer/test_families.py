"""Laws that every family of vocabularies keeps, and what Hugging Face's library makes of them."""

import pickle
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from corpus.errors import ConfigError
from corpus.storage import Folder
from tokenizer.families import FAMILIES
from tokenizer.measure import by_language, count
from tokenizer.special_tokens import with_specials
from tokenizer.specials import BERT, NATURAL, SPECIALS
from tokenizer.unigram import from_pieces
from tokenizer.vocab import Vocab, digest, load, save, train
from tokenizer.wordpiece import from_entries

TEXTS = [
    f"{word.capitalize()} {word}s and {word}ing, {i} times. Isn't it? \u201cNo\u201d!"
    for i in range(30)
    for word in ("pack", "merge", "Straße", "羊", "naïve", "любовь")
]
MADE = {
    (family, specials): Vocab.of(train(family, TEXTS, 500, specials))
    for family, specials in [*NATURAL.items(), ("bpe-bytes", "roberta"), ("bpe-bytes", "llama"), ("bpe-bytes", "t5")]
} | {("wordpiece", "cased"): Vocab.of(train("wordpiece", TEXTS, 500, lowercase=False))}
ALL = pytest.mark.parametrize("vocab", MADE.values(), ids=map("-".join, MADE))
NAMES = sorted({name for names in SPECIALS.values() for name in names.all[:7]})
SPELT = st.lists(st.sampled_from([*NAMES, " ", "x", "Pack", "\uff1c/s\uff1e", "##", "\u2581"])).map("".join)
TEXT = (
    st.text() | st.sampled_from(TEXTS) | SPELT | st.text("aZé羊 \n\t\u00a0\u3000\u200d\u0301\ufeff👩🏽\x00.,'#\u2581")
)


def known(vocab, ids):
    return vocab.specials.unknown not in ids


@ALL
@given(text=TEXT)
def test_what_comes_back_is_the_normalised_text(vocab, text):
    (ids,) = vocab.encode_batch([text])
    if known(vocab, ids):
        assert vocab.decode(ids) == vocab.normalized(text)
    if vocab.lossless:
        assert vocab.normalized(text) == text
        assert known(vocab, ids)
        assert vocab.byte_lengths[ids].sum() == len(text.encode())


@ALL
@given(text=TEXT)
def test_no_text_forges_a_special_token(vocab, text):
    (ids,) = vocab.encode_batch([text])
    assert not (vocab.specials.ids - {vocab.specials.unknown}) & set(ids.tolist())


@ALL
def test_texts_like_those_learnt_have_no_unknown_tokens(vocab):
    assert all(known(vocab, ids) for ids in vocab.encode_batch([*TEXTS, "packing 17 {times} [over] ~ again"]))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_order_of_texts_does_not_matter(family):
    trained = [train(family, random.Random(i).sample(TEXTS, len(TEXTS)), 300) for i in range(4)]
    assert len({tokenizer.to_str() for tokenizer in trained}) == 1
    assert digest(trained[0]) != digest(train(family, TEXTS[:20], 300))


def test_the_ids_of_special_tokens_are_the_families_own():
    bert, t5 = MADE["wordpiece", "bert"].specials, MADE["unigram", "t5"].specials
    assert (bert.pad, bert.unknown, bert.start, bert.separator, bert.mask, bert.eod) == (0, 1, 2, 3, 4, 3)
    assert (t5.pad, t5.eod, t5.unknown, t5.start, t5.mask) == (0, 1, 2, None, None)
    # T5's vocabulary counts its sentinels down: <extra_id_0> is the last entry
    assert t5.sentinels == tuple(range(t5.size - 1, t5.size - 101, -1))
    assert MADE["unigram", "t5"].tokenizer.id_to_token(t5.size - 1) == "<extra_id_0>"
    assert MADE["bpe-bytes", "t5"].specials.sentinels[99] == MADE["bpe-bytes", "t5"].size - 100
    roberta, llama = MADE["bpe-bytes", "roberta"].specials, MADE["bpe-bytes", "llama"].specials
    assert (roberta.start, roberta.pad, roberta.eod, roberta.unknown, roberta.mask) == (0, 1, 2, 3, 4)
    assert roberta.separator == roberta.eod
    assert (llama.unknown, llama.start, llama.eod, llama.separator) == (0, 1, 2, None)
    assert MADE["bpe-bytes", "gpt2"].specials.ids == {0}


def test_the_papers_example_of_wordpiece():
    # Devlin et al. and google-research/bert, tokenization.py: unaffable -> un ##aff ##able
    entries = {
        name: i for i, name in enumerate([*BERT.first, "un", "##aff", "##able", "able", "want", "##want", "##ed"])
    }
    vocab = Vocab.of(from_entries(entries))
    tokens = [vocab.tokenizer.id_to_token(i) for i in vocab.encode_batch(["unwanted UNaffable ünable running"])[0]]
    assert tokens == ["un", "##want", "##ed", "un", "##aff", "##able", "un", "##able", "[UNK]"]
    assert vocab.encode_batch(["x" * 300])[0].tolist() == [vocab.specials.unknown]


def test_the_likeliest_of_all_cuts_wins():
    # -1 - 5 for "ab" + "c" is less than -2 - 3 for "a" + "bc"
    pieces = [(name, 0.0) for name in ("<pad>", "</s>", "<unk>")]
    pieces += [("\u2581", -9.0), ("\u2581a", -2.0), ("\u2581ab", -1.0), ("bc", -3.0), ("c", -5.0), ("b", -9.0)]
    vocab = Vocab.of(from_pieces(pieces))
    assert vocab.decode(vocab.encode_batch([" abc  ab\u3000"])[0]) == "abc ab"
    assert vocab.encode_batch(["abc ab"])[0].tolist() == [4, 6, 5]
    assert vocab.encode_batch(["ab☃☃"])[0].tolist() == [5, 2]  # a run of the unknown is one


@ALL
def test_saved_loaded_and_pickled_it_is_the_same(vocab, tmp_path):
    save(vocab.tokenizer, Folder(str(tmp_path)))
    for other in (
        load(Folder(str(tmp_path))),
        load(Folder(str(tmp_path)), vocab.names),
        pickle.loads(pickle.dumps(vocab)),
    ):
        assert other == vocab
        for a, b in zip(other.encode_batch([*TEXTS, *NAMES]), vocab.encode_batch([*TEXTS, *NAMES]), strict=True):
            assert np.array_equal(a, b)


@ALL
def test_auto_tokenizer_gives_the_same_ids_and_the_usual_special_tokens(vocab, tmp_path):
    transformers = pytest.importorskip("transformers")
    save(vocab.tokenizer, Folder(str(tmp_path)))
    theirs, said = transformers.AutoTokenizer.from_pretrained(tmp_path), vocab.specials
    assert len(theirs) == vocab.size
    for text in [*TEXTS[:40], "  odd \n spaces\t", "Ünïcode ｆｕｌｌ", ""]:
        ids = vocab.encode_batch([text])[0].tolist()
        around = {
            "gpt2": ids,
            "llama": [said.start, *ids],
            "t5": [*ids, said.eod],
        }.get(vocab.names, [said.start, *ids, said.eod])
        assert theirs(text)["input_ids"] == around
    found = {
        role: getattr(theirs, f"{name}_token_id")
        for role, name in {"pad": "pad", "mask": "mask", "separator": "sep", "unknown": "unk"}.items()
    }
    assert found == {role: getattr(said, role) for role in found}
    if vocab.names != "bert":
        assert theirs.eos_token_id == said.eod
    if vocab.names == "t5":
        assert [theirs.convert_tokens_to_ids(f"<extra_id_{i}>") for i in range(100)] == list(said.sentinels)
        assert theirs("a <extra_id_0>")["input_ids"][-2] == said.sentinels[0]


def test_a_pair_of_texts_is_put_together_as_the_family_does(tmp_path):
    transformers = pytest.importorskip("transformers")
    for key, middle in {("wordpiece", "bert"): 1, ("bpe-bytes", "roberta"): 2}.items():
        vocab = MADE[key]
        save(vocab.tokenizer, Folder(f"{tmp_path}/{key[1]}"))
        theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / key[1])("pack", "merge")
        first, second = (ids.tolist() for ids in vocab.encode_batch(["pack", "merge"]))
        start, end = vocab.specials.start, vocab.specials.separator
        assert theirs["input_ids"] == [start, *first, *[end] * middle, *second, end]
        if key[1] == "bert":  # segment A with its separator is 0, B with its own is 1 (Devlin et al. 2018, figure 2)
            assert theirs["token_type_ids"] == [0] * (len(first) + 2) + [1] * (len(second) + 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_digest_is_over_everything_that_decides_ids(family):
    tokenizer = MADE[family, NATURAL[family]].tokenizer
    seen = {digest(tokenizer)}

    def changed(**parts):
        other = Tokenizer.from_str(tokenizer.to_str())
        for name, part in parts.items():
            setattr(other, name, part)
        return other

    variants = [changed(pre_tokenizer=pre_tokenizers.Sequence([tokenizer.pre_tokenizer, pre_tokenizers.Digits()]))]
    if family == "wordpiece":
        entries = tokenizer.get_vocab()
        variants += [
            changed(normalizer=normalizers.BertNormalizer(lowercase=False)),
            changed(model=models.WordPiece(entries, unk_token="[UNK]", max_input_chars_per_word=7)),
        ]
    if family == "unigram":
        entries = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])[:-100]
        pieces = [(name, float(-i)) for name, i in entries]
        variants += [changed(normalizer=normalizers.NFC()), changed(model=models.Unigram(pieces, unk_id=2))]
    for other in variants:
        other.add_special_tokens([AddedToken(n, special=True) for n in SPECIALS[NATURAL[family]].all])
        seen.add(digest(other))
    assert len(seen) == 1 + len(variants)
    tokenizer = Tokenizer.from_str(tokenizer.to_str())
    tokenizer.post_processor = None  # what others put around a text is none of our ids
    assert digest(tokenizer) in seen


def test_a_lacking_special_token_is_named_with_its_mending(tmp_path):
    bert = MADE["wordpiece", "bert"].tokenizer
    with pytest.raises(ConfigError, match=r"lacks the special tokens <s> <pad> </s> <unk> <mask> of .* declare them"):
        Vocab.of(bert, "roberta")
    entries = {name: i for i, name in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"])}
    with pytest.raises(ConfigError, match=r"lacks the special token \[MASK\] of .* add to its entries"):
        from_entries(entries)
    bare = Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    bare.decoder = decoders.WordPiece(cleanup=False)
    with pytest.raises(ConfigError, match=r"no family's special tokens.*bert: \[PAD\]"):
        Vocab.of(bare)
    save(bert, Folder(str(tmp_path)))
    with pytest.raises(ConfigError, match="lacks the special tokens <pad>"):
        load(Folder(str(tmp_path)), "t5")


def test_a_vocabulary_that_texts_could_forge_is_refused():
    pieces = [(name, 0.0) for name in ("<pad>", "</s>", "<unk>", "\u2581")]
    tokenizer = from_pieces(pieces)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    with pytest.raises(ConfigError, match='reads "<pad>" would become that special token'):
        Vocab.of(tokenizer)


@pytest.mark.parametrize(
    ("tokenizer", "words"),
    [
        (Tokenizer(models.WordLevel({"a": 0}, unk_token="a")), "none of bpe-bytes, wordpiece, unigram"),
        (Tokenizer(models.WordPiece({"a": 0}, unk_token="a")), "of wordpiece .* decoder is not WordPiece"),
        (Tokenizer(models.Unigram([("a", 0.0)], 0)), "of unigram .* decoder is not Metaspace"),
    ],
)
def test_what_is_of_no_family_is_refused(tokenizer, words):
    with pytest.raises(ConfigError, match=words):
        Vocab.of(tokenizer)


def test_the_unknown_are_counted_where_there_can_be_any():
    vocab = MADE["wordpiece", "bert"]
    found = by_language(vocab, {"en": count(vocab, ["pack ☃ packs ☃☃"])})["en"]
    assert found["unknown_share"] == 2 / found["n_tokens"] == 0.5
    assert "fragment_share" not in found
    assert found["bytes_per_token"] == len("pack ☃ packs ☃☃".encode()) / 4  # of the text as it was
    assert "unknown_share" not in by_language(MADE["bpe-bytes", "gpt2"], {})["all"]
    with pytest.raises(ConfigError, match="entries of wordpiece stand for no fixed number of bytes"):
        _ = vocab.byte_lengths


@pytest.mark.parametrize("family", FAMILIES)
def test_small_texts_give_fewer_entries_and_too_small_a_vocabulary_is_refused(family):
    assert Vocab.of(train(family, ["ab ab"], 1000)).size < 400
    vocab = Vocab.of(train(family, [], 1000))
    assert vocab.encode_batch([""])[0].tolist() == []
    with pytest.raises(ConfigError, match="vocab_size 90 is"):
        train(family, ["ab"], 90)


def test_rare_characters_yield_to_frequent_ones():
    many = "".join(chr(0x4E00 + i) for i in range(400)) + "丁" * 5
    for family in ("wordpiece", "unigram"):
        vocab = Vocab.of(train(family, [many], 420))
        assert vocab.size <= 420
        frequent, rare = vocab.encode_batch(["丁", chr(0x4E00 + 399)])
        assert known(vocab, frequent)
        assert not known(vocab, rare)


def test_declaring_special_tokens_again_changes_nothing():
    for vocab in MADE.values():
        again = Tokenizer.from_str(vocab.tokenizer.to_str())
        assert with_specials(again, SPECIALS[vocab.names]).to_str() == vocab.tokenizer.to_str()
