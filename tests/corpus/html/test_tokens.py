"""The tokenizer: laws on any bytes, pages that were made to be slow or to break it, pages cut short."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from hypothesis import given
from hypothesis import strategies as st

from corpus.html.tags import ALTTEXT, CLASS, CONTENT, HIDDEN, ID, NAME, NUMBER
from corpus.html.tokens import (
    BEGIN,
    CHARACTERS,
    CLOSE,
    EMPTY,
    END,
    FIRST,
    FROM,
    KIND,
    LAST,
    OPEN,
    TAG,
    TEXT,
    TO,
    Tokens,
    tokenized,
)

ROOT = Path(__file__).resolve().parents[3]
PIECES = (
    *["<", ">", "/", "=", "!", "-", "'", '"', "&", ";", "a", "p", "x", "\x00", "é", "漢"],
    *(" ", "\n", "</", "<!--", "-->", "--!>", "<!", "<?", "<![CDATA[", "]]>", "&lt;", "&#0;", "\ufffd"),
    *("<p>", "</p>", "<p class='a b' id=c>", "<br/>", "<script>", "</script>", "<script", "<style>", "</style"),
    *("<title>", "</title>", "<svg>", "</svg>", "<math/>", "<plaintext>", "<template>", "<noscript>", "</noscript>"),
    *("<a href=x>", "</a", "<textarea>", "<iframe>", "<select>", "<table>", "<td>", "<h1>", "<li>", "hidden"),
)
"""Of which pages are put together that are likelier to reach every state than bytes by chance."""
PAGES = st.lists(st.sampled_from(PIECES), max_size=60).map("".join).map(str.encode) | st.binary(max_size=300)


def scan(page: bytes | str, *, noscript: bool = False) -> Tokens:
    payload = page.encode() if isinstance(page, str) else page
    return tokenized(np.frombuffer(payload, np.uint8), noscript=noscript)


def texts(page: bytes | str, kind: int = TEXT) -> list[str]:
    payload = page.encode() if isinstance(page, str) else page
    rows = scan(payload).tokens.tolist()
    return [payload[row[BEGIN] : row[END]].decode("utf-8", "replace") for row in rows if row[KIND] == kind]


def attributes(page: str) -> dict[int, str]:
    """Of the first tag."""
    found = scan(page)
    first, last = found.tokens[0, FIRST : LAST + 1]
    return {which: page.encode()[begin:end].decode() for which, begin, end in found.attributes[first:last].tolist()}


def kinds(page: bytes | str) -> list[tuple[int, int]]:
    return [(row[KIND], row[TAG]) for row in scan(page).tokens.tolist()]


def check(page: bytes, found: Tokens) -> None:
    """The laws of every page."""
    rows, spans = found.tokens.astype(np.int64), found.attributes.astype(np.int64)
    assert (rows[:, BEGIN] <= rows[:, END]).all()
    assert (rows[1:, BEGIN] >= rows[:-1, END]).all(), "in order, never overlapping"
    assert not len(rows) or (rows[0, BEGIN] >= 0 and rows[-1, END] <= len(page))
    assert (spans[:, FROM] <= spans[:, TO]).all()
    tags = rows[(rows[:, KIND] == OPEN) | (rows[:, KIND] == EMPTY)]
    assert (np.diff(np.append(tags[:, FIRST], len(spans))) == tags[:, LAST] - tags[:, FIRST]).all(), "each has its own"
    owner = np.repeat(np.arange(len(tags)), tags[:, LAST] - tags[:, FIRST])
    assert (spans[:, FROM] >= tags[owner, BEGIN]).all()
    assert (spans[:, TO] <= tags[owner, END]).all()
    for kind, _, begin, end, *_ in found.tokens.tolist():
        if kind in (OPEN, EMPTY, CLOSE):
            assert page[begin : begin + 1] == b"<"
            assert page[end - 1 : end] == b">"
        elif kind == TEXT:
            assert end > begin


@given(PAGES, st.booleans())
def test_laws_on_any_bytes(page: bytes, noscript: bool) -> None:
    check(page, scan(page, noscript=noscript))


@given(st.text(st.characters(codec="utf-8", exclude_characters="<"), min_size=1))
def test_text_without_tags_is_one_token(text: str) -> None:
    assert texts(text) == [text]


@pytest.mark.parametrize("element", ["script", "style", "textarea", "title", "iframe", "noscript", "xmp", "noembed"])
@given(st.text(st.characters(codec="utf-8")))
def test_what_raw_elements_hold_is_no_text(element: str, inside: str) -> None:
    held = inside.replace("</", "").replace("<!--", "")
    page = f"before<{element}>{held}</{element}>behind"
    assert texts(page) == ["before", "behind"]
    assert texts(page, CHARACTERS) == [held]


def test_noscript_is_markup_where_no_scripts_run() -> None:
    page = np.frombuffer(b"<noscript><p>x</p></noscript>", np.uint8)
    found = tokenized(page, noscript=True).tokens
    assert found[:, TAG].tolist() == [NUMBER[name] for name in ("noscript", "p", "", "p", "noscript")]


@pytest.mark.parametrize(
    "script",
    [
        "if (a < b && c > d) document.write('<p>no</p>')",
        "<!-- a script in an old page's comment //-->",
        "<!-- <script>write()</script> -->",
        "document.write('<script src=x></scr' + 'ipt>')",
        "<!-- never closed",
    ],
)
def test_scripts_end_where_browsers_end_them(script: str) -> None:
    page = f"<script>{script}</script><p>text"
    assert texts(page, CHARACTERS) == [script]
    assert texts(page) == ["text"]


@pytest.mark.parametrize("text", ["<", "< 5 and 6 > 4", "<3", "<>", "<<", "a <- b", "<é>"])
def test_what_only_begins_like_a_tag_is_text(text: str) -> None:
    assert "".join(texts(f"<p>{text}</p>")) == text
    assert "".join(texts(text)) == text


@pytest.mark.parametrize(
    "nothing",
    [
        "<!-- a > b -->",
        "<!-->",
        "<!--->",
        "<!-- a --!>",
        "<!DOCTYPE html>",
        "<?xml version='1.0'?>",
        "<![CDATA[x>",
        "</>",
    ],
)
def test_comments_and_declarations_leave_nothing(nothing: str) -> None:
    assert texts(f"a{nothing}b") == ["a", "b"]
    assert len(scan(f"a{nothing}b").tokens) == 2


def test_attributes_as_browsers_read_them() -> None:
    assert attributes("<p class=a>") == {CLASS: "a"}
    assert attributes("<p class = 'a b'id=\"c>d\">") == {CLASS: "a b", ID: "c>d"}
    assert attributes("<p CLASS=a class=b>") == {CLASS: "a"}, "the first of a name counts"
    assert attributes("<p hidden/>") == {HIDDEN: ""}
    assert attributes("<p hidden class=>") == {HIDDEN: "", CLASS: ""}
    assert attributes("<p xclass=a classx=b =class=c>") == {}
    assert attributes("<meta content=a/ name=b/>") == {CONTENT: "a/", NAME: "b/"}
    assert attributes("<math alttext='a&amp;b'>") == {ALTTEXT: "a&amp;b"}, "as written"


def test_attributes_of_end_tags_are_not_kept() -> None:
    assert len(scan("<p id=a></p id=b class=c><p id=d>").attributes) == 2


def test_drawings_hold_their_own_elements() -> None:
    assert kinds("<svg><path/><title>x</title></svg>")[1][0] == EMPTY
    assert texts("<svg><title>x</title></svg>") == ["x"], "no raw element in a drawing"
    assert kinds("<div/>") == [(OPEN, NUMBER["div"])]
    assert texts("<svg><![CDATA[a<b]]></svg>", CHARACTERS) == ["a<b"]


@pytest.mark.parametrize(
    ("page", "n_tokens"),
    [
        (b"<div>" * 100_000, 100_000),
        (b"<div>" * 100_000 + b"</div>" * 100_000, 200_000),
        (b"<p " + b"class=x " * 100_000 + b">", 1),
        (b"<p class='" + b"x" * 10_000_000 + b"'>", 1),
        (b"<p class='" + b"x" * 10_000_000, 0),
        (b"<" * 1_000_000, None),
        (b"</" * 1_000_000, 0),
        (b"<!--" * 1_000_000, 0),
        (b"<!--" + b"-" * 4_000_000, 0),
        (b"<script>" + b"</script" * 500_000, 2),
        (b"<script><!--" + b"<script>" * 500_000, 2),
        (b"<title>" + b"</a" * 1_000_000, 2),
        (b"<svg>" + b"<![CDATA[" * 400_000, 2),
        (b"\0" * 4_000_000, 1),
        (b"<a\0b c\0d=e>" * 100_000, 100_000),
        (b"<" + b"a" * 4_000_000 + b">", 1),
        (b"&" * 4_000_000, 1),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else "",
)
def test_pages_made_to_be_slow(page: bytes, n_tokens: int | None) -> None:
    """Were any of these read more than a few times over, it would take hours: 10^12 steps and more."""
    rows = scan(page).tokens
    assert n_tokens is None or len(rows) == n_tokens
    assert not len(rows) or rows[-1, END] <= len(page)


def test_number_of_tokens_is_bounded_by_the_page(sample: Path) -> None:
    """At most three for each "<" and one: what is set aside for them."""
    for page in pages(sample, 60):
        assert len(scan(page).tokens) <= 3 * page.count(b"<") + 1


def test_pages_cut_at_every_kilobyte(sample: Path) -> None:
    """Tokens of a beginning are the whole page's, but for the last ones, which the cut goes through."""
    for page in pages(sample, 12):
        whole = scan(page).tokens
        for size in range(0, len(page), 1_024):
            cut = page[:size]
            found = scan(cut)
            check(cut, found)
            n_same = int(np.searchsorted(whole[:, END], size - 1))
            n_same -= n_same > 0 and whole[n_same - 1, KIND] == TEXT  # a tag that is cut off is nothing
            assert (found.tokens[:n_same] == whole[:n_same]).all()
            assert len(found.tokens) - n_same <= 3


