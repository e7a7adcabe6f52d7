"""What an element's place says of its text: scores of its names, kinds of its ancestors, and what its subtree holds."""

from typing import Final

import numpy as np
from numba import njit

from corpus.html import text as t
from corpus.html.layout import BLOCK_OF, DEPTH, ELEMENT, PARENT, WORDS_FROM, WORDS_TO
from corpus.html.lookup import find, fnv1a, table
from corpus.html.tags import NAMES

TAG_KINDS: Final = {
    "article": "article",
    "main": "main",
    "navigation": "nav",
    "header": "header",
    "footer": "footer",
    "aside": "aside",
    "form": "form fieldset",
    "list": "ul ol dl menu",
    "item": "li dd dt",
    "table": "table",
    "figure": "figure figcaption",
    "quote": "blockquote",
    "code": "pre code",
    "button": "button label",
    "h1": "h1",
    "h2_h3": "h2 h3",
    "h4_h6": "h4 h5 h6",
    "section": "section",
    "paragraph": "p",
    "link": "a",
    "cell": "td th",
    "details": "details summary",
    "dialog": "dialog",
    "address": "address",
}
"""Kinds of ancestors, by the names of elements."""
WORD_KINDS: Final = {
    "comments": "comment comments commentlist respond disqus coment comentarios comentario kommentar kommentare "
    "kommentarer commentaires replies discussion reacties opmerkingen",
    "sidebar": "sidebar aside rail secondary widget widgets",
    "related": "related recommended recommendations more popular trending similar latest recent teaser carousel",
    "share": "share social sharing facebook twitter addthis follow",
    "menu": "nav menu navbar navigation breadcrumb breadcrumbs topbar subnav",
    "footer": "footer copyright colophon legal bottom",
    "consent": "cookie cookies consent banner popup modal gdpr overlay privacy",
    "author": "author byline bio avatar autor writer",
    "meta": "date meta tags tag time published timestamp categories category",
    "content": "content entry article body story text main artikel articlebody richtext prose markdown",
    "review": "review reviews rating ratings stars testimonial testimonials",
    "caption": "caption credit image photo gallery figure bild",
    "promotion": "newsletter subscribe signup promo ad ads advert sponsor sponsored advertisement cta donate",
    "product": "product price cart shop sku variant description specs",
    "post": "answer question post message topic thread forum qa reply postbody cooked",
}
"""Kinds of ancestors, by words of their classes and names, as designers of pages use them everywhere."""


def _bits(kinds: dict[str, str]) -> dict[str, int]:
    return {word: 1 << bit for bit, words in enumerate(kinds.values()) for word in words.split()}


TAG_KIND_OF: Final = np.array([_bits(TAG_KINDS).get(name, 0) for name in NAMES], np.int32)
WORD_KIND_OF: Final = table({word.encode(): bit for word, bit in _bits(WORD_KINDS).items()})
TAG_WORDS: Final = np.array([fnv1a(b"<" + name.encode()) for name in NAMES], np.uint32)
"""An element's name, as one more of its words."""
COMMENTS, PRODUCT = (1 << [*WORD_KINDS].index(kind) for kind in ("comments", "product"))
HEADINGS = sum(1 << [*TAG_KINDS].index(kind) for kind in ("h1", "h2_h3", "h4_h6"))
H1, H2_H3, PARAGRAPH, ARTICLE, MAIN, ITEM = (
    1 << [*TAG_KINDS].index(kind) for kind in ("h1", "h2_h3", "paragraph", "article", "main", "item")
)

OWN, PATH_SUM, PATH_LEAST, PATH_MOST, TAG_BITS, WORD_BITS, PATH, OWN_TAG_BITS = range(8)
"""Columns of places: the score of the element's own words; sum, least and most over it and its ancestors; kinds by
name and by word, of it and its ancestors; a hash of the names from the root to it; kinds of its own name."""
CHARS, LINK_CHARS, N_BLOCKS, LONG_CHARS, CANDIDATE = range(5)
"""Columns of holdings: characters, those in links, blocks and characters of long blocks in the subtree; the score of
the element as a candidate for the main content."""

LONG_BLOCK: Final = 80
"""Characters of a block that is likely to be prose, when less than a third of it is links."""


