"""Characters of a page in UTF-8: code points, character references, and what kind of character it is."""

from typing import Final

import numpy as np
from numba import njit

from corpus.html.entities import LONGEST, LONGEST_BARE
from corpus.html.lookup import FNV_OFFSET, find, step

NUMBER_SIGN, AMPERSAND = 35, 38
REPLACEMENT: Final = 0xFFFD


@njit(cache=True, nogil=True)
def is_alphanumeric(byte):  # type: ignore[no-untyped-def]
    return 48 <= byte <= 57 or 97 <= (byte | 32) <= 122


@njit(cache=True, nogil=True)
def _number(page, at, end, windows):  # type: ignore[no-untyped-def]
    """The code point of a reference whose "&#" is before here, and where it ends; -1 where there is none."""
    base = 10
    if at < end and page[at] | 32 == 120:
        base = 16
        at += 1
    begin = at
    value = 0
    while at < end:
        byte = page[at]
        if 48 <= byte <= 57:
            digit = byte - 48
        elif base == 16 and 97 <= (byte | 32) <= 102:
            digit = (byte | 32) - 87
        else:
            break
        value = min(value * base + digit, 0x110000)
        at += 1
    if at == begin:
        return -1, at
    if at < end and page[at] == 59:
        at += 1
    if 0x80 <= value < 0xA0:
        value = windows[value - 0x80]
    if value == 0 or value > 0x10FFFF or 0xD800 <= value < 0xE000:
        value = REPLACEMENT
    return value, at


@njit(cache=True, nogil=True)
def _named(page, at, end, named, bare):  # type: ignore[no-untyped-def]
    """The number of the name of a reference whose "&" is before here, and where it ends; -1 where there is none."""
    value = FNV_OFFSET
    found = np.int32(-1)
    begin = behind = at
    while at < end and at - begin < LONGEST and is_alphanumeric(page[at]):
        value = step(value, page[at])
        at += 1
        if at - begin <= LONGEST_BARE:
            number = find(bare, value)
            if number >= 0:
                found = number
                behind = at
    if at < end and page[at] == 59:
        number = find(named, value)
        if number >= 0:
            return number, at + 1
    return found, behind


@njit(cache=True, nogil=True)
def referred(page, at, end, named, bare, code_points, windows):  # type: ignore[no-untyped-def]
    """What the reference is that begins here: a code point, a second one (0: none), and where it ends."""
    if at + 1 < end and page[at + 1] == NUMBER_SIGN:
        code, behind = _number(page, at + 2, end, windows)
        if code >= 0:
            return np.int64(code), np.int64(0), behind
    else:
        which, behind = _named(page, at + 1, end, named, bare)
        if which >= 0:
            return np.int64(code_points[which, 0]), np.int64(code_points[which, 1]), behind
    return np.int64(AMPERSAND), np.int64(0), at + 1


@njit(cache=True, nogil=True)
def encoded(text, n, code):  # type: ignore[no-untyped-def]
    """Writes a code point as UTF-8; gives where it ends."""
    if code < 0x80:
        text[n] = code
        return n + 1
    if code < 0x800:
        text[n] = 0xC0 | (code >> 6)
        text[n + 1] = 0x80 | (code & 63)
        return n + 2
    if code < 0x10000:
        text[n] = 0xE0 | (code >> 12)
        text[n + 1] = 0x80 | ((code >> 6) & 63)
        text[n + 2] = 0x80 | (code & 63)
        return n + 3
    text[n] = 0xF0 | (code >> 18)
    text[n + 1] = 0x80 | ((code >> 12) & 63)
    text[n + 2] = 0x80 | ((code >> 6) & 63)
    text[n + 3] = 0x80 | (code & 63)
    return n + 4


@njit(cache=True, nogil=True)
def code_point(page, at, end):  # type: ignore[no-untyped-def]
    """The code point that begins here, and where it ends; the page is UTF-8."""
    byte = page[at]
    if byte < 0x80:
        return np.int64(byte), at + 1
    if byte < 0xE0:
        length, code = 2, np.int64(byte & 31)
    elif byte < 0xF0:
        length, code = 3, np.int64(byte & 15)
    else:
        length, code = 4, np.int64(byte & 7)
    if at + length > end:
        return np.int64(REPLACEMENT), end
    for k in range(1, length):
        code = (code << 6) | np.int64(page[at + k] & 63)
    return code, at + length


@njit(cache=True, nogil=True)
def is_blank(code):  # type: ignore[no-untyped-def]
    """Unicode's White_Space, and controls."""
    if code < 0x1680:
        return code <= 32 or code == 0x85 or code == 0xA0
    wide = code == 0x202F or code == 0x205F or code == 0x3000 or code == 0x1680
    return wide or 0x2000 <= code <= 0x200A or 0x2028 <= code <= 0x2029


@njit(cache=True, nogil=True)
def is_nothing(code):  # type: ignore[no-untyped-def]
    return code == 0xAD or code == 0x200B or code == 0x2060 or code == 0xFEFF


@njit(cache=True, nogil=True)
def is_ideograph(code):  # type: ignore[no-untyped-def]
    """Kana and Chinese characters, each of which is counted as a word: no blanks part them."""
    return 0x3040 <= code <= 0x30FF or 0x3400 <= code <= 0x9FFF


@njit(cache=True, nogil=True)
def is_wide_mark(code):  # type: ignore[no-untyped-def]
    return 0x3001 <= code <= 0x3002 or code == 0xFF0C or code == 0xFF1F or code == 0xFF01 or code == 0xFF1A
