"""Runs to blocks of clean text: references decoded, blanks collapsed, and what each block is made of counted.

Blanks at a block's ends go, others become one space, or a line break where the page has one; in `pre` they stay. Zero
width spaces, soft hyphens and byte order marks go. Two line breaks in a row end a block.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.html.characters import (
    AMPERSAND,
    code_point,
    encoded,
    is_alphanumeric,
    is_blank,
    is_ideograph,
    is_nothing,
    is_wide_mark,
    referred,
)
from corpus.html.entities import BARE, CODE_POINTS, NAMED, WINDOWS_1252
from corpus.html.layout import (
    BREAK,
    CODE_MARK,
    EDGE,
    FLAGS,
    IN,
    IS_PRE,
    LINK_OF,
    MARK,
    RUN,
    SPAN_FROM,
    SPAN_TO,
    WHAT,
    Layout,
)

(
    BEGIN,
    END,
    ELEMENT,
    CHARS,
    WORDS,
    LINK_CHARS,
    LINKS,
    MARKS,
    COMMAS,
    DIGITS,
    CAPITALS,
    NON_ASCII,
    BREAKS,
    LAST,
) = range(14)
"""Columns of blocks: the span in the text, the element of its first character; how many characters, words, characters
in links, links, marks of punctuation, commas, digits, capital letters, characters beyond ASCII and line breaks it has;
its last character that is no quote or bracket (0: a letter beyond ASCII)."""
N_COLUMNS: Final = 14

TAB, NEWLINE, RETURN, SPACE, FULL_STOP, NO_BREAK = 9, 10, 13, 32, 46, 0xA0


@dataclass(frozen=True)
class Blocks:
    """The blocks, shape (n, 14), and the text that their spans are in, UTF-8, a newline behind each."""

    blocks: NDArray[np.int32]
    text: NDArray[np.uint8]

    def text_of(self, block: int) -> str:
        """One block's text."""
        return self.text[self.blocks[block, BEGIN] : self.blocks[block, END]].tobytes().decode()


def blocks_of(page: NDArray[np.uint8], layout: Layout) -> Blocks:
    """The page's blocks of text, in its order; none is empty."""
    n_edges = int(np.count_nonzero((layout.runs[:, WHAT] == EDGE) | (layout.runs[:, WHAT] == BREAK)))
    blocks = np.empty((n_edges + 1, N_COLUMNS), np.int32)
    text = np.empty(2 * len(page) + 2 * len(layout.runs) + 64, np.uint8)
    n_blocks, n_bytes = _write(page, layout.runs, layout.elements, blocks, text, NAMED, BARE, CODE_POINTS, WINDOWS_1252)
    return Blocks(blocks[:n_blocks], text[:n_bytes])


@njit(cache=True, nogil=True, inline="always")
def _is_gap(byte):  # type: ignore[no-untyped-def]
    return byte == SPACE or byte == NEWLINE or byte == TAB


@njit(cache=True, nogil=True)
def _count(row, code, in_word):  # type: ignore[no-untyped-def]
    """Counts a character of a block; gives whether it is in a word that the next may continue."""
    row[CHARS] += 1
    if code < 0x80:
        if 97 <= code <= 122 or 48 <= code <= 57 or 65 <= code <= 90:
            row[LAST] = code
            row[WORDS] += not in_word
            row[CAPITALS] += 65 <= code <= 90
            row[DIGITS] += code <= 57
            return True
        if code != 34 and code != 39 and code != 41:
            row[LAST] = code
        row[COMMAS] += code == 44
        row[MARKS] += code == 46 or code == 44 or code == 33 or code == 63 or code == 59 or code == 58
        return False
    row[NON_ASCII] += 1
    if is_wide_mark(code):
        row[MARKS] += 1
        row[COMMAS] += 1
        row[LAST] = FULL_STOP
        return False
    row[LAST] = 0
    if is_ideograph(code):
        row[WORDS] += 1
        return False
    row[WORDS] += not in_word
    return True


@njit(cache=True, nogil=True)
def _block_end(text, n):  # type: ignore[no-untyped-def]
    """Where a block ends without the blanks behind its last character; marks there move before them."""
    end = n
    while text[end - 1] < TAB or _is_gap(text[end - 1]):
        end -= 1
    for k in range(end, n):
        if text[k] < TAB:
            text[end] = text[k]
            end += 1
    return end


