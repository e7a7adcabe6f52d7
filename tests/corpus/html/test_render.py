"""Blocks as plain text and as Markdown: headings, lists, tables, code, formulas, quotations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.html.outline import ALONE, CELL, HEADING, ITEM, LISTS, ORDERED, PRE, QUOTES, ROW, TABLE, outline
from corpus.html.page import scanned
from corpus.html.render import markdown, plain


def rendered(page: str | bytes, *, form: str = "markdown", without: tuple[int, ...] = ()) -> str:
    """The whole page, or what is left when these blocks are not taken."""
    found = scanned(page.encode() if isinstance(page, str) else page)
    outlined = outline(found.layout.elements, found.found.blocks)
    taken = np.ones(len(outlined), np.bool_)
    taken[list(without)] = False
    return (markdown if form == "markdown" else plain)(found.found, outlined, taken)


# ---- outline


def outlined(page: str, *columns: int) -> list[list[int]]:
    found = scanned(page.encode())
    rows: list[list[int]] = outline(found.layout.elements, found.found.blocks)[:, list(columns)].tolist()
    return rows


def test_outline() -> None:
    assert outlined("<h3>a</h3><p>b", HEADING) == [[3], [0]]
    assert outlined("<ul><li>a<ol><li>b</ol>c</ul>", LISTS, ORDERED) == [[1, 0], [2, 1], [1, 0]]
    first, inner, last = (item for (item,) in outlined("<ul><li>a<ul><li>b</ul>c</ul>", ITEM))
    assert first == last != inner
    assert outlined("<blockquote>a<blockquote>b</blockquote></blockquote>c", QUOTES) == [[1], [2], [0]]
    assert [pre > 0 for (pre,) in outlined("<pre>a</pre><xmp>b</xmp>c", PRE)] == [True, True, False]


def test_outline_of_tables() -> None:
    page = "<ul><li><table><tr><td>a<td>b<tr><td><p>c<p>d<td><table><tr><td>e</table></table>"
    a, b, c, d, e = outlined(page, TABLE, ROW, CELL, ALONE, LISTS)
    assert a[:2] == b[:2]
    assert a[2] != b[2]
    assert c[:3] == d[:3]
    assert c[1] != a[1]
    assert e[0] != a[0], "a table within is another"
    assert [row[3] for row in (a, b, c, d, e)] == [1, 1, 0, 0, 1]
    assert a[4] == 0, "a list around a table is none in its cells"


# ---- plain


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("", ""),
        ("<h1>a</h1><p>b<br>c<p>d", "a\nb\nc\nd"),
        ("<table><tr><th>a<th>b<tr><td>c<td>d</table>e", "a\tb\nc\td\ne"),
        ("<table><tr><td>a<td><td>b</table>", "a\tb"),
        ("<table><tr><td>a</table><table><tr><td>b</table>", "a\nb"),
        ("<table><td>a</table><table><td>b</table>", "a\nb"),
        ("<table><tr><td><p>a<p>b<td>c</table>", "a\nb\nc"),
        ("<pre>a\n  b</pre>c", "a\n  b\nc"),
        ("<p>a <code>b</code> <math alttext='x^2'></math>", "a b x^2"),
        ("<ul><li>a<li>b</ul>", "a\nb"),
    ],
)
def test_plain(page: str, text: str) -> None:
    assert rendered(page, form="plain") == text


def test_blocks_that_are_not_taken() -> None:
    assert rendered("<p>a<p>b<p>c", form="plain", without=(1,)) == "a\nc"
    assert rendered("<p>a<p>b<p>c", form="plain", without=(0, 1, 2)) == ""
    assert rendered("<p>a<p>b<p>c", without=(0, 2)) == "b"
    row = "<table><tr><td>a<td>b<td>c</table>"
    assert rendered(row, form="plain", without=(1,)) == "a\tc"
    assert rendered(row, without=(0, 1, 2)) == ""


# ---- Markdown


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("", ""),
        ("<p>a<p>b<br>c", "a\n\nb\nc"),
        ("<h1>a</h1><h6>b<br>c</h6><p>d", "# a\n\n###### b c\n\nd"),
        ("<h2>Use <code>f</code></h2>", "## Use `f`"),
    ],
)
def test_markdown_of_text(page: str, text: str) -> None:
    assert rendered(page) == text


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<ul><li>a<li>b</ul><p>c", "- a\n- b\n\nc"),
        ("<ol><li>a<li>b</ol>", "1. a\n1. b"),
        ("<ul><li>a<ul><li>b<ul><li>c</ul></ul><li>d</ul>", "- a\n   - b\n      - c\n- d"),
        ("<ol><li>a<ul><li>b</ul><li>c</ol>", "1. a\n   - b\n1. c"),
        ("<ul><li><p>a<p>b</ul>", "- a\n   b"),
        ("<ul><li>a<ul><li>b</ul>c</ul>", "- a\n   - b\n   c"),
        ("<ul><li>a</ul><p>b<ul><li>c</ul>", "- a\n\nb\n\n- c"),
        ("<dl><dt>a<dd>b</dl>", "- a\n- b"),
        ("<li>a", "- a"),
    ],
)
def test_lists(page: str, text: str) -> None:
    assert rendered(page) == text


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<table><tr><th>a<th>b<tr><td>c<td>d</table>", "| a | b |\n| --- | --- |\n| c | d |"),
        ("x<table><tr><td>a</table>y", "x\n\n| a |\n| --- |\n\ny"),
        ("<table><tr><td>a<tr><td>b<td>c</table>", "| a |  |\n| --- | --- |\n| b | c |"),
        ("<table><tr><td>a|b<td>c<br>d</table>", "| a\\|b | c d |\n| --- | --- |"),
        ("<table><tr><td><code>a</code></table>", "| `a` |\n| --- |"),
        ("<table><tr><td>a</table><table><tr><td>b</table>", "| a |\n| --- |\n\n| b |\n| --- |"),
        ("<table><tr><td><p>a<p>b</table>", "a\n\nb"),
        ("<ul><li><table><tr><td>a</table></ul>", "| a |\n| --- |"),
    ],
)
def test_tables(page: str, text: str) -> None:
    assert rendered(page) == text


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<pre>a\n\n  b</pre>", "```\na\n\n  b\n```"),
        ("x<pre><code>a</code></pre><pre>b</pre>y", "x\n\n```\na\n```\n\n```\nb\n```\n\ny"),
        ("<pre>a<div>b</div>c</pre>", "```\na\nb\nc\n```"),
        ("<pre>```a</pre>", "````\n```a\n````"),
        ("<pre>`````</pre>", "``````\n`````\n``````"),
        ("<p>a <code>b c</code>, d", "a `b c`, d"),
        ("<p>a <code></code>", "a"),
        ("<p><code>a<p>b</code>", "a\n\nb"),
        ("<p>a<math alttext='x^2'></math>", "a$x^2$"),
        ("<blockquote>a<br>b</blockquote>c", "> a\n> b\n\nc"),
        ("<blockquote>a<blockquote>b</blockquote></blockquote>", "> a\n\n> > b"),
        ("<blockquote><ul><li>a<li>b</ul></blockquote>", "> - a\n> - b"),
        ("<blockquote><h2>a</h2></blockquote>", "> ## a"),
    ],
)
def test_code_formulas_and_quotations(page: str, text: str) -> None:
    assert rendered(page) == text


# ---- laws

PIECES = (
    *("<p>", "<br>", "<pre>", "</pre>", "<code>", "</code>", "<h1>", "<h2>", "<ul>", "<ol>", "<li>", "</ul>", "</ol>"),
    *("<table>", "<tr>", "<td>", "</table>", "<blockquote>", "</blockquote>", "<math alttext=x>", "</math>", "</p>"),
    *("a", "b", " ", "\n", "é", "漢", "<div>", "</div>", "<dl>", "<dt>", "<dd>", "</dl>"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_both_forms_hold_the_same_words(page: str) -> None:
    def words(text: str) -> str:
        return "".join(letter for letter in text if letter.isalpha())

    text, marked = rendered(page, form="plain"), rendered(page)
    assert words(text) == words(marked)
    assert not set(text + marked) & {"\x01", "\x02"}
    assert marked == marked.strip("\n")


@given(st.binary(max_size=60))
def test_any_bytes(page: bytes) -> None:
    for form in ("plain", "markdown"):
        assert "\x00" not in rendered(page, form=form)
