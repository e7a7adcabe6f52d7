"""Word n-grams of a text as 64-bit hashes: the sets whose overlap says how alike two texts are.

A word is a run of ASCII letters (lower-cased), digits, "_" and of other scripts' characters. Two kinds of characters
are not such: separators (blanks, punctuation, symbols, emoji), and the characters of scripts that write no blanks
(Han, kana, Thai, Lao, Tibetan, Burmese, Khmer), each of which is a word of its own; else a Chinese sentence would be
one word and a page a handful. The ranges below are written out rather than asked of the Unicode tables, so that a
hash does not change with the Python that makes it.

`words` and `plain_shingles` are the definition; `shingles` is the same over the bytes of many texts, compiled, and
tested equal. Compiled functions stay in one file: their cache on disk notices no change in another.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

Bytes = NDArray[np.uint8]
Hashes = NDArray[np.uint64]

SEPARATOR, WORD, ALONE = 0, 1, 2

_ALONE = (
    (0x0E00, 0x109F),  # Thai, Lao, Tibetan, Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # the ideographic repeat mark, closing mark and zero
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # Katakana extensions
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0xF900, 0xFAFF),  # Han, compatibility
    (0xFF66, 0xFF9F),  # halfwidth Katakana
)
_SEPARATORS = (
    (0x00, 0x2F), (0x3A, 0x40), (0x5B, 0x5E), (0x60, 0x60), (0x7B, 0x7F),  # ASCII but letters, digits and "_"
    (0x80, 0xA9), (0xAB, 0xB4), (0xB6, 0xB9), (0xBB, 0xBF), (0xD7, 0xD7), (0xF7, 0xF7),  # Latin-1 but its letters
    (0x060C, 0x060C), (0x061B, 0x061B), (0x061F, 0x061F), (0x06D4, 0x06D4),  # Arabic comma, semicolon, ?, full stop
    (0x0964, 0x0965),  # danda
    (0x2000, 0x200B), (0x200E, 0x206F),  # general punctuation but the joiners, which stand inside words
    (0x20A0, 0x20CF), (0x2190, 0x2BFF), (0x2E00, 0x2E7F),  # currency; arrows to dingbats; more punctuation
    (0x3000, 0x3004), (0x3008, 0x303F), (0x30FB, 0x30FB),  # CJK punctuation, Katakana's middle dot
    (0xFE00, 0xFE1F), (0xFE30, 0xFE6F), (0xFEFF, 0xFF0F),  # variation selectors, vertical and small forms
    (0xFF1A, 0xFF20), (0xFF3B, 0xFF40), (0xFF5B, 0xFF65), (0xFFE0, 0xFFFF),  # fullwidth punctuation and symbols
)  # fmt: skip

_FNV_BASIS, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)  # FNV-1a, 64 bits
_MIX_1, _MIX_2, _33 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53), np.uint64(33)  # MurmurHash3
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd: Knuth's multiplier
_64 = (1 << 64) - 1


def _classes() -> Bytes:
    table = np.full(0x10000, WORD, np.uint8)
    for value, ranges in ((ALONE, _ALONE), (SEPARATOR, _SEPARATORS)):
        for first, last in ranges:
            table[first : last + 1] = value
    return table


CLASSES = _classes()
"""The class of each character below 0x10000."""

_FOLDED = np.array([ord(chr(i).lower()) if i < 0x80 and CLASSES[i] == WORD else 0 for i in range(0x100)], np.uint8)
"""ASCII's word characters, lower-cased; 0 for every other byte."""


def character_class(code: int) -> int:
    """SEPARATOR, WORD or ALONE. Above 0x10000: pictographs separate, the Han extensions stand alone."""
    if code < 0x10000:
        return int(CLASSES[code])
    return WORD if code < 0x1F000 else SEPARATOR if code < 0x20000 else ALONE


def words(text: str) -> list[str]:
    """The words in order, ASCII lower-cased. # "Don't — 漢字 ÉTÉ_1" -> don, t, 漢, 字, ÉtÉ_1"""
    kinds = [character_class(ord(character)) for character in text]
    cuts = [0, *(i for i in range(1, len(text)) if kinds[i] != WORD or kinds[i - 1] != WORD), len(text)]
    runs = [text[start:end] for start, end in pairwise(cuts) if end > start and kinds[start] != SEPARATOR]
    return ["".join(c.lower() if c.isascii() else c for c in run) for run in runs]


def mix(value: int) -> int:
    """The value with its 64 bits stirred: MurmurHash3's finaliser."""
    value = ((value ^ value >> 33) * int(_MIX_1)) & _64
    value = ((value ^ value >> 33) * int(_MIX_2)) & _64
    return value ^ value >> 33


def word_hash(word: str) -> int:
    """FNV-1a over the UTF-8 bytes, stirred."""
    value = int(_FNV_BASIS)
    for byte in word.encode():
        value = ((value ^ byte) * int(_FNV_PRIME)) & _64
    return mix(value)


