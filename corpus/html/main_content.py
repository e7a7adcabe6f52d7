"""A page's HTML to the text a reader came for, or all of it when that is too little; by resiliparse.

Scripts, styles, comments, list bullets, alternative texts, link targets and what form fields hold stay out.
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

NOT_SHOWN = ("select", "noembed", "noframes")
"""Left out: options take time in the square of their number, and in the others scripts are mere characters."""

_SLOW_TAG = re.compile(r"<(/?)(?:div|article)\b", re.IGNORECASE)


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


def _plain(tree: HTMLTree, *, main_content: bool = False) -> str:
    text: str = extract_plain_text(
        tree,
        main_content=main_content,
        list_bullets=False,
        alt_texts=False,
        links=False,
        form_fields=False,
        noscript=False,
        comments=False,
        skip_elements=NOT_SHOWN,
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
