"""A page's bytes to tokens: the tokenizer of the HTML standard (13.2.5), for a reader of text.

One pass over the bytes, no allocation, time in proportion to their number whatever they are. Names of elements and
attributes become numbers (`corpus.html.tags`); values of attributes and texts stay where they are, as spans. Comments,
declarations and processing instructions leave no token. Whether an element is in a drawing or formula is taken from
the tags alone.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.html.lookup import FNV_OFFSET, find, step
from corpus.html.tags import ATTRIBUTES, BREAKS_OUT, ELEMENTS, NUMBER, PROPERTIES, RAW, VOID

TEXT, OPEN, CLOSE, CHARACTERS, EMPTY = range(5)
"""Kinds of tokens: text with character references, start tag, end tag, content of a raw element, start tag of an
element that has no content."""
KIND, TAG, BEGIN, END, FIRST, LAST = range(6)
"""Columns of tokens: kind, element, the span of the text (tags: from "<" to behind ">"), the range of attributes."""
WHICH, FROM, TO = range(3)
"""Columns of attributes: its number, and the span of its value."""
MAX_KEPT: Final = 19
"""Attributes that one tag can keep: each name once."""

_SCRIPT: Final = NUMBER["script"]
_NOSCRIPT: Final = NUMBER["noscript"]
_TITLE: Final = NUMBER["title"]
_SVG: Final = NUMBER["svg"]
_MATH: Final = NUMBER["math"]
_PLAINTEXT: Final = NUMBER["plaintext"]
_LT: Final = 60
_GT: Final = 62
_SLASH: Final = 47
_BANG: Final = 33
_DASH: Final = 45
_EQUALS: Final = 61


@dataclass(frozen=True)
class Tokens:
    """Tokens of a page, shape (n, 6), and attributes of its tags, shape (m, 3), in the page's order; both int32."""

    tokens: NDArray[np.int32]
    attributes: NDArray[np.int32]


