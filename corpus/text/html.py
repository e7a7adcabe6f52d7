"""A page's HTML to the text a reader came for (all of it when that is too little), or to what a WET file has of it.

Both by resiliparse. Scripts, styles, comments, list bullets, alternative texts, link targets and what form fields hold
stay out.
"""

import re

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

MIN_MAIN_CHARS = 250
"""Ours, measured on WCXB: word F1 .785 without the fallback and .850 with it, mostly on product and listing pages."""
MAX_NESTING = 512
"""Deeper nesting of `div` and `article` loses the main content and keeps the full text. Chrome builds no deeper tree
(kMaximumHTMLParserDOMTreeDepth); resiliparse's search for the main content takes time in the square of it: 0.05 s at
2,000, 25 s at 20,000."""
MANY_TAGS = 4_000
"""Only pages with more `<` have their nesting measured: below it a page of nothing but nesting takes under a second."""

NOT_SHOWN = ("input", "textarea", "noembed", "noframes")
"""Left out of all text: the first two hold what forms are filled with, in the others scripts are mere characters."""

_SLOW_TAG = re.compile(r"<(/?)(?:div|article)\b", re.IGNORECASE)
_BUTTON = re.compile(r"<(/?)button\b", re.IGNORECASE)


def main_text(html: str, *, min_main_chars: int = MIN_MAIN_CHARS) -> str:
    """The main text, with line breaks as laid out and blanks around it off; "" when nothing is to be read.

    Limits: a tag with over 20,000 attributes takes seconds (the parser's search for duplicates); main content or
    full text is chosen by length alone.
    """
    tree = HTMLTree.parse(html)
    if not _nests_too_deep(html):
        main = _plain(tree, main_content=True)
        if len(main) >= min_main_chars:
            return main
    return _plain(tree)


def all_text(html: str) -> str:
    """The title and all text of the page, a line a block, in the order of the page; "" when the body holds none.

    This is what a WET file has (Common Crawl's ia-web-commons, ExtractingParseObserver): navigation and footers, the
    words on labels, options and buttons, hidden elements, `noscript` (the warnings for which C4 has a rule). Unlike
    there a row of a table is one line, blanks in `pre` are single, and drawings (`svg`) and text areas are out. A title
    with a "<" was not closed where it should be, and may hold scripts: it is left out.
    """
    # resiliparse would set a button's words in brackets; to a WET file a button is a block like any other
    tree = HTMLTree.parse(_BUTTON.sub(r"<\1div", html))
    body = _plain(tree, as_wet=True)
    title = tree.title or ""
    blocks = [title if body and "<" not in title else "", *body.split("\n")]
    return "\n".join(line for block in blocks if (line := " ".join(block.split())))


def _plain(tree: HTMLTree, *, main_content: bool = False, as_wet: bool = False) -> str:
    text: str = extract_plain_text(
        tree,
        main_content=main_content,
        list_bullets=False,
        alt_texts=False,
        links=False,
        form_fields=as_wet,
        noscript=as_wet,
        comments=False,
        skip_elements=NOT_SHOWN if as_wet else (),
    )
    return text.strip()


def _nests_too_deep(html: str) -> bool:
    if html.count("<") <= MANY_TAGS:
        return False
    depth = 0
    for closing in _SLOW_TAG.findall(html):
        depth += -1 if closing else 1
        if depth > MAX_NESTING:
            return True
    return False
