"""What trafilatura takes for a page's main text, for tier `best`."""

import logging
from typing import Final

import numpy as np
import trafilatura
from lxml.html import HtmlElement, HTMLParser, document_fromstring

from corpus.html.page import Page
from corpus.html.tokens import EMPTY, KIND, OPEN

MAX_TAGS: Final = 2**15
"""Pages with more have no text: trafilatura takes up to 0.2 ms a tag, in long text deep down. The largest of 1,700 gold
pages has 10,000."""
MAX_SEARCH: Final = 2**26
"""Characters that its search for forums goes through in one script, 0.1 s: it begins anew at every "@type", in square
time. A script that needs more is emptied."""
_PARSER: Final = HTMLParser(
    collect_ids=False, default_doctype=False, encoding="utf-8", remove_comments=True, remove_pis=True
)
"""As trafilatura sets it up."""


def peer_text(page: Page) -> str:
    """Trafilatura's plain text without readers' comments; "" where it finds none, raises, or has too many tags to read.

    It is handed a parsed tree, for two of its repairs of a page's first characters take time in the square of their
    length. Limits: a tag with over 20,000 attributes takes seconds (the parser's search for duplicates).
    """
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # it warns of every page that it gives up
    kinds = page.tokens.tokens[:, KIND]
    if np.count_nonzero((kinds == OPEN) | (kinds == EMPTY)) > MAX_TAGS:
        return ""
    try:
        tree = document_fromstring(page.source.tobytes(), parser=_PARSER)
        _bound(tree)
        return trafilatura.extract(tree, include_comments=False, fast=True) or ""
    except Exception:  # whatever it raises, it has no text
        return ""


def _bound(tree: HtmlElement) -> None:
    for script in tree.iter("script"):
        told = script.text or ""
        if told.count('"@type"') * len(told) > MAX_SEARCH:
            script.text = None
