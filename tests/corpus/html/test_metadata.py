"""What a page says of itself: each source, their order, and that no page breaks the reader or gets past its bounds."""

import json
import unicodedata
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.html.learn.gold import gold_pages
from corpus.html.metadata import (
    MAX_AUTHOR_CHARACTERS,
    MAX_AUTHORS,
    MAX_TITLE_CHARACTERS,
    Metadata,
    metadata,
)
from corpus.html.tokens import tokenized

NOTHING = Metadata(None, None, None, None)


def of(page: str | bytes) -> Metadata:
    payload = page.encode() if isinstance(page, str) else page
    return metadata(payload, tokenized(np.frombuffer(payload, np.uint8)))


def linked(*nodes: object) -> str:
    return "".join(f"<script type='application/ld+json'>{json.dumps(node)}</script>" for node in nodes)


def check(said: Metadata) -> None:
    """What holds of every page."""
    for value in (said.title, said.author):
        if value is not None:
            assert value == " ".join(value.split()) != ""
            assert not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in value)
    assert said.title is None or len(said.title) <= MAX_TITLE_CHARACTERS
    assert said.author is None or len(said.author) <= MAX_AUTHORS * (MAX_AUTHOR_CHARACTERS + 2)
    assert said.language is None or (
        said.language.isascii() and said.language.islower() and len(said.language) in (2, 3)
    )
    assert said.date is None or 1990 <= date.fromisoformat(said.date).year <= 2100


# ---- whole pages


def test_page_that_says_all() -> None:
    page = """<!DOCTYPE html><html lang="de-AT"><head><title>K&ouml;nig Fu&szlig;ball | Die Zeitung</title>
    <meta property="og:title" content="K&ouml;nig Fu&szlig;ball"><meta name=author content="Von Anna&nbsp;Muster">
    <meta property="article:published_time" content="2019-12-01T23:59:00+01:00"></head>
    <body><h1>König  <em>Fußball</em></h1></body></html>"""
    assert of(page) == Metadata("König Fußball", "de", "Anna Muster", "2019-12-01")
    assert metadata(np.frombuffer(page.encode(), np.uint8), tokenized(np.frombuffer(page.encode(), np.uint8))) == of(
        page
    )


@pytest.mark.parametrize(
    "page", ["", "<", "text", "<html>", "<title>", "<title></title><h1></h1>", "<meta name=author>"]
)
def test_page_that_says_nothing(page: str) -> None:
    assert of(page) == NOTHING


def test_attributes_of_a_tag_that_the_page_ends_in_are_nothing() -> None:
    assert of("<p>x<meta name=author content='Anna Muster'") == NOTHING
    assert of("<p class=author") == NOTHING


@given(st.binary(max_size=500))
def test_any_bytes(page: bytes) -> None:
    check(of(page))


MARKS = ("<title>{}</title>", "<h1>{}</h1>", "<html lang='{}'>", "<time datetime='{}'>", "<b class=author>{}</b>")
NAMES = ("og:title", "author", "date", "og:locale", "article:published_time", "citation_author")


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*MARKS, *(f"<meta name={name} content='{{}}'>" for name in NAMES)]),
            st.text(max_size=20) | st.from_regex(r"&#x?[0-9a-f]{0,8};?", fullmatch=True),
        ),
        max_size=8,
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["@type", "@id", "@graph", "author", "name", "headline", "datePublished"]), inner
            )
        ),
    ),
)
def test_any_values(marks: list[tuple[str, str]], node: object) -> None:
    page = "".join(mark.format(value) for mark, value in marks) + linked(node)
    check(of(page.encode("utf-8", "replace")))