def plain_shingles(text: str, ngram: int) -> list[int]:
    """One hash for each run of `ngram` words; a text of fewer words is one shingle, one without words has none."""
    hashes = [word_hash(word) for word in words(text)]
    if not hashes:
        return []
    mixed = []
    for start in range(max(1, len(hashes) - ngram + 1)):
        value = 0
        for one in hashes[start : start + ngram]:
            value = (value * int(_GOLDEN) + one) & _64
        mixed.append(mix(value))
    return mixed


def shingles(offsets: ArrayLike, data: ArrayLike, ngram: int) -> tuple[NDArray[np.int64], Hashes]:
    """Where each text's hashes lie (one place more than texts), and the hashes.

    Text i is the UTF-8 data[offsets[i]:offsets[i + 1]], as Arrow stores strings; its hashes are
    hashes[places[i]:places[i + 1]], in the order of the words and with repeats. Memory: 4 bytes a byte of text at
    most. ValueError when the offsets do not ascend or point outside the data.
    """
    cuts = np.ascontiguousarray(offsets, dtype=np.int64)
    texts = np.ascontiguousarray(data, dtype=np.uint8).view()
    texts.flags.writeable = False  # as Arrow's buffers are: one compiled version serves all
    if cuts.size == 0 or cuts[0] < 0 or cuts[-1] > texts.size or np.diff(cuts).min(initial=0) < 0:
        raise ValueError(f"offsets must be one or more, ascend from 0 and end by {texts.size}, the bytes there are")
    return _shingles(cuts, texts, CLASSES, ngram)


@njit(cache=True)
def mix64(value: Any) -> Any:
    """`mix`, compiled, of one value or of each of an array."""
    value = (value ^ (value >> _33)) * _MIX_1
    value = (value ^ (value >> _33)) * _MIX_2
    return value ^ (value >> _33)


@njit(cache=True, nogil=True)
def _shingles(offsets: NDArray[np.int64], data: Bytes, classes: Bytes, ngram: int) -> tuple[NDArray[np.int64], Hashes]:
    # A separator, or a character that stands alone, takes a byte more than the word before it: two bytes a word.
    n_texts = offsets.size - 1
    hashes = np.empty((offsets[-1] - offsets[0]) // 2 + n_texts + 1, np.uint64)
    places = np.zeros(n_texts + 1, np.int64)
    for text in range(n_texts):
        own = hashes[places[text] :]
        n_words = _hash_words(data, offsets[text], offsets[text + 1], classes, own)
        places[text + 1] = places[text] + _hash_runs(own, n_words, ngram)
    return places, hashes[: places[-1]]


@njit(cache=True)
def _hash_words(data: Bytes, start: int, end: int, classes: Bytes, out: Hashes) -> int:
    """Word count of data[start:end]; `out` gets the words' hashes."""
    n, value, inside, at = 0, _FNV_BASIS, False, start
    while at < end:
        if _FOLDED[data[at]]:  # most bytes of most pages; the rest of the loop would do
            value, inside, at = _fnv(value, _FOLDED[data[at]]), True, at + 1
            continue
        code, after = _character(data, at, end)
        kind = classes[code] if code < 0x10000 else WORD if code < 0x1F000 else SEPARATOR if code < 0x20000 else ALONE
        if inside and kind != WORD:
            out[n] = mix64(value)
            n, value, inside = n + 1, _FNV_BASIS, False
        if kind != SEPARATOR:
            for i in range(at, after):
                value = _fnv(value, data[i])
            inside = True
        if kind == ALONE:
            out[n] = mix64(value)
            n, value, inside = n + 1, _FNV_BASIS, False
        at = after
    if inside:
        out[n] = mix64(value)
        n += 1
    return n


@njit(cache=True)
def _character(data: Bytes, at: int, end: int) -> tuple[np.int64, int]:
    """Code of the character at `at` and where it ends; bytes that are no UTF-8 give some character, within bounds."""
    code = np.int64(data[at])
    if code < 0xC0:
        return code, at + 1
    n_bytes = 2 if code < 0xE0 else 3 if code < 0xF0 else 4
    code &= 0x7F >> n_bytes
    after = min(at + n_bytes, end)
    for i in range(at + 1, after):
        code = (code << 6) | (np.int64(data[i]) & 0x3F)
    return code, after


@njit(cache=True)
def _fnv(value: np.uint64, byte: np.uint8) -> np.uint64:
    return (value ^ np.uint64(byte)) * _FNV_PRIME


@njit(cache=True)
def _hash_runs(hashes: Hashes, n_words: int, ngram: int) -> int:
    """Shingle count; the hashes of the words give way, in place, to those of the runs that they begin."""
    if n_words == 0:
        return 0
    n = max(1, n_words - ngram + 1)
    for start in range(n):
        value = np.uint64(0)
        for i in range(start, min(start + ngram, n_words)):
            value = value * _GOLDEN + hashes[i]
        hashes[start] = mix64(value)
    return n
