"""A page, scanned: its tokens, its elements, and its blocks of text."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.html.layout import Layout, laid_out
from corpus.html.tags import NUMBER, PROPERTIES, WITH_OPTIONS
from corpus.html.text import Blocks, blocks_of
from corpus.html.tokens import BEGIN, CHARACTERS, END, KIND, TAG, Tokens, tokenized

LITTLE_TEXT = 1_500
"""Bytes of text below which a page is read as a browser without scripts shows it: some keep their text in `noscript`.
Ours."""


@dataclass(frozen=True)
class Page:
    """A page's bytes, UTF-8, and what the scanner found in them."""

    source: NDArray[np.uint8]
    tokens: Tokens
    layout: Layout
    found: Blocks

    @cached_property
    def title(self) -> NDArray[np.uint8]:
        """What the first <title> holds, references and all; empty where there is none."""
        begin, end = _raw_text(self.tokens.tokens, NUMBER["title"])
        return self.source[begin:end]


def scanned(html: bytes) -> Page:
    """The page as its readers see it, whatever its bytes are."""
    source = np.frombuffer(html, np.uint8)
    page = _scanned(source, PROPERTIES, noscript=False)
    if len(page.found.text) < LITTLE_TEXT and b"<noscript" in html:
        return _scanned(source, PROPERTIES, noscript=True)
    return page


def scanned_whole(html: bytes) -> Page:
    """The page with what only some see: the options of forms, and what browsers without scripts show."""
    return _scanned(np.frombuffer(html, np.uint8), WITH_OPTIONS, noscript=True)


def _scanned(source: NDArray[np.uint8], properties: NDArray[np.uint8], *, noscript: bool) -> Page:
    tokens = tokenized(source, noscript=noscript)
    layout = laid_out(source, tokens, properties)
    return Page(source, tokens, layout, blocks_of(source, layout))


@njit(cache=True, nogil=True)
def _raw_text(tokens, tag):  # type: ignore[no-untyped-def]
    """Where the text of the first raw element of this name is; nowhere, if there is none."""
    for at in range(tokens.shape[0]):
        if tokens[at, TAG] == tag and tokens[at, KIND] == CHARACTERS:
            return tokens[at, BEGIN], tokens[at, END]
    return np.int32(0), np.int32(0)