def tokenized(page: NDArray[np.uint8], *, noscript: bool = False) -> Tokens:
    """The tokens of a page in UTF-8; with `noscript` its content is markup, as for a browser that runs no scripts."""
    n_tags = int(np.count_nonzero(page == _LT))
    tokens = np.empty((3 * n_tags + 2, 6), np.int32)
    attributes = np.empty((min(n_tags * MAX_KEPT, len(page) // 3) + MAX_KEPT, 3), np.int32)
    n_tokens, n_attributes = _tokenize(page, tokens, attributes, ELEMENTS, ATTRIBUTES, PROPERTIES, noscript)
    return Tokens(tokens[:n_tokens], attributes[:n_attributes])


@njit(cache=True, nogil=True, inline="always")
def _is_space(byte):  # type: ignore[no-untyped-def]
    return byte == 32 or byte == 10 or byte == 9 or byte == 13 or byte == 12


@njit(cache=True, nogil=True, inline="always")
def _is_letter(byte):  # type: ignore[no-untyped-def]
    return 97 <= (byte | 32) <= 122


@njit(cache=True, nogil=True, inline="always")
def _begins_markup(byte):  # type: ignore[no-untyped-def]
    """Whether a "<" before this byte is more than a character."""
    return _is_letter(byte) or byte == _SLASH or byte == _BANG or byte == 63


@njit(cache=True, nogil=True, inline="always")
def _lower(byte):  # type: ignore[no-untyped-def]
    return byte | 32 if 65 <= byte <= 90 else byte


@njit(cache=True, nogil=True)
def _to(page, at, byte):  # type: ignore[no-untyped-def]
    """Where this byte stands next, or the page's end."""
    n = page.shape[0]
    while at < n and page[at] != byte:
        at += 1
    return at


@njit(cache=True, nogil=True, inline="always")
def _ends_name(byte):  # type: ignore[no-untyped-def]
    return _is_space(byte) or byte == _GT or byte == _SLASH


@njit(cache=True, nogil=True)
def _name(page, at):  # type: ignore[no-untyped-def]
    """The hash of an element's name that begins here, and where it ends."""
    value = FNV_OFFSET
    n = page.shape[0]
    while at < n and not _ends_name(page[at]):
        value = step(value, _lower(page[at]))
        at += 1
    return value, at


@njit(cache=True, nogil=True)
def _behind_comment(page, at):  # type: ignore[no-untyped-def]
    """Where the comment ends whose "<!--" is before here."""
    n = page.shape[0]
    if at < n and page[at] == _GT:
        return at + 1
    if at + 1 < n and page[at] == _DASH and page[at + 1] == _GT:
        return at + 2
    while at + 2 < n:
        at = _to(page, at, _DASH)
        if at + 2 < n and page[at + 1] == _DASH:
            if page[at + 2] == _GT:
                return at + 3
            if page[at + 2] == _BANG and at + 3 < n and page[at + 3] == _GT:
                return at + 4
        at += 1
    return n


@njit(cache=True, nogil=True)
def _is(page, at, word):  # type: ignore[no-untyped-def]
    """Whether these bytes stand here, in either case."""
    if at + word.shape[0] > page.shape[0]:
        return False
    for k in range(word.shape[0]):
        if _lower(page[at + k]) != word[k]:
            return False
    return True


_COMMENT = np.frombuffer(b"<!--", np.uint8)
_COMMENT_END = np.frombuffer(b"-->", np.uint8)
_SCRIPT_TAG = np.frombuffer(b"<script", np.uint8)
_CDATA = np.frombuffer(b"<![cdata[", np.uint8)


@njit(cache=True, nogil=True)
def _raw_end(page, at, tag, elements):  # type: ignore[no-untyped-def]
    """Where the end tag of a raw element begins, or the page's end.

    A script's comment hides its end tag while another script is open in it (13.2.5.15 to 13.2.5.31).
    """
    n = page.shape[0]
    commented = 0  # 1 in a comment, 2 in a script in it
    while at < n:
        if commented == 0:
            at = _to(page, at, _LT)
            if at == n:
                break
        byte = page[at]
        if byte == _LT:
            if at + 1 < n and page[at + 1] == _SLASH:
                value, behind = _name(page, at + 2)
                if behind < n and find(elements, value) == tag:
                    if commented < 2:
                        return at
                    commented = 1
            elif tag == _SCRIPT:
                if commented == 0 and _is(page, at, _COMMENT):
                    commented = 1
                    at += 1  # "<!-->" is a whole comment
                elif commented == 1 and _is(page, at, _SCRIPT_TAG) and at + 7 < n and _ends_name(page[at + 7]):
                    commented = 2
        elif byte == _DASH and commented > 0 and _is(page, at, _COMMENT_END):
            commented = 0
        at += 1
    return n


@njit(cache=True, nogil=True)
def _tag(page, at, attributes, n_attributes, known):  # type: ignore[no-untyped-def]
    """Reads attributes; gives where the tag ends (0: never), how many attributes there are now, if it closes itself."""
    n = page.shape[0]
    seen = np.uint32(0)
    while at < n:
        byte = page[at]
        if byte == _GT:
            return at + 1, n_attributes, False
        if _is_space(byte):
            at += 1
            continue
        if byte == _SLASH:
            at += 1
            if at < n and page[at] == _GT:
                return at + 1, n_attributes, True
            continue
        value = FNV_OFFSET
        first = True
        while at < n:
            byte = page[at]
            if _is_space(byte) or byte == _GT or byte == _SLASH or (byte == _EQUALS and not first):
                break
            value = step(value, _lower(byte))
            first = False
            at += 1
        while at < n and _is_space(page[at]):
            at += 1
        begin = end = at
        if at < n and page[at] == _EQUALS:
            at += 1
            while at < n and _is_space(page[at]):
                at += 1
            if at < n and (page[at] == 34 or page[at] == 39):
                begin = at + 1
                end = _to(page, begin, page[at])
                at = end + 1
            else:
                begin = at
                while at < n and not (_is_space(page[at]) or page[at] == _GT):
                    at += 1
                end = at
        which = find(known, value)
        if which >= 0 and not (seen >> np.uint32(which)) & np.uint32(1):
            seen |= np.uint32(1) << np.uint32(which)
            attributes[n_attributes, WHICH] = which
            attributes[n_attributes, FROM] = begin
            attributes[n_attributes, TO] = min(end, n)
            n_attributes += 1
    return 0, n_attributes, False


@njit(cache=True, nogil=True)
def _put(tokens, n_tokens, kind, tag, begin, end, first, last):  # type: ignore[no-untyped-def]
    tokens[n_tokens, KIND] = kind
    tokens[n_tokens, TAG] = tag
    tokens[n_tokens, BEGIN] = begin
    tokens[n_tokens, END] = end
    tokens[n_tokens, FIRST] = first
    tokens[n_tokens, LAST] = last
    return n_tokens + 1


@njit(cache=True, nogil=True)
def _tokenize(page, tokens, attributes, elements, known, properties, noscript):  # type: ignore[no-untyped-def]
    n = page.shape[0]
    n_tokens = n_attributes = at = 0
    foreign = False
    while at < n:
        if page[at] != _LT or at + 1 >= n or not _begins_markup(page[at + 1]):
            begin = at
            while True:
                at = _to(page, at + 1, _LT)
                if at + 1 >= n:
                    at = n
                    break
                if _begins_markup(page[at + 1]):
                    break
            n_tokens = _put(tokens, n_tokens, TEXT, 0, begin, at, 0, 0)
            continue
        byte = page[at + 1]
        if _is_letter(byte):
            value, behind = _name(page, at + 1)
            tag = max(find(elements, value), 0)
            first = n_attributes
            behind, n_attributes, closes_itself = _tag(page, behind, attributes, n_attributes, known)
            if behind == 0:
                n_attributes = first
                break
            if foreign and properties[tag] & BREAKS_OUT:
                foreign = False
            empty = (properties[tag] & VOID) != 0 or (closes_itself and (foreign or tag == _SVG or tag == _MATH))
            n_tokens = _put(tokens, n_tokens, EMPTY if empty else OPEN, tag, at, behind, first, n_attributes)
            at = behind
            if empty:
                continue
            if tag == _SVG or tag == _MATH:
                foreign = True
            elif tag == _PLAINTEXT:
                n_tokens = _put(tokens, n_tokens, CHARACTERS, tag, at, n, 0, 0)
                at = n
            elif properties[tag] & RAW and not (foreign and tag == _TITLE) and not (noscript and tag == _NOSCRIPT):
                at = _raw_end(page, at, tag, elements)
                n_tokens = _put(tokens, n_tokens, CHARACTERS, tag, behind, at, 0, 0)
        elif byte == _SLASH:
            if at + 2 < n and _is_letter(page[at + 2]):
                value, behind = _name(page, at + 2)
                tag = max(find(elements, value), 0)
                behind, _, _ = _tag(page, behind, attributes, n_attributes, known)
                if behind == 0:
                    break
                if tag == _SVG or tag == _MATH:
                    foreign = False
                n_tokens = _put(tokens, n_tokens, CLOSE, tag, at, behind, 0, 0)
                at = behind
            else:
                at = _to(page, at + 2, _GT) + 1
        elif byte == _BANG and _is(page, at, _COMMENT):
            at = _behind_comment(page, at + 4)
        elif byte == _BANG and foreign and _is(page, at, _CDATA):
            begin = at = at + _CDATA.shape[0]
            while at < n and not (page[at] == 93 and at + 2 < n and page[at + 1] == 93 and page[at + 2] == _GT):
                at += 1
            n_tokens = _put(tokens, n_tokens, CHARACTERS, 0, begin, at, 0, 0)
            at += 3
        else:
            at = _to(page, at + 2, _GT) + 1
    return n_tokens, n_attributes
