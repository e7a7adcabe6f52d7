"""What start tags say: words in values as Python finds them, bounds on what is found, names with their values."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from corpus.html.lookup import ABSENT, table
from corpus.html.markup import MAX_FOUND, Markup, asked, cleaned, words
from corpus.html.tags import CLASS, CONTENT, NAME, NUMBER, PROPERTY
from corpus.html.tokens import tokenized

SEARCHED = (b"author", b"date", b"datum", b"tea")
WORDS = words(*SEARCHED)


def markup(page: str) -> Markup:
    return Markup(page.encode(), tokenized(np.frombuffer(page.encode(), np.uint8)))


@given(st.lists(st.text("authordemDATEUM-1é ", max_size=20) | st.sampled_from(["xauthorDatex", "datdate"]), max_size=9))
def test_words_are_found_as_python_finds_them(values: list[str]) -> None:
    found = markup("".join(f"<p id=tea class='{value}'>" for value in values)).marked(WORDS, 1 << CLASS)
    ends = sum(WORDS.bits)
    expected = []
    for value in values:
        bits = [bit for word, bit in zip(SEARCHED, WORDS.bits, strict=True) if word in value.lower().encode()]
        expected += [sum(bits)] if bits else []
    assert [bits & ends for _, _, _, bits in found] == expected


def test_tags_with_names() -> None:
    names = table({b"og:title": 0, b"author": 1})
    found = markup("<meta name=' AUTHOR' property=og:title content=x><meta name=other content=y><h1>z</h1></h1>").said(
        asked({"meta": CONTENT, "h1": CONTENT}, ["meta"]), names, 1 << NAME | 1 << PROPERTY
    )
    assert [(tag, name) for tag, name, *_ in found] == [
        (NUMBER["meta"], 1),
        (NUMBER["meta"], 0),
        (NUMBER["h1"], ABSENT),
    ]
    assert found[0][3:] == found[1][3:]


def test_bounds() -> None:
    many = markup("<p class=date>" * 3 * MAX_FOUND + "<h1>" * 3 * MAX_FOUND)
    assert len(many.marked(WORDS, 1 << CLASS)) == MAX_FOUND
    assert len(many.said(asked({"h1": CONTENT}, []), table({b"a": 0}), 1 << NAME)) == MAX_FOUND


@given(st.text(max_size=40))
def test_clean_texts_stay_as_they_are(text: str) -> None:
    once = cleaned(text.replace("&", ""))
    assert once == cleaned(once) == " ".join(once.split())
