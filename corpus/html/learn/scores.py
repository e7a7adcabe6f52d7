"""How near an extractor's text comes to the gold: scores of a page, and their means over pages.

Every mean gives each page the same weight.
"""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Literal

from corpus.html.learn.gold import GoldPage
from corpus.html.learn.structure import Structure, structure, structure_scores
from corpus.text.charset import decode

MEASURES = (
    "word_f1", "char_f1", "four_gram_f1", "recall", "leak", "code", "cells", "rows", "items", "formulas",
)  # fmt: skip
"""Of all a page has those that its gold can tell. Less is better for "leak", more for all others."""

_WORD = re.compile(r"\w+")
_NO_SPACES = re.compile(r"[぀-ヿ㐀-䶿一-鿿]")


def word_f1(found: str, gold: str) -> float:
    """F1 of two bags of words, \\w+ in lower case."""
    return _bag_f1(_WORD.findall(found.lower()), _WORD.findall(gold.lower()))


def char_f1(found: str, gold: str) -> float:
    """F1 of two bags of characters, those of \\w alone: for Chinese and Japanese, where \\w+ is a whole clause.

    The order counts for nothing, as with words; a page's margins share most of their characters with its text, so
    values are higher than those of words.
    """
    return _bag_f1("".join(_WORD.findall(found)), "".join(_WORD.findall(gold)))


def four_gram_f1(found: str, gold: str) -> float:
    """F1 of two bags of four words in a row, as scrapinghub's article-extraction-benchmark has them.

    There the F1 of mean precision and mean recall is reported; here each page has its own. A text of under four words
    is one item.
    """
    return _bag_f1(_four_grams(found), _four_grams(gold))


def segment_share(segments: Sequence[str], found: str) -> float:
    """The share of the segments that stand in the text, letters and digits alone, in lower case.

    Ours: with blanks made alike and no more, 13 in 100 of WCXB's segments are not on their own page, for the gold has
    straight quotes and other gaps around inline elements; so it is 5 in 100.
    """
    text = _letters(found)
    return mean(_letters(segment) in text for segment in segments)


def is_unspaced(text: str) -> bool:
    """Whether most letters are Han or kana: no spaces between words."""
    return 2 * len(_NO_SPACES.findall(text)) > sum(map(len, _WORD.findall(text)))


def parts(page: GoldPage) -> Structure:
    """Of the page's code, tables, lists and formulas those that its gold has; the same for every extractor."""
    decoded = decode(page.payload) if page.text else None
    return Structure() if decoded is None else structure(decoded[0], page.text or "")


def page_scores(page: GoldPage, structured: Structure, found: str) -> dict[str, float]:
    """The measures of one page, in 0 to 1, without those of which its gold says nothing."""
    scores: dict[str, float] = {}
    if page.text is not None:
        scores["word_f1"] = word_f1(found, page.text)
        if is_unspaced(page.text):
            scores["char_f1"] = char_f1(found, page.text)
        scores["four_gram_f1"] = four_gram_f1(found, page.text)
        scores |= structure_scores(structured, found)
    if page.must_have:
        scores["recall"] = segment_share(page.must_have, found)
    if page.must_not_have:
        scores["leak"] = segment_share(page.must_not_have, found)
    return scores


@dataclass(frozen=True)
class Scores:
    """What one extractor has of each page, page by page."""

    pages: Sequence[GoldPage]
    values: Sequence[Mapping[str, float]]

    def mean(self, measure: str) -> float | None:
        """Over the pages that have the measure, each alike; None where none has."""
        known = [scores[measure] for scores in self.values if measure in scores]
        return mean(known) if known else None

    def n(self, measure: str) -> int:
        """The pages that have the measure."""
        return sum(measure in scores for scores in self.values)

    def by(self, fact: Literal["source", "page_type", "language"]) -> dict[str, "Scores"]:
        """The scores of the pages of each kind, in the kinds' order; pages of which it is not known are in none."""
        kinds = sorted({kind for page in self.pages if (kind := getattr(page, fact)) is not None})
        return {kind: self._only(fact, kind) for kind in kinds}

    def _only(self, fact: str, kind: str) -> "Scores":
        pairs = zip(self.pages, self.values, strict=True)
        chosen = [(page, scores) for page, scores in pairs if getattr(page, fact) == kind]
        return Scores([page for page, _ in chosen], [scores for _, scores in chosen])


def _bag_f1(found: Iterable[Hashable], gold: Iterable[Hashable]) -> float:
    """Harmonic mean of the shares of both bags that are in the other; 1 when both are empty."""
    ours, theirs = Counter(found), Counter(gold)
    n_items = ours.total() + theirs.total()
    return 2 * (ours & theirs).total() / n_items if n_items else 1.0


def _four_grams(text: str) -> list[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return [tuple(words[at : at + 4]) for at in range(max(len(words) - 3, min(len(words), 1)))]


def _letters(text: str) -> str:
    return "".join(_WORD.findall(text.lower()))
