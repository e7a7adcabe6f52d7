"""What a word is, and the compiled hashes equal to the plain ones, within bounds on any bytes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.text.shingles import (
    ALONE,
    CLASSES,
    SEPARATOR,
    WORD,
    character_class,
    plain_shingles,
    shingles,
    word_hash,
    words,
)

SCRIPTS = st.text(
    st.one_of(st.sampled_from("aZ_9 .'-\n\té漢ไ😀𠀀\u200b\u200d\u00aaК"), st.characters(exclude_categories=["Cs"])),
    max_size=60,
)


def hashes_of(texts: list[bytes], ngram: int) -> list[list[int]]:
    places, hashes = shingles(np.cumsum([0, *map(len, texts)]), np.frombuffer(b"".join(texts), np.uint8), ngram)
    return [hashes[a:b].tolist() for a, b in pairwise(places)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Don't — 漢字 ÉTÉ_1", ["don", "t", "漢", "字", "ÉtÉ_1"]),
        ("“Smart” quotes… and\u00a0blanks", ["smart", "quotes", "and", "blanks"]),
        ("日本語、テスト。", [*"日本語テスト"]),
        ("สวัสดี", [*"สวัสดี"]),
        ("한국어 문장 입니다.", ["한국어", "문장", "입니다"]),
        ("می\u200cخواهم، نه؟", ["می\u200cخواهم", "نه"]),
        ("हिन्दी वाक्य।", ["हिन्दी", "वाक्य"]),
        ("a😀b", ["a", "b"]),
        ("ab漢cd", ["ab", "漢", "cd"]),
        ("", []),
        ("... — 。", []),
    ],
)
def test_words(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_classes_in_ascii_are_those_of_a_regular_expression() -> None:
    for code in range(0x80):
        is_word = chr(code).isalnum() or chr(code) == "_"
        assert CLASSES[code] == (WORD if is_word else SEPARATOR)


def test_unicode_agrees_about_nearly_every_character() -> None:
    """Letters and digits are no separators, blanks and punctuation are, in all scripts that the ranges name."""
    codes = [*range(0x250), *range(0x370, 0x530), *range(0x5D0, 0x660), *range(0x900, 0x970), *range(0x2000, 0x2070)]
    codes += [*range(0x3000, 0xD7A4), *range(0xFF00, 0xFFF0), *range(0x20000, 0x2A6E0)]
    odd = [c for c in codes if chr(c).isalnum() and character_class(c) == SEPARATOR]
    odd += [c for c in codes if chr(c).isspace() and character_class(c) != SEPARATOR]
    assert len(odd) < 0.01 * len(codes), [chr(c) for c in odd]
    assert character_class(ord("漢")) == character_class(0x20000) == ALONE


def test_word_hash_is_fnv_stirred() -> None:
    """FNV-1a 64 of "a" is af63dc4c8601ec8c (its authors' test vector)."""
    value = 0xAF63DC4C8601EC8C
    value = ((value ^ value >> 33) * 0xFF51AFD7ED558CCD) % 2**64
    value = ((value ^ value >> 33) * 0xC4CEB9FE1A85EC53) % 2**64
    assert word_hash("a") == value ^ value >> 33


@given(st.lists(SCRIPTS, max_size=5), st.integers(1, 6))
@settings(deadline=None)
def test_compiled_hashes_are_the_plain_ones(texts: list[str], ngram: int) -> None:
    assert hashes_of([text.encode() for text in texts], ngram) == [plain_shingles(text, ngram) for text in texts]


def test_every_character_is_hashed_alike() -> None:
    texts = [f"a{chr(code)}b " for code in (*range(0xD800), *range(0xE000, 0x30000, 7), 0x10FFFF)]
    assert hashes_of([text.encode() for text in texts], 1) == [plain_shingles(text, 1) for text in texts]


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4), st.binary(max_size=8), st.integers(1, 3))
@settings(deadline=None)
def test_bytes_that_are_no_text_stay_within_bounds(texts: list[bytes], beyond: bytes, ngram: int) -> None:
    """What stands behind a text does not matter to it, and no text has more words than were planned for."""
    alone = [hashes_of([text], ngram)[0] for text in texts]
    assert hashes_of([*texts, beyond], ngram)[:-1] == alone
    assert all(len(hashes) <= (len(text) + 1) // 2 for hashes, text in zip(alone, texts, strict=True))


def test_short_and_empty_texts() -> None:
    assert len(plain_shingles("one two", 5)) == 1
    assert len(plain_shingles("1 2 3 4 5", 5)) == 1
    assert len(plain_shingles("1 2 3 4 5 6", 5)) == 2
    assert hashes_of([b"", b"...", b"x"], 5) == [[], [], plain_shingles("x", 5)]
    assert hashes_of([], 5) == []


@pytest.mark.parametrize("offsets", [[], [0, 4], [-1, 2], [0, 2, 1]])
def test_offsets_outside_the_data_are_refused(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="offsets must"):
        shingles(offsets, np.zeros(3, np.uint8), 5)
