"""Elements and runs: what is open when a text comes, what is hidden, and that no page makes it slow."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.html.layout import (
    BLOCK_OF,
    CODE_MARK,
    DEPTH,
    EDGE,
    ELEMENT,
    FLAGS,
    FORMULA_MARK,
    IN,
    IS_ARIA_HIDDEN,
    IS_HIDDEN,
    IS_PRE,
    LINK_OF,
    MARK,
    MAX_DEPTH,
    MAX_WORDS,
    PARENT,
    RUN,
    SHAPE,
    SPAN_FROM,
    SPAN_TO,
    VERBATIM,
    WHAT,
    WORDS_FROM,
    WORDS_TO,
    Layout,
    laid_out,
)
from corpus.html.lookup import fnv1a
from corpus.html.tags import BLOCK, NAMES, NUMBER, PROPERTIES, WITH_OPTIONS
from corpus.html.tokens import OPEN, Tokens, tokenized

PIECES = (
    *(
        "<p>",
        "</p>",
        "<div class='a-b'>",
        "</div>",
        "<b>",
        "</b>",
        "<a href=x>",
        "</a>",
        "<br>",
        "<hr>",
        "x",
        " ",
        "&lt;",
    ),
    *("<ul>", "<li>", "</li>", "</ul>", "<dl>", "<dt>", "<dd>", "<table>", "<tr>", "<td>", "</table>", "<h1>", "<h2>"),
    *("<button>", "</button>", "<pre>", "</pre>", "<code>", "</code>", "<svg>", "</svg>", "<select>", "<option>"),
    *(
        "<math>",
        "</math>",
        "<annotation encoding=application/x-tex>",
        "<head>",
        "<body>",
        "</body>",
        "<html>",
        "</html>",
    ),
    *("<noscript>", "</noscript>", "<title>", "</title>", "<template>", "<span hidden>", "<p style=display:none>"),
)


def layout(page: str, *, options: bool = False) -> Layout:
    source = np.frombuffer(page.encode(), np.uint8)
    return laid_out(source, tokenized(source), WITH_OPTIONS if options else PROPERTIES)


def path(page: Layout, element: int) -> str:
    """Names from the root to the element."""
    names = []
    while element:
        names.append(NAMES[page.elements[element, ELEMENT]] or "?")
        element = int(page.elements[element, PARENT])
    return "/".join(reversed(names))


@dataclass(frozen=True)
class Text:
    """A piece of text and where it is."""

    words: str
    path: str
    flags: int
    link: bool


def texts(page: str, *, options: bool = False) -> list[Text]:
    """Texts that are not blank, marks as [c] and [f]."""
    found, source = layout(page, options=options), page.encode()
    shown = {CODE_MARK: "[c]", FORMULA_MARK: "[f]"}
    made = []
    for what, begin, end, element in found.runs.tolist():
        words = shown[begin] if what == MARK else source[begin:end].decode().strip() if what in (RUN, VERBATIM) else ""
        if words:
            row = found.elements[element]
            made.append(Text(words, path(found, element), int(row[FLAGS]), bool(row[LINK_OF])))
    return made


@pytest.mark.parametrize(
    ("page", "paths"),
    [
        ("x", [""]),
        ("<p>x<p>y", ["p", "p"]),
        ("<p>x<div>y", ["p", "div"]),
        ("<p><b>x<div>y", ["p/b", "div"]),
        ("<p>x</div>y", ["p", "p"]),
        ("<div><p>x</div>y", ["div/p", ""]),
        ("<p><button><p>x", ["p/button/p"]),
        ("<h1>x<h2>y", ["h1", "h2"]),
        ("<ul><li>x<li>y<ul><li>z</ul>w", ["ul/li", "ul/li", "ul/li/ul/li", "ul/li"]),
        ("<li>x<div><li>y", ["li", "li"]),
        ("<dl><dt>x<dd>y<dt>z", ["dl/dt", "dl/dd", "dl/dt"]),
        ("<table><tr><td>x<td>y<tr><th>z", ["table/tr/td", "table/tr/td", "table/tr/th"]),
        ("<table><thead><tr><td>x<tbody><tr><td>y", ["table/thead/tr/td", "table/tbody/tr/td"]),
        ("<table><tr><td><table><tr><td>x</table>y<td>z", ["table/tr/td/table/tr/td", "table/tr/td", "table/tr/td"]),
        ("<table><tr><td><p>x</tr></table>y", ["table/tr/td/p", ""]),
        ("<td>x</table>y", ["td", "td"]),
        ("<a>x<a>y", ["a", "a"]),
        ("<div><a>x</div>y", ["div/a", ""]),
        ("<a><div>x</a>y", ["a/div", ""]),
        ("<b><p>x</b>y", ["b/p", "b/p"]),
        ("<button>x<button>y", ["button", "button"]),
        ("<html><head></head><body>x</body>y</html>z", ["html/body"] * 3),
        ("<body>x<html><body>y", ["body", "body"]),
        ("<x-card>x</x-card>y", ["?", ""]),
        ("<br>x<hr>y<img>z", ["", "", ""]),
    ],
)
def test_elements_that_are_open(page: str, paths: list[str]) -> None:
    assert [text.path for text in texts(page)] == paths


@pytest.mark.parametrize(
    ("page", "seen"),
    [
        ("<title>x</title><style>x</style><script>x</script>y", "y"),
        ("<template><p>x</template>y", "y"),
        ("<svg><text>x</text></svg>y", "y"),
        ("<svg><g>x<p>y", ""),
        ("<select><option>x<option>y</select>z", "z"),
        ("<textarea>x</textarea>y<video>x</video><iframe>x</iframe>z", "y z"),
        ("<noscript>x</noscript>y", "y"),
        ("<plaintext>x</plaintext>", "x</plaintext>"),
    ],
)
def test_what_is_not_shown(page: str, seen: str) -> None:
    assert " ".join(text.words for text in texts(page)) == seen


def test_options_are_text_where_they_are_wanted() -> None:
    assert [text.words for text in texts("<select><option>x<option>y</select>z", options=True)] == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("tag", "flags"),
    [
        ("<div>", 0),
        ("<div hidden>", IS_HIDDEN),
        ("<div style='color:red; DISPLAY : none'>", IS_HIDDEN),
        ("<div style='display:block'>", 0),
        ("<div style='disdisplay:none'>", IS_HIDDEN),
        ("<div aria-hidden=true>", IS_ARIA_HIDDEN),
        ("<div aria-hidden=false>", 0),
        ("<div aria-hidden hidden>", IS_HIDDEN),
        ("<pre>", IS_PRE),
        ("<listing hidden>", IS_PRE | IS_HIDDEN),
    ],
)
def test_flags_are_inherited(tag: str, flags: int) -> None:
    assert [text.flags for text in texts(f"{tag}x<b>y</b>")] == [flags, flags]


def test_links_and_code() -> None:
    assert [(text.words, text.link) for text in texts("<p>x <a>y <b>z</b></a> <code>w</code>")] == [
        ("x", False),
        ("y", True),
        ("z", True),
        ("[c]", False),
        ("w", False),
        ("[c]", False),
    ]


def test_words_of_an_element() -> None:
    found = layout("<p class='articleBody-2  h1' id=main itemprop=author><p class=articleBody-3 role=main>")
    words = {int(word) for word in found.words}
    for word in (b"article", b"body", b"main"):
        assert fnv1a(word) in words
    assert fnv1a(b"author") not in words, "what itemprop says is another word than that of a class"
    first, second = found.elements[1:3]
    assert first[WORDS_TO] == second[WORDS_FROM], "each element has its own"
    many = layout(f"<p class='{' '.join(f'w{chr(97 + k)}x' for k in range(26))}' id=last>")
    assert many.elements[1, WORDS_TO] - many.elements[1, WORDS_FROM] == MAX_WORDS


def test_shapes_are_those_of_classes_without_digits() -> None:
    shapes = layout("<p class=post-1><p class=post-22><p class=past-1><p><b class=post-1>").elements[1:, SHAPE].tolist()
    assert shapes[0] == shapes[1]
    assert len(set(shapes)) == 4


TEX = "<annotation encoding=application/x-tex>x^2</annotation>"


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (f"a<math><semantics><mi>x</mi>{TEX}</semantics></math>b", "a [f] x^2 [f] b"),
        ("a<math alttext='x^2'><mi>x</mi></math>b", "a [f] x^2 [f] b"),
        ("<math><mi>x</mi></math>b", "x b"),
        ("<math><annotation encoding=text/plain>y</annotation><mi>x</mi></math>", "y x"),
        (f"<math><mi>x</mi></math><math>{TEX}</math>", "x [f] x^2 [f]"),
        (f"<math><mi>x{TEX}", "x x^2"),
        (f"<svg><math>{TEX}</math></svg>b", "b"),
        (f"<b><i><math>{TEX}</math></i><i aria-hidden=true>x2</i></b>c", "[f] x^2 [f] c"),
        ("<b><i>x</i><i aria-hidden=true>x2</i></b>c", "x x2 c"),
    ],
)
def test_formulas(page: str, words: str) -> None:
    assert " ".join(text.words for text in texts(page)) == words


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 200_000,
        "<div><p>" * 50_000 + "</x></p>" * 50_000,
        "<b>" * 100_000 + "</i>" * 100_000,
        "<math>" * 200_000 + "</math>",
        "<math>" * 100_000,
        "<math></math>" * 50_000,
        "<a><table><td>" * 50_000,
        "<p class='" + "a-" * 500_000 + "'>",
        "<p class=a>" * 300_000,
        "<li>" * 200_000,
    ],
    ids=lambda page: page[:14],
)
def test_pages_made_to_be_slow(page: str) -> None:
    """Each takes a blink; in time that grew with the square of its length it would take a minute."""
    check(page, layout(page + "x"))


def test_elements_that_are_too_deep_are_not_opened() -> None:
    (text,) = texts("<div>" * 2 * MAX_DEPTH + "x")
    assert text.path.count("div") == MAX_DEPTH - 1


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join) | st.text(max_size=60))
def test_laws(page: str) -> None:
    check(page, layout(page))


def check(page: str, found: Layout) -> None:
    """What holds of every page: a tree in the page's order, runs in its order, and borders around every block."""
    elements, runs = found.elements, found.runs
    parents = elements[1:, PARENT]
    assert (parents < np.arange(1, len(elements))).all()
    assert (elements[1:, DEPTH] == elements[parents, DEPTH] + 1).all()
    assert (elements[1:, FLAGS] & elements[parents, FLAGS] == elements[parents, FLAGS]).all()
    is_block = (PROPERTIES[elements[1:, ELEMENT]] & BLOCK) > 0
    own = np.arange(1, len(elements))
    assert (elements[1:, BLOCK_OF] == np.where(is_block, own, elements[parents, BLOCK_OF])).all()
    is_link = elements[1:, ELEMENT] == NUMBER["a"]
    assert (elements[1:, LINK_OF] == np.where(is_link, own, elements[parents, LINK_OF])).all()
    assert (elements[1:, WORDS_FROM] == elements[:-1, WORDS_TO]).all()
    assert elements[-1, WORDS_TO] == len(found.words)
    assert (runs[:, IN] < len(elements)).all()
    assert runs[-1, WHAT] == EDGE
    written = runs[(runs[:, WHAT] == RUN) | (runs[:, WHAT] == VERBATIM)]
    assert (written[:, SPAN_FROM] <= written[:, SPAN_TO]).all()
    if "math" in page:  # TeX may stand in an attribute, before text
        return
    assert (written[1:, SPAN_FROM] >= written[:-1, SPAN_TO]).all()
    if "<a" not in page and len(elements) < MAX_DEPTH:  # a link that ends another leaves its paragraph's line
        places = elements[written[:, IN], BLOCK_OF]
        borders = np.cumsum(runs[:, WHAT] == EDGE)[(runs[:, WHAT] == RUN) | (runs[:, WHAT] == VERBATIM)]
        assert (np.diff(borders)[np.diff(places) != 0] > 0).all()


def test_tokens_of_nothing() -> None:
    nothing = Tokens(np.empty((0, 6), np.int32), np.empty((0, 3), np.int32))
    found = laid_out(np.empty(0, np.uint8), nothing)
    assert (len(found.elements), len(found.words), found.runs[:, WHAT].tolist()) == (1, 0, [EDGE])
    assert OPEN not in found.elements[0]
