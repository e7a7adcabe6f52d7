"""The tiers of extraction: from a page's HTML, UTF-8, to its text, one function each; a new one is a line in TIERS."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from corpus.html import text as t
from corpus.html.choose import chosen, expected_f1
from corpus.html.features import NAMES, features_of
from corpus.html.main_content import main_text
from corpus.html.markup import cleaned
from corpus.html.metadata import metadata
from corpus.html.model import shipped
from corpus.html.outline import outline
from corpus.html.page import Page, scanned, scanned_whole
from corpus.html.peer import second_look
from corpus.html.render import markdown, plain, without_permalinks
from corpus.html.text import Blocks
from corpus.html.titles import unclosed
from corpus.html.wanted import Wanted

Tier = Literal["text", "resiliparse", "fast", "best"]
LEARNED: Final = frozenset({"fast", "best"})
MAX_BLOCKS: Final = 2**15
"""Blocks that the learned tiers look at: 30 MB of features. The largest of 3,507 real pages has 6,220."""


@dataclass(frozen=True)
class Extracted:
    """The text, the page as it was scanned, and whether some of it was beyond a bound and is left out."""

    text: str
    page: Page
    cut: bool = False


def all_text(html: bytes, wanted: Wanted) -> Extracted:
    """The title and all text of the page, a line a block, in the order of the page; "" when the body holds none.

    This is what a WET file has (Common Crawl's ia-web-commons, ExtractingParseObserver): navigation and footers, the
    words on labels, options and buttons, hidden elements, `noscript` (the warnings for which C4 has a rule). Unlike
    there a row of a table is one line, and drawings (`svg`) and text areas are out.
    """
    page = scanned_whole(html)
    outlined = outline(page.layout.elements, page.found.blocks)
    title = cleaned(page.title.tobytes().decode("utf-8", "replace"))
    text = rendered(page, outlined, wanted.kept(outlined), "" if unclosed(title) else title, wanted)
    if wanted.output == "plain":
        text = "\n".join(line for words in text.split("\n") if (line := " ".join(words.split())))
    return Extracted(text, page)


def main_content(html: bytes, wanted: Wanted) -> Extracted:
    """The main content that resiliparse finds, plain; or all text where that is too short. It has the switch `title`
    only."""
    page = scanned(html)
    title, text = titled(page, wanted), main_text(html.decode())
    return Extracted(f"{title}\n{text}" if title and text else text, page)


def fast(html: bytes, wanted: Wanted) -> Extracted:
    """The blocks that the learned extractor takes for main text."""
    return _learned(html, wanted, lambda _page, asked: shipped().trees["fast"].log_odds(asked))


def best(html: bytes, wanted: Wanted) -> Extracted:
    """The same, with a second look at pages that it is not sure of, which knows what trafilatura takes."""
    return _learned(html, wanted, _second_odds)


SURE: Final = 0.9
"""Expected F1 of a page that a second look does not help: 74 pages in 100. Looking at those too costs three times as
much and gives .8927 for .8924 on wcxb-dev, .9033 for .9047 on daniel-waddle (in cross-validation, with a third of the
trees)."""


def _second_odds(page: Page, asked: NDArray[np.int16]) -> NDArray[np.int32]:
    model, words = shipped(), page.found.blocks[:, t.WORDS]
    odds = model.trees["fast"].log_odds(asked)
    likely = model.probability(odds)
    if not words.any() or expected_f1(likely, words, chosen(likely, words)) >= SURE:
        return odds
    from corpus.html.trafilatura_text import peer_text  # half a second that no other tier needs

    again = second_look(page.layout, page.found, odds, likely, peer_text(page))
    return model.trees["best"].log_odds(again)


def _learned(
    html: bytes, wanted: Wanted, log_odds: Callable[[Page, NDArray[np.int16]], NDArray[np.int32]]
) -> Extracted:
    page = scanned(html)
    cut = len(page.found.blocks) > MAX_BLOCKS
    if cut:
        page = replace(page, found=Blocks(page.found.blocks[:MAX_BLOCKS], page.found.text))
    model = shipped()
    asked = features_of(page.layout, page.found, page.title, model.word_scores, model.kind_weights)
    taken = chosen(model.probability(log_odds(page, asked)), page.found.blocks[:, t.WORDS])
    if wanted.comments:
        taken |= _comments(asked)
    outlined = outline(page.layout.elements, page.found.blocks)
    return Extracted(rendered(page, outlined, taken & wanted.kept(outlined), titled(page, wanted), wanted), page, cut)


TIERS: Final[Mapping[Tier, Callable[[bytes, Wanted], Extracted]]] = {
    "text": all_text,
    "resiliparse": main_content,
    "fast": fast,
    "best": best,
}


def rendered(
    page: Page, outlined: NDArray[np.int32], taken: NDArray[np.bool_], title: str | None, wanted: Wanted
) -> str:
    """The text of these blocks, under a title if there is one; "" where there are no blocks."""
    found = without_permalinks(page.found, outlined)
    if title and wanted.title:  # once is enough
        places = [place for place in np.flatnonzero(taken).tolist() if found.text_of(place) == title]
        taken[places] = False
    text = (markdown if wanted.output == "markdown" else plain)(found, outlined, taken)
    if not title or not text:
        return text
    return f"# {title}\n\n{text}" if wanted.output == "markdown" else f"{title}\n{text}"


def titled(page: Page, wanted: Wanted) -> str | None:
    """The title, if it is wanted and there is one."""
    return metadata(page.source, page.tokens).title if wanted.title else None


_IN_COMMENTS, _IN_FORM, _WORDS, _LINK_SHARE = (
    NAMES.index(name) for name in ("in_comments_words", "in_form", "words", "link_share")
)
MIN_COMMENT_WORDS: Final = 5
"""Shorter blocks among comments are names, dates and buttons. Ours."""


def _comments(asked: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Prose in what the page's own names call comments: blocks of some words, less than a third of them links."""
    is_prose: NDArray[np.bool_] = (asked[_WORDS] >= MIN_COMMENT_WORDS) & (3 * asked[_LINK_SHARE] < 1024)
    is_prose &= (asked[_IN_COMMENTS] == 1) & (asked[_IN_FORM] == 0)
    return is_prose
