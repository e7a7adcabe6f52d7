"""What a page's start tags say: found by element, by a name in an attribute or by a word in it, and read as clean text.

Each question is one pass over the tokens, in compiled code; texts are made only of what is asked for.
"""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.html.lookup import ABSENT, FNV_OFFSET, Table, find, step
from corpus.html.tags import BLOCK, NAMES, NUMBER, PROPERTIES, UNSEEN
from corpus.html.tokens import (
    BEGIN,
    CHARACTERS,
    CLOSE,
    EMPTY,
    END,
    FIRST,
    FROM,
    KIND,
    LAST,
    OPEN,
    TAG,
    TEXT,
    TO,
    WHICH,
    Tokens,
)

MAX_VALUE_BYTES: Final = 4_096
"""Read of a value or an element's text. Also keeps numbers in references under the 4,300 digits that Python parses."""
MAX_FOUND: Final = 1_024
"""Tags that one question finds, the first ones: metadata's find up to 235 on 1,800 real pages."""
MAX_INSIDE: Final = 64
"""Tokens looked at for the text of one element."""
MAX_NAME_BYTES: Final = 64
"""Longer values are no names."""

_GONE: Final = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f]")

Span = tuple[int, int]
Said = tuple[int, int, int, int, int]
"""Element, number of the name (or ABSENT), row of the token, and the span of what it says."""
Mark = tuple[int, int, int, int]
"""Row of the token, the span of the attribute's value, and which words are in it, as bits."""


def cleaned(text: str) -> str:
    """The first 4,096 characters with references decoded and blanks single; without controls and invisible marks."""
    text = " ".join(html.unescape(text[:MAX_VALUE_BYTES]).split())
    return text if text.isprintable() else " ".join(_GONE.sub("", _CONTROLS.sub(" ", text)).split())


def asked(attributes: Mapping[str, int], only_named: Sequence[str]) -> NDArray[np.int8]:
    """Which attribute of an element says something (ABSENT: none), and whether only where a name stands by it."""
    made = np.full((2, len(NAMES)), ABSENT, np.int8)
    for element, attribute in attributes.items():
        made[:, NUMBER[element]] = attribute, element in only_named
    return made


@dataclass(frozen=True)
class Words:
    """Words, of small letters, to be searched for all at once; `bits` are those that tell which was found.

    Shift-And (Baeza-Yates and Gonnet 1992, "A new approach to text searching"), the words side by side: `masks` has the
    places of each byte in them, their first places (at 256) and their last ones (at 257).
    """

    masks: NDArray[np.int64]
    bits: tuple[int, ...]


def words(*searched: bytes) -> Words:
    """The words, of at most 62 letters in all."""
    masks = np.zeros(258, np.int64)
    last = [*np.cumsum([len(word) for word in searched]).tolist()]
    for place, letter in enumerate(b"".join(searched)):
        masks[[letter, letter ^ 32]] |= 1 << place
    masks[256] = sum(1 << end - len(word) for end, word in zip(last, searched, strict=True))
    masks[257] = sum(1 << end - 1 for end in last)
    return Words(masks, tuple(1 << end - 1 for end in last))


class Markup:
    """A page in UTF-8 and its tokens. Tags are called by the rows of their tokens."""

    def __init__(self, page: NDArray[np.uint8] | bytes, tokens: Tokens) -> None:
        self._page = np.frombuffer(page, np.uint8)
        self._view = self._page.data
        self._tokens, self._attributes = tokens.tokens, tokens.attributes

    def said(self, asked: NDArray[np.int8], names: Table, naming: int) -> list[Said]:
        """What tags of these elements say, in an attribute or, raw elements, in their characters; and the name of it
        that one of the attributes `naming` (bits) has, in any case."""
        found = np.empty((MAX_FOUND, 5), np.int32)
        n = _said(self._page, self._tokens, self._attributes, asked, names, np.uint32(naming), found)
        rows: list[Said] = found[:n].tolist()
        return rows

    def marked(self, searched: Words, attributes: int) -> list[Mark]:
        """The values of these attributes (bits) in which some of the words are, in any case."""
        found = np.empty((MAX_FOUND, 4), np.int64)
        n = _marked(self._page, self._tokens, self._attributes, np.uint32(attributes), searched.masks, found)
        rows: list[Mark] = found[:n].tolist()
        return rows

    def value(self, begin: int, end: int) -> str:
        """The clean text that stands there."""
        return cleaned(str(self._view[begin : min(end, begin + MAX_VALUE_BYTES)], "utf-8", "replace"))

    def whole(self, begin: int, end: int) -> str:
        """All that stands there, as it is."""
        return str(self._view[begin:end], "utf-8", "replace")

    def text(self, row: int) -> str:
        """The clean text in an element, of its first 64 tokens."""
        into = np.empty(MAX_VALUE_BYTES, np.uint8)
        n = _text(self._page, self._tokens, row, PROPERTIES, NUMBER["br"], into)
        return cleaned(str(into[:n].data, "utf-8", "replace"))

    def years_near(self, row: int, n_tokens: int, max_bytes: int) -> Iterator[str]:
        """The clean texts with a year among so many tokens before and behind it, those that are not longer."""
        found = np.empty((2 * n_tokens, 2), np.int32)
        n = _years(self._page, self._tokens[max(row - n_tokens, 0) : row + n_tokens], max_bytes, found)
        return (self.value(begin, end) for begin, end in found[:n].tolist())


