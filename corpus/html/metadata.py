"""What a page says of itself: its title, language, author and date of publication, from its tags.

Which word counts is measured on the gold of 1,900 pages. The names of `<meta>` are those of Open Graph, Dublin Core,
Highwire (citation_*), PRISM, parse.ly, Sailthru, Cxense and schema.org.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from corpus.html.dates import iso_date
from corpus.html.linked_data import LinkedData, linked_data
from corpus.html.lookup import table
from corpus.html.markup import Mark, Markup, Said, Span, asked, cleaned, words
from corpus.html.tags import (
    CLASS,
    CONTENT,
    DATETIME,
    HTTP_EQUIV,
    ID,
    ITEMPROP,
    LANG,
    NAME,
    NAMES,
    NUMBER,
    PROPERTY,
    REL,
    TYPE,
)
from corpus.html.titles import best_title, unclosed, without_site
from corpus.html.tokens import Tokens

MAX_TITLE_CHARACTERS: Final = 512
MAX_HEADINGS: Final = 8
NEAR_TOKENS: Final = 80
"""A date that nothing marks counts where it stands at most so many tokens from a heading. On 1,060 pages with gold
dates 63 more are right so, and 12 pages that have none get one; without the bound 14 more, and 38."""
MAX_DATE_BYTES: Final = 64
"""And in a text that is not much longer than it."""
MAX_AUTHORS: Final = 16
MAX_AUTHOR_CHARACTERS: Final = 128
"""Of one name: a longer one is no name."""
MAX_BYLINE_CHARACTERS: Final = 64
"""Of an element that is marked as the author's: longer ones hold more than a name."""

_TITLE: Final = (b"og:title", b"twitter:title", b"dc.title", b"citation_title")
_SITE: Final = (b"og:site_name",)
_LANGUAGE: Final = (b"content-language", b"og:locale", b"dc.language", b"inlanguage")
_AUTHOR: Final = tuple(
    b"citation_author dc.creator dcterms.creator parsely-author sailthru.author author article:author "
    b"og:article:author byl cxenseparse:author creator".split()
)
_DATE: Final = tuple(
    b"article:published_time og:article:published_time datepublished parsely-pub-date sailthru.date dcterms.issued "
    b"dc.date.issued dcterms.created dc.date.created citation_publication_date citation_date citation_online_date "
    b"prism.publicationdate cxenseparse:recs:publishtime article:published pubdate publishdate publish_date "
    b"publish-date published published_at pub_date bt:pubdate og:published_time og:publish_date dc.date dcterms.date "
    b"date datecreated uploaddate".split()
)
"""All likeliest first. Not the times of the last change: where nothing else is said they were never right."""
_LINKED_DATA: Final = tuple(
    b"application/ld+json" + charset for charset in (b"", b";charset=utf-8", b"; charset=utf-8")
)
_NAMES: Final = (*_TITLE, *_SITE, *_LANGUAGE, *_AUTHOR, *_DATE, *_LINKED_DATA)
_TABLE: Final = table({name: number for number, name in enumerate(_NAMES)})
_NAMING: Final = 1 << PROPERTY | 1 << NAME | 1 << ITEMPROP | 1 << HTTP_EQUIV | 1 << TYPE
_ASKED: Final = asked(
    dict.fromkeys(("meta", "script", "title", "h1", "h2"), CONTENT) | {"html": LANG, "time": DATETIME},
    only_named=("meta", "script"),
)
_WORDS: Final = words(b"author", b"byline", b"date", b"publish", b"posted", b"time")
_PUBLISHED: Final = _NAMES.index(b"datepublished")
_AUTHOR_WORDS, _DATE_WORDS = _WORDS.bits[:2], _WORDS.bits[2:]
_MARKING: Final = 1 << ITEMPROP | 1 << CLASS | 1 << ID | 1 << REL


@dataclass(frozen=True)
class Metadata:
    """Texts with single blanks and without control characters; None where the page says nothing.

    `title` has at most 512 characters; `language` is the primary subtag of a language tag (BCP 47) in lower case;
    `author` has up to 16 names of up to 128 characters, joined by "; "; `date` is the day of publication, YYYY-MM-DD.
    """

    title: str | None
    language: str | None
    author: str | None
    date: str | None


def metadata(page: NDArray[np.uint8] | bytes, tokens: Tokens) -> Metadata:
    """What this page, whose tokens these are, says of itself."""
    head = _head(Markup(page, tokens))
    return Metadata(_title(head), _language(head), _author(head), _date(head))


@dataclass(frozen=True)
class _Head:
    """What is said for programs to read: contents of `<meta>` by name, and tags of the other elements."""

    markup: Markup
    contents: Mapping[bytes, list[Span]]
    tags: Mapping[str, list[Said]]
    linked: LinkedData

    def said(self, names: Iterable[bytes]) -> Iterator[str]:
        """Contents of the `<meta>` of these names, in their order."""
        return (value for name in names for span in self.contents.get(name, ()) if (value := self.markup.value(*span)))

    @cached_property
    def marks(self) -> list[Mark]:
        """Values of attributes that speak of an author or a date."""
        return self.markup.marked(_WORDS, _MARKING)

    def marked(self, bits: Iterable[int]) -> Iterator[Mark]:
        """The marks by these words, in the words' order."""
        return (mark for bit in bits for mark in self.marks if mark[3] & bit)