@njit(cache=True, nogil=True)
def _write(page, runs, elements, blocks, text, named, bare, code_points, windows):  # type: ignore[no-untyped-def]
    """Writes the blocks; gives how many blocks and bytes there are. Whole, for arrays handed on at every word cost a
    quarter more."""
    n = n_blocks = base = 0
    row = blocks[0]
    is_open = in_word = pending = False
    n_breaks = 0
    link = 0
    for number in range(runs.shape[0]):
        what, at, end, element = runs[number, WHAT], runs[number, SPAN_FROM], runs[number, SPAN_TO], runs[number, IN]
        if what == BREAK:
            in_word = False
            if elements[element, FLAGS] & IS_PRE:
                if is_open:
                    text[n] = NEWLINE
                    n += 1
                continue
            n_breaks += 1
            pending = True
        if what == EDGE or n_breaks == 2:
            if is_open:
                n = _block_end(text, n)
                row[END] = n
                text[n] = NEWLINE
                base = n + 1
                n_blocks += 1
                row = blocks[n_blocks]
            n = base  # blanks and marks before a block that did not come
            is_open = in_word = pending = False
            n_breaks = 0
        if what == EDGE or what == BREAK:
            continue
        is_pre = elements[element, FLAGS] & IS_PRE != 0
        if what == MARK:
            if not is_pre:
                if at == CODE_MARK and n > base and text[n - 1] == CODE_MARK:  # no code, or two pieces side by side
                    n -= 1
                    if is_open and _is_gap(text[n - 1]):
                        n -= 1
                        row[CHARS] -= 1
                        if text[n] == NEWLINE and n_breaks == 0:
                            n_breaks = 1
                            row[BREAKS] -= 1
                        pending = True
                    continue
                if pending and is_open:
                    text[n] = NEWLINE if n_breaks > 0 else SPACE
                    n += 1
                    row[CHARS] += 1
                    row[BREAKS] += n_breaks
                    pending = False
                    n_breaks = 0
                text[n] = at
                n += 1
            continue
        link_of = elements[element, LINK_OF]
        while at < end:
            byte = page[at]
            if byte <= SPACE and not is_pre:
                in_word = False
                pending = True
                at += 1
                continue
            begin, n_chars, second = at, np.int64(1), np.int64(0)
            is_word = is_alphanumeric(byte)
            if is_word:
                code = np.int64(byte)
            elif byte == AMPERSAND and what == RUN:
                code, second, at = referred(page, at, end, named, bare, code_points, windows)
            else:
                code, at = code_point(page, at, end)
            if not is_word:
                if is_nothing(code):
                    continue
                if is_pre and (code == NEWLINE or code == TAB or code == SPACE or code == RETURN or code == NO_BREAK):
                    in_word = False
                    if code == RETURN and at < end and page[at] == NEWLINE:
                        continue
                    code = np.int64(NEWLINE if code == RETURN else SPACE if code == NO_BREAK else code)
                    if not is_open and code == NEWLINE:
                        n = base
                        continue
                    text[n] = code
                    n += 1
                    continue
                if is_blank(code):
                    in_word = False
                    pending = True
                    continue
            if not is_open:
                row[:] = 0
                row[BEGIN] = base
                row[ELEMENT] = element
                is_open = True
                link = 0
            elif pending:
                behind = n - 1
                while text[behind] < TAB:
                    behind -= 1
                if behind < n - 1 and _is_gap(text[behind]):  # there is one before the marks
                    text[behind] = NEWLINE if n_breaks > 0 else text[behind]
                else:
                    text[n] = NEWLINE if n_breaks > 0 else SPACE
                    n += 1
                    row[CHARS] += 1
                row[BREAKS] += n_breaks
            pending = False
            n_breaks = 0
            if is_word:  # most of all text: letters and digits of ASCII, all at once
                n_capitals = n_digits = 0
                while at < end and is_alphanumeric(page[at]):
                    byte = page[at]
                    text[n] = byte
                    n_capitals += 65 <= byte <= 90
                    n_digits += byte <= 57
                    n += 1
                    at += 1
                n_chars = np.int64(at - begin)
                row[CHARS] += n_chars
                row[CAPITALS] += n_capitals
                row[DIGITS] += n_digits
                row[WORDS] += not in_word
                row[LAST] = byte
                in_word = True
            else:
                n = encoded(text, n, code)
                in_word = _count(row, code, in_word)
                if second:
                    n = encoded(text, n, second)
            if link_of:
                row[LINK_CHARS] += n_chars
                row[LINKS] += link_of != link
            link = link_of
    return n_blocks, n
