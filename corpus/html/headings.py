"""Where a block stands behind the headings, and whether it repeats the page's title."""

from typing import Final

import numpy as np
from numba import njit

from corpus.html import structure as s
from corpus.html import text as t
from corpus.html.lookup import FNV_OFFSET, step
from corpus.html.shares import share

NAMES: Final = ("since_heading heading_level since_h1 chars_since_heading share_in_title share_of_title").split()
NEVER: Final = 999
"""Blocks since something that has not come yet."""
MAX_TITLE_WORDS: Final = 64
MAX_HEADING: Final = 220
"""Characters of a block that may repeat the title."""


@njit(cache=True, nogil=True)
def _next_word(text, at, end):  # type: ignore[no-untyped-def]
    """The hash of the next word in lower case, and where it ends; 0 where none is left."""
    value = FNV_OFFSET
    begun = False
    while at < end:
        byte = text[at]
        if 97 <= (byte | 32) <= 122 or 48 <= byte <= 57 or byte >= 128:
            value = step(value, byte | 32 if byte < 128 else byte)
            begun = True
        elif begun:
            return value, at
        at += 1
    return (value if begun else np.uint32(0)), at


@njit(cache=True, nogil=True)
def title_words(title):  # type: ignore[no-untyped-def]
    found = np.empty(MAX_TITLE_WORDS, np.uint32)
    n, at = 0, 0
    while n < MAX_TITLE_WORDS:
        word, at = _next_word(title, at, title.shape[0])
        if word == 0:
            break
        found[n] = word
        n += 1
    return found[:n]


@njit(cache=True, nogil=True)
def headings(into, places, blocks, text, title):  # type: ignore[no-untyped-def]
    heading = h1 = -1
    level = since = 0
    for b in range(blocks.shape[0]):
        bits, chars = places[blocks[b, t.ELEMENT], s.TAG_BITS], blocks[b, t.CHARS]
        into[0, b] = b - heading if heading >= 0 else NEVER
        into[1, b] = level
        into[2, b] = b - h1 if h1 >= 0 else -1
        into[3, b] = since
        in_title = of_title = -1
        if title.shape[0] and chars < MAX_HEADING:
            n_words = n_found = 0
            at = blocks[b, t.BEGIN]
            while True:
                word, at = _next_word(text, at, blocks[b, t.END])
                if word == 0:
                    break
                n_words += 1
                for k in range(title.shape[0]):
                    if title[k] == word:
                        n_found += 1
                        break
            in_title, of_title = share(n_found, n_words), share(n_found, title.shape[0])
        into[4, b] = in_title
        into[5, b] = of_title
        if bits & s.HEADINGS:
            heading, since = b, 0
            level = 1 if bits & s.H1 else (2 if bits & s.H2_H3 else 3)
            if level == 1 and (h1 < 0 or in_title > 512):
                h1 = b
        else:
            since += chars