@pytest.mark.parametrize(
    "page",
    [
        "<title>" + "x" * 1_000_000,
        "<title>" + "&amp;" * 100_000,
        "<title>&#" + "1" * 100_000 + ";</title>",
        "<h1>" * 100_000,
        "<h1>" + "<b>x" * 100_000,
        "<meta name=author content='Anna " + "x" * 500_000 + "'>",
        "<meta name=author content=Anna>" * 50_000,
        "<b class='author' id='author'>A " * 50_000,
        "<i class='" + "date " * 100_000 + "'>1.1.2020</i>",
        "<time>" * 50_000,
        "<html lang='" + "en-" * 100_000 + "'>",
        "<meta name='" + " " * 500_000 + "author' content=Anna>",
        "<script type=application/ld+json>" + "[" * 500_000,
        "<script type=application/ld+json>" + '{"@graph":' * 90_000,
        "<script type=application/ld+json>" + "9" * 500_000 + "</script>",
        "<script type=application/ld+json>" + " " * 1_000_000 + "</script>",
        "<script type=application/ld+json>[" + "[[]]," * 100_000 + "1]</script>",
        linked({"@type": "Article", "author": [{"name": ["Anna Muster"] * 1_000}] * 1_000}),
        linked({"@type": "Article", "author": {"@id": "a"}}, {"@id": "a", "name": {"@id": "a"}}),
        linked(
            {"@type": ["Article", 1, None, {}], "headline": ["\ud800\x00\x1f", 2], "author": 3, "datePublished": []}
        ),
    ],
    ids=lambda page: page[:40],
)
def test_pages_made_to_break_it(page: str) -> None:
    said = of(page)
    check(said)


def test_bounds() -> None:
    assert len(of("<title>" + "word " * 1_000 + "</title>").title or "") <= MAX_TITLE_CHARACTERS
    assert of(f"<meta name=author content='{'x' * (MAX_AUTHOR_CHARACTERS + 1)}'>").author is None
    names = [f"Anna {chr(97 + at // 26)}{chr(97 + at % 26)}" for at in range(100)]
    assert (of(linked({"@type": "Article", "author": names})).author or "").split("; ") == names[:MAX_AUTHORS]


# ---- titles


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<title>A long day - The Times</title>", "A long day"),
        ("<title>The Times - A long day in June</title>", "The Times - A long day in June"),
        ("<title>Well-known facts</title>", "Well-known facts"),
        ("<title>One</title><title>Two</title>", "One"),
        ("<title> \n </title><h1>Words</h1>", "Words"),
        ("<meta property=og:title content='Said &amp; done'>", "Said & done"),
        ("<title>A long day | Times</title><h1>Times</h1>", "A long day"),
        ("<meta property=og:title content='A long day'><h1>Times</h1><h1>A long day</h1>", "A long day"),
        ("<meta property=og:title content='Day'><h1>The day in June</h1><h1>Day</h1>", "Day"),
        ("<meta property=og:title content='Ten ways to cook'><h1>Ten ways to cook rice</h1>", "Ten ways to cook rice"),
        ("<meta property=og:title content='Ten ways to cook'><h1>Newsletter</h1>", "Ten ways to cook"),
        ("<title>x</title><svg><title>Logo</title></svg>", "x"),
        ("<h1><svg><title>Logo</title></svg>Words<br>here<script>no</script></h1>", "Words here"),
        ("<h1>One<span>Two</span><div>Three</div></h1>", "OneTwo Three"),
        ("<title>\u200bzero\u00ad width\ufeff</title>", "zero width"),
        ("<title>a\x01b\x85c</title>", "a b c"),
        ("<title><b>&lt;b&gt;</b></title>", "<b><b></b>"),
    ],
)
def test_title(page: str, title: str) -> None:
    assert of(page).title == title


def test_headline_outranks_titles_but_not_the_heading_that_says_it() -> None:
    article = linked({"@type": "NewsArticle", "headline": "Rain in spring"})
    assert of("<meta property=og:title content='Wet'>" + article).title == "Rain in spring"
    assert of(f"{article}<h1>Rain in Spring!</h1>").title == "Rain in Spring!"


# ---- languages


@pytest.mark.parametrize(
    ("page", "language"),
    [
        ("<html lang=en>", "en"),
        ("<html lang='EN-us'>", "en"),
        ("<html lang=zh-Hant-TW>", "zh"),
        ("<html lang=de_DE>", "de"),
        ("<html lang=ast>", "ast"),
        ("<html lang=iw>", "he"),
        ("<html lang=nb-NO>", "no"),
        ("<html lang=''><meta http-equiv=Content-Language content='fr, en'>", "fr"),
        ("<html lang=und><meta property=og:locale content=pt_BR>", "pt"),
        ("<html lang='{{ lang }}'>", None),
        ("<html lang=english>", None),
        ("<html lang=x-default>", None),
        ("<html><p lang=en>", None),
    ],
)
def test_language(page: str, language: str | None) -> None:
    assert of(page).language == language


# ---- authors