def pages(archive: Path, n: int) -> list[bytes]:
    with archive.open("rb") as stream:
        records = ArchiveIterator(stream, record_types=WarcRecordType.response, parse_http=True)
        return [record.reader.read() for record, _ in zip(records, range(n), strict=False)]


@pytest.mark.slow
def test_nothing_is_read_or_written_out_of_bounds(tmp_path: Path) -> None:
    """Compiled anew with checks of every index, which then raise instead of reading on."""
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    script = f"""
import random
import numpy as np
from corpus.html.tiers import TIERS
from corpus.html.tokens import tokenized
from corpus.html.metadata import metadata
from corpus.html.wanted import Wanted
pieces = {PIECES!r}
chance = random.Random(0)
for n in range(20_000):
    page = "".join(chance.choices(pieces, k=chance.randrange(40))).encode()
    page = page[: chance.randrange(len(page) + 1)] if n % 2 else chance.randbytes(8) + page
    metadata(page, tokenized(np.frombuffer(page, np.uint8), noscript=n % 3 == 0))
    wanted = Wanted(title=n % 2 == 0, comments=n % 3 == 0, output="markdown" if n % 5 else "plain")
    TIERS["text" if n % 4 else "fast"](page.decode(errors="replace").encode(), wanted)
print("read", n + 1)
"""
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "read 20000\n", done.stderr