@njit(cache=True, nogil=True)
def _name(page, begin, end, names):  # type: ignore[no-untyped-def]
    """The number of the name that stands there between blanks, in any case, or ABSENT."""
    while begin < end and page[begin] <= 32:
        begin += 1
    while begin < end and page[end - 1] <= 32:
        end -= 1
    if end - begin > MAX_NAME_BYTES:
        return ABSENT
    value = FNV_OFFSET
    for at in range(begin, end):
        byte = page[at]
        value = step(value, byte | 32 if 65 <= byte <= 90 else byte)
    return find(names, value)


@njit(cache=True, nogil=True)
def _said(page, tokens, attributes, asked, names, naming, found):  # type: ignore[no-untyped-def]
    n = 0
    for row in range(tokens.shape[0]):
        tag = tokens[row, TAG]
        if asked[0, tag] == ABSENT or (tokens[row, KIND] != OPEN and tokens[row, KIND] != EMPTY):
            continue
        begin = end = np.int32(0)
        first = n
        for k in range(tokens[row, FIRST], tokens[row, LAST]):
            which = attributes[k, WHICH]
            if which == asked[0, tag]:
                begin, end = attributes[k, FROM], attributes[k, TO]
            elif (naming >> np.uint32(which)) & np.uint32(1) and n < found.shape[0]:
                found[n, 1] = _name(page, attributes[k, FROM], attributes[k, TO], names)
                n += found[n, 1] != ABSENT
        if n == first and n < found.shape[0] and not asked[1, tag]:
            found[n, 1] = ABSENT
            n += 1
        if row + 1 < tokens.shape[0] and tokens[row + 1, KIND] == CHARACTERS:
            begin, end = tokens[row + 1, BEGIN], tokens[row + 1, END]
        for at in range(first, n):
            found[at, 0], found[at, 2], found[at, 3], found[at, 4] = tag, row, begin, end
    return n


@njit(cache=True, nogil=True)
def _marked(page, tokens, attributes, wanted, masks, found):  # type: ignore[no-untyped-def]
    starts, ends = masks[256], masks[257]
    n = 0
    for row in range(tokens.shape[0]):
        for k in range(tokens[row, FIRST], tokens[row, LAST]):
            if not (wanted >> np.uint32(attributes[k, WHICH])) & np.uint32(1):
                continue
            begin, end = attributes[k, FROM], attributes[k, TO]
            state = seen = np.int64(0)
            for at in range(begin, min(end, begin + MAX_VALUE_BYTES)):
                state = (state << 1 | starts) & masks[page[at]]
                seen |= state
            if seen & ends and n < found.shape[0]:
                found[n, 0], found[n, 1], found[n, 2], found[n, 3] = row, begin, end, seen
                n += 1
    return n


@njit(cache=True, nogil=True)
def _text(page, tokens, row, properties, line_break, into):  # type: ignore[no-untyped-def]
    """Writes the text in an element, a blank where a block begins or ends; how much fits."""
    n = 0
    own = tokens[row, TAG]
    depth = np.int64(tokens[row, KIND] == OPEN)
    hidden = ABSENT
    for at in range(row + 1, min(row + 1 + MAX_INSIDE, tokens.shape[0])):
        kind, tag = tokens[at, KIND], tokens[at, TAG]
        if tag == own:
            depth += np.int64(kind == OPEN) - np.int64(kind == CLOSE)
        if depth <= 0:
            break
        if hidden != ABSENT:
            if kind == CLOSE and tag == hidden:
                hidden = ABSENT
        elif kind == TEXT:
            for k in range(tokens[at, BEGIN], min(tokens[at, END], tokens[at, BEGIN] + into.shape[0] - n)):
                into[n] = page[k]
                n += 1
        elif kind == OPEN and properties[tag] & UNSEEN:
            hidden = tag
        elif (properties[tag] & BLOCK or tag == line_break) and n < into.shape[0]:
            into[n] = 32
            n += 1
    return n


@njit(cache=True, nogil=True)
def _years(page, tokens, max_bytes, found):  # type: ignore[no-untyped-def]
    """Writes the spans of the texts, not longer, that hold a year from 1000 to 2999; how many."""
    n = 0
    for row in range(tokens.shape[0]):
        begin, end = tokens[row, BEGIN], tokens[row, END]
        if tokens[row, KIND] != TEXT or end - begin > max_bytes:
            continue
        digits = 0
        for at in range(begin, end):
            byte = page[at]
            digits = digits + 1 if 48 <= byte <= 57 and (digits or byte == 49 or byte == 50) else 0
            if digits == 4:
                found[n, 0], found[n, 1] = begin, end
                n += 1
                break
    return n