@njit(cache=True, nogil=True)
def places(elements, words, scores, tag_words, tag_kind_of, word_kind_of):  # type: ignore[no-untyped-def]
    """Shape (elements, 8), in one pass from the root; `scores` has one for each hash of a word."""
    made = np.zeros((elements.shape[0], 8), np.int32)
    mask = np.uint32(scores.shape[0] - 1)
    for e in range(1, elements.shape[0]):
        above = elements[e, PARENT]
        own = np.int32(scores[tag_words[elements[e, ELEMENT]] & mask])
        bits = made[above, WORD_BITS]
        for k in range(elements[e, WORDS_FROM], elements[e, WORDS_TO]):
            own += scores[words[k] & mask]
            kind = find(word_kind_of, words[k])
            if kind > 0:
                bits |= kind
        made[e, OWN] = own
        made[e, PATH_SUM] = made[above, PATH_SUM] + own
        made[e, PATH_LEAST] = min(made[above, PATH_LEAST], own)
        made[e, PATH_MOST] = max(made[above, PATH_MOST], own)
        made[e, OWN_TAG_BITS] = tag_kind_of[elements[e, ELEMENT]]
        made[e, TAG_BITS] = made[above, TAG_BITS] | made[e, OWN_TAG_BITS]
        made[e, WORD_BITS] = bits
        made[e, PATH] = (made[above, PATH] ^ elements[e, ELEMENT]) * np.int32(0x2545F491) + np.int32(97)
    return made


@njit(cache=True, nogil=True)
def holdings(elements, blocks):  # type: ignore[no-untyped-def]
    """Shape (elements, 5): what each subtree holds.

    The candidate's score is Readability's (Arc90, 2009; grabArticle): a paragraph gives its parent one point, one for
    each comma and up to three for its length, and half of that to its grandparent; here in 1/256 of a point.
    """
    made = np.zeros((elements.shape[0], 5), np.int32)
    for b in range(blocks.shape[0]):
        chars, links = blocks[b, t.CHARS], blocks[b, t.LINK_CHARS]
        e = blocks[b, t.ELEMENT]
        made[e, CHARS] += chars
        made[e, LINK_CHARS] += links
        made[e, N_BLOCKS] += 1
        if chars >= LONG_BLOCK and links * 3 < chars:
            made[e, LONG_CHARS] += chars
        if chars >= 25 and links * 2 < chars:
            points = 256 * (1 + blocks[b, t.COMMAS]) + min(256 * chars // 100, 768)
            parent = elements[elements[e, BLOCK_OF], PARENT]
            made[parent, CANDIDATE] += points
            made[elements[parent, PARENT], CANDIDATE] += points // 2
    for e in range(elements.shape[0] - 1, 0, -1):
        above = elements[e, PARENT]
        for k in range(CANDIDATE):
            made[above, k] += made[e, k]
    return made


@njit(cache=True, nogil=True)
def best_candidate(held):  # type: ignore[no-untyped-def]
    """The element with most points, less the share of links in its text."""
    best, most = 0, np.int64(0)
    for e in range(held.shape[0]):
        if held[e, CANDIDATE] == 0:  # most have none, and dividing takes time
            continue
        points = np.int64(held[e, CANDIDATE]) * (held[e, CHARS] - held[e, LINK_CHARS]) // (held[e, CHARS] + 1)
        if points > most:
            best, most = e, points
    return best


@njit(cache=True, nogil=True)
def container(elements, held):  # type: ignore[no-untyped-def]
    """The deepest element that holds seven tenths of the page's long blocks."""
    found = 0
    for e in range(1, elements.shape[0]):
        if 10 * held[e, LONG_CHARS] >= 7 * held[0, LONG_CHARS] > 0 and elements[e, DEPTH] >= elements[found, DEPTH]:
            found = e
    return found


@njit(cache=True, nogil=True)
def ancestors(elements, element):  # type: ignore[no-untyped-def]
    """Which elements are this one or above it."""
    found = np.zeros(elements.shape[0], np.bool_)
    while element > 0:
        found[element] = True
        element = elements[element, PARENT]
    found[0] = True
    return found


@njit(cache=True, nogil=True)
def page_kinds(words, weights):  # type: ignore[no-untyped-def]
    """How much the page's words, each counted once, speak for each kind of page; `weights` has shape (2^k + 1, kinds),
    its last row what every page begins with. Divided by the square root of the number of words."""
    mask = np.uint32(weights.shape[0] - 2)
    seen = np.zeros(weights.shape[0] - 1, np.bool_)
    sums = np.zeros(weights.shape[1], np.int64)
    n = 1
    for k in range(words.shape[0]):
        place = words[k] & mask
        if not seen[place]:
            seen[place] = True
            n += 1
            for kind in range(sums.shape[0]):
                sums[kind] += weights[place, kind]
    root = np.sqrt(np.float64(n))  # exact to the last bit on every machine (IEEE 754)
    found = np.empty(sums.shape[0], np.int32)
    for kind in range(sums.shape[0]):
        found[kind] = np.int32(sums[kind] / root) + weights[weights.shape[0] - 1, kind]
    return found
