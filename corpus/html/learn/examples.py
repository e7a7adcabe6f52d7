"""Gold pages as what the model learns from: scanned, with the share of each block's words that are main text."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corpus.html import text as t
from corpus.html.learn.align import matched
from corpus.html.learn.gold import GoldPage
from corpus.html.learn.labels import LABELLED, label_text
from corpus.html.learn.split import fold
from corpus.html.page import Page, scanned
from corpus.text.charset import as_utf8

WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
"""As the scanner counts words: Chinese characters and kana are words each."""
MIN_GOLD_CHARS = 20
"""A shorter gold text is a mistake of its set."""
MIN_SEGMENT_WORDS = 3
"""A shorter segment may stand anywhere in a page."""


@dataclass(frozen=True)
class Example:
    """A scanned page, its blocks' shares of main text, in [0, 1] (NaN: not known), and its fold."""

    gold: GoldPage
    page: Page
    shares: NDArray[np.float32]
    fold: int


def examples(pages: Iterable[GoldPage]) -> Iterator[Example]:
    """An example of each page that has blocks and says something of them."""
    for gold in pages:
        decoded = as_utf8(gold.payload, "text/html")
        if decoded is None:
            continue
        page = scanned(decoded[0])
        blocks = [_words(block) for block in block_texts(page)]
        if not blocks:
            continue
        text = label_text(decoded[0].decode()) if gold.source in LABELLED else gold.text
        shares = _by_text(blocks, text) if text else _by_segments(blocks, gold)
        if shares is not None and not np.isnan(shares).all():
            yield Example(gold, page, shares, fold(gold.host))


def block_texts(page: Page) -> list[str]:
    """The text of every block."""
    text = page.found.text.tobytes()
    return [text[begin:end].decode() for begin, end in page.found.blocks[:, [t.BEGIN, t.END]].tolist()]


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())


def _by_text(blocks: list[list[str]], gold: str) -> NDArray[np.float32] | None:
    if len(gold) < MIN_GOLD_CHARS:
        return None
    numbers: dict[str, int] = {}
    of_page = np.array([numbers.setdefault(word, len(numbers)) for block in blocks for word in block], np.int32)
    of_gold = np.array([numbers.setdefault(word, len(numbers)) for word in _words(gold)], np.int32)
    in_gold = matched(of_page, of_gold)
    if in_gold is None or not len(of_page):
        return None
    ends = np.cumsum([len(block) for block in blocks])
    hits = np.diff(np.concatenate([[0], np.cumsum(in_gold)])[np.concatenate([[0], ends])])
    lengths = np.diff(np.concatenate([[0], ends]))
    return np.where(lengths > 0, hits / np.maximum(lengths, 1), np.nan).astype(np.float32)


def _by_segments(blocks: list[list[str]], gold: GoldPage) -> NDArray[np.float32]:
    """Blocks that hold a segment, or lie in one, are what the segment is; of others nothing is known."""
    shares = np.full(len(blocks), np.nan, np.float32)
    texts = [" ".join(block) for block in blocks]
    for segments, share in ((gold.must_not_have, 0.0), (gold.must_have, 1.0)):
        for segment in map(_words, segments):
            if len(segment) < MIN_SEGMENT_WORDS:
                continue
            asked = " ".join(segment)
            for number, text in enumerate(texts):
                if asked in text or (len(blocks[number]) >= MIN_SEGMENT_WORDS and text in asked):
                    shares[number] = share
    return shares