@pytest.mark.parametrize(
    ("page", "author"),
    [
        ("<meta name=author content='Anna Muster'>", "Anna Muster"),
        ("<meta name=author content='By: Anna Muster'>", "Anna Muster"),
        ("<meta name=author content='Ursula von der Leyen'>", "Ursula von der Leyen"),
        ("<meta name=author content=admin><meta property=article:author content='Anna Muster'>", "Anna Muster"),
        ("<meta property=article:author content=https://social.example/anna>", None),
        (
            "<meta name=citation_author content=Muster,A><meta name=citation_author content=Beispiel,B>",
            "Muster,A; Beispiel,B",
        ),
        ("<a rel=author href=/anna>Anna <b>Muster</b></a>", "Anna Muster"),
        ("<a rel=author href=/anna>View all posts by Anna Muster</a>", "Anna Muster"),
        ("<span itemprop=author>Anna</span><span class=author>Berta</span>", "Anna"),
        ("<div class=author-box>About</div><p class='meta post__author-name'>Von Anna Muster</p>", "Anna Muster"),
        ("<p class=byline>Anna Muster, 1 May 2020</p>", None),
        ("<p class=byline>" + "Anna " * 20 + "</p>", None),
        ("<p class=authority>Police</p>", None),
    ],
)
def test_author(page: str, author: str | None) -> None:
    assert of(page).author == author


def test_authors_of_linked_data() -> None:
    anna, berta = {"@type": "Person", "name": "Anna Muster"}, {"@type": "Person", "name": "Berta &amp; Co"}
    article = {"@type": ["Thing", "BlogPosting"], "author": [anna, berta, "Anna Muster"]}
    meta = "<meta name=author content=Nobody>"
    assert of(meta + linked(article)).author == "Anna Muster; Berta & Co"
    graph = {"@graph": [{"@type": "Article", "author": {"@id": "#a"}}, anna | {"@id": "#a"}]}
    assert of(linked(graph)).author == "Anna Muster"
    assert of(linked({"@type": "Comment", "author": anna})).author is None
    assert (
        of(linked({"@type": "WebPage", "author": berta}, {"@type": "Article", "author": anna})).author == "Anna Muster"
    )


# ---- dates


@pytest.mark.parametrize(
    ("page", "day"),
    [
        ("<meta property=article:modified_time content=2020-01-01>", None),
        ("<meta name=date content=soon><meta name=dc.date content='2019-12-01'>", "2019-12-01"),
        ("<meta itemprop=datePublished content=2019-12-01><meta name=date content=2018-01-01>", "2019-12-01"),
        ("<time datetime=2019-12-01>today</time>", "2019-12-01"),
        ("<time>1 December 2019</time>", "2019-12-01"),
        ("<time datetime=2018-01-01></time><time itemprop=datePublished datetime=2019-12-01></time>", "2019-12-01"),
        ("<p>1 May 2001</p><span class=post-date>1. Dezember 2019</span>", "2019-12-01"),
        ("<span class=update>no day</span><p>1 May 2001</p>", None),
        ("<h1>Words</h1><p>1 December 2019</p>", "2019-12-01"),
        ("<h2>Words</h2><p>1 December 2019</p>", "2019-12-01"),
        ("<p>1 December 2019<h1>Words</h1>" + "<p>x" * 100 + "<p>1 May 2001</p>", "2019-12-01"),
        ("<h1>Words</h1>" + "<p>x" * 100 + "<p>1 December 2019</p>", None),
        ("<h1>Words</h1><p>It was on 1 December 2019 that all of them first came to see the sea.</p>", None),
    ],
)
def test_date(page: str, day: str | None) -> None:
    assert of(page).date == day


def test_dates_of_linked_data_outrank_meta() -> None:
    meta = "<meta name=date content=2018-01-01>"
    page = {"@type": "WebPage", "datePublished": "2017-01-01"}
    assert of(meta + linked(page, {"@type": "Article", "datePublished": "2019-12-01"})).date == "2019-12-01"
    assert of(meta + linked(page | {"datePublished": "yesterday"})).date == "2018-01-01"


# ---- gold


def test_gold_of_real_pages(shared_data: Path) -> None:
    """Of fundus-news: title, author and date as its publishers' parsers read them."""
    pages = list(gold_pages(shared_data / "pages" / "fundus-news"))
    said = [of(page.payload) for page in pages]
    assert (
        sum(page.date is not None and page.date[:10] == one.date for page, one in zip(pages, said, strict=True)) >= 112
    )
