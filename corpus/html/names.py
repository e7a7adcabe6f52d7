"""What designers call an element: the words of its class, id, itemprop and role; and whether its style hides it."""

from typing import Final

import numpy as np
from numba import njit

from corpus.html.lookup import FNV_OFFSET, step

SEEDS: Final = np.array([int(FNV_OFFSET), int(FNV_OFFSET), 77_777, 99_991], np.uint32)
"""Of the hashes: words of class and id are alike; those of itemprop and role are words of their own."""
_STYLE_HIDES: Final = np.frombuffer(b"display:none", np.uint8)


@njit(cache=True, nogil=True)
def words_of(page, at, end, seed, words, n_words, limit):  # type: ignore[no-untyped-def]
    """Adds the words of an attribute's value; gives how many there are now, and the hash of the value without digits.

    A word is what stands between blanks, and each of its parts between hyphens, underscores, digits and changes of
    case: "articleBody-2" gives "articlebody-2", "article" and "body".
    """
    whole = part = seed
    n_whole = n_part = 0
    was_lower = False
    shape = FNV_OFFSET
    while at <= end:
        byte = page[at] if at < end else np.uint8(32)
        if byte <= 32:
            if n_part >= 2 and n_words < limit:
                words[n_words] = part
                n_words += 1
            if n_whole > n_part and n_words < limit:
                words[n_words] = whole ^ np.uint32(0x5BD1E995)  # never taken for a part
                n_words += 1
            whole = part = seed
            n_whole = n_part = 0
            was_lower = False
        else:
            is_upper = bool(65 <= byte <= 90)
            is_letter = bool(is_upper or 97 <= byte <= 122 or byte >= 128)
            if is_upper:
                byte |= 32
            if (is_upper and was_lower) or not is_letter:
                if n_part >= 2 and n_words < limit:
                    words[n_words] = part
                    n_words += 1
                part = seed
                n_part = 0
            if is_letter:
                part = step(part, byte)
                n_part += 1
            if not 48 <= byte <= 57:
                whole = step(whole, byte)
                shape = step(shape, byte)
            n_whole += 1
            was_lower = is_letter and not is_upper
        at += 1
    return n_words, shape


@njit(cache=True, nogil=True)
def hides(page, at, end):  # type: ignore[no-untyped-def]
    """Whether a style says display:none."""
    matched = 0
    while at < end:
        byte = page[at]
        at += 1
        if byte <= 32:
            continue
        if 65 <= byte <= 90:
            byte |= 32
        if byte == _STYLE_HIDES[matched]:
            matched += 1
            if matched == _STYLE_HIDES.shape[0]:
                return True
        else:
            matched = 1 if byte == _STYLE_HIDES[0] else 0
    return False