def _head(markup: Markup) -> _Head:
    contents, tags = defaultdict(list), defaultdict(list)
    for said in markup.said(_ASKED, _TABLE, _NAMING):
        element, name, _, begin, end = said
        if element == NUMBER["meta"]:
            contents[_NAMES[name]].append((begin, end))
        else:
            tags[NAMES[element]].append(said)
    scripts = [markup.whole(begin, end) for _, _, _, begin, end in tags["script"]]
    return _Head(markup, contents, tags, linked_data(scripts))


def _title(head: _Head) -> str | None:
    markup = head.markup
    full = next((markup.value(begin, end) for _, _, _, begin, end in head.tags["title"]), "")
    full = "" if unclosed(full) else full
    named = [cleaned(head.linked.headline or ""), *head.said(_TITLE), full]
    headings = [markup.text(row) for _, _, row, _, _ in head.tags["h1"][:MAX_HEADINGS]]
    chosen = best_title(
        [without_site(name) if name == full else name for name in named if name],
        [heading for heading in headings if heading],
        next(head.said(_SITE), ""),
    )
    return chosen[:MAX_TITLE_CHARACTERS].rstrip() if chosen else None


_LANGUAGE_TAG: Final = re.compile(r"([a-z]{2,3})(?:[-_][a-z0-9]{1,8})*(?:\s?[,;].*)?", re.IGNORECASE | re.ASCII)
_RENAMED: Final = {"iw": "he", "in": "id", "ji": "yi", "jw": "jv", "mo": "ro", "nb": "no"}
"""IANA's registry of subtags has new names for these; Bokmål is "no" to lid.176."""
_NO_LANGUAGE: Final = frozenset({"und", "mul", "mis", "zxx"})
"""Undetermined, several, uncoded, none (ISO 639-2)."""


def _language(head: _Head) -> str | None:
    declared = (head.markup.value(begin, end) for _, _, _, begin, end in head.tags["html"])
    for value in (*declared, *head.said(_LANGUAGE)):
        if (found := _LANGUAGE_TAG.fullmatch(value)) and (code := found[1].lower()) not in _NO_LANGUAGE:
            return _RENAMED.get(code, code)
    return None


def _date(head: _Head) -> str | None:
    return next((day for text in _dated(head) if (day := iso_date(text))), None)


def _dated(head: _Head) -> Iterator[str]:
    """Texts that may hold the date, the likeliest first."""
    yield head.linked.published or ""
    yield from head.said(_DATE)
    markup = head.markup
    for _, _, row, begin, end in sorted(head.tags["time"], key=lambda time: time[1] != _PUBLISHED):
        yield markup.value(begin, end) if begin else markup.text(row)
    yield from (markup.text(row) for row, *_ in head.marked(_DATE_WORDS))
    for _, _, row, _, _ in (head.tags["h1"] or head.tags["h2"])[:MAX_HEADINGS]:
        yield from markup.years_near(row, NEAR_TOKENS, MAX_DATE_BYTES)


_ADDRESS: Final = re.compile(r"https?:|//|www\.|@|\.(?:com|org|net|de)\b", re.IGNORECASE)
_BY: Final = re.compile(
    r"(?:(?:[\w ]{1,24}\s)?(?:posts|beiträge|written|posted|published)\s)?(?:by|von|par|por)[\s:]+|"
    r"(?:author|autor|text)\s?:\s?",
    re.IGNORECASE,
)
"""What stands before a name in English, German, French, Spanish and Portuguese."""
_NOBODY: Final = frozenset({"admin", "administrator", "anonymous", "editor", "guest", "no author", "unknown"})
_BYLINE: Final = re.compile(r"(?:^|[-_\s])(?:author|byline)(?:[-_]+name)?(?!\S)")
"""A class or id that ends so: "author", "post-author", "entry__author-name"."""


def _author(head: _Head) -> str | None:
    return next(("; ".join(names) for said in _authors(head) if (names := _names(said))), None)


def _authors(head: _Head) -> Iterator[Iterable[str]]:
    """Lists of names, the likeliest first."""
    yield map(cleaned, head.linked.authors)
    yield from (head.said((name,)) for name in _AUTHOR if name in head.contents)
    yield from ((text,) for text in _bylines(head))


def _bylines(head: _Head) -> Iterator[str]:
    """Texts of what is marked as the author: by rel or itemprop, then by class or id."""
    markup = head.markup
    values = ((row, markup.value(begin, end).lower()) for row, begin, end, _ in head.marked(_AUTHOR_WORDS))
    marked = sorted((mark for mark in values if _BYLINE.search(mark[1])), key=lambda mark: mark[1] != "author")
    texts = (markup.text(row) for row, _ in marked)
    return (text for text in texts if len(text) <= MAX_BYLINE_CHARACTERS and not re.search(r"\d", text))


def _names(values: Iterable[str]) -> list[str]:
    """Those that are names, each once."""
    names = (value[before.end() :] if (before := _BY.match(value)) else value for value in values)
    kept = (
        name
        for name in names
        if 0 < len(name) <= MAX_AUTHOR_CHARACTERS and not _ADDRESS.search(name) and name.casefold() not in _NOBODY
    )
    return list(dict.fromkeys(kept))[:MAX_AUTHORS]
