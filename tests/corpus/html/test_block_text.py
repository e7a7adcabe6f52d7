"""Blocks of text: blanks, references, code, counts; and that the words are those that other readers of HTML find."""

import gzip
import json
import re
from html.entities import html5
from pathlib import Path

import lxml.html  # type: ignore[import-untyped]
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from hypothesis import given
from hypothesis import strategies as st

from corpus.html import text as t
from corpus.html.layout import CODE_MARK, FORMULA_MARK
from corpus.html.page import scanned, scanned_whole

ROOT = Path(__file__).resolve().parents[3]
CODE, FORMULA = chr(CODE_MARK), chr(FORMULA_MARK)


def blocks(page: str | bytes) -> list[str]:
    """Texts of the blocks, with the marks that stand around code and formulas."""
    found = scanned(page.encode() if isinstance(page, str) else page).found
    return [found.text[begin:end].tobytes().decode() for begin, end in found.blocks[:, [t.BEGIN, t.END]].tolist()]


def counts(page: str, *columns: int) -> list[int]:
    """These columns of the only block."""
    (row,) = scanned(page.encode()).found.blocks.tolist()
    return [row[column] for column in columns]


# ---- blanks


@pytest.mark.parametrize(
    ("page", "texts"),
    [
        ("", []),
        (" \n\t", []),
        ("<p> a \n b\t</p>\n<p>c</p>", ["a b", "c"]),
        ("a<b> b </b>c", ["a b c"]),
        ("a<b>b</b>c", ["abc"]),
        ("a<!-- x -->b", ["ab"]),
        ("a\u00a0&nbsp;\u2003\u3000b", ["a b"]),
        ("a\u200bb\u00adc\ufeffd\u2060e&shy;f", ["abcdef"]),
        ("a\x00b\x01c&#1;d", ["a b c d"]),
        ("<p>a<br>b<br/> c </p>", ["a\nb\nc"]),
        ("a<br><br>b", ["a", "b"]),
        ("a<br> <br> <br>b<br>", ["a", "b"]),
        ("<br>a", ["a"]),
        ("<p>a<div><div></div></div>b", ["a", "b"]),
        ("<td>a<td>b", ["a", "b"]),
    ],
)
def test_blanks(page: str, texts: list[str]) -> None:
    assert blocks(page) == texts


@pytest.mark.parametrize(
    ("page", "texts"),
    [
        ("<pre>a  b\n\tc</pre>", ["a  b\n\tc"]),
        ("<pre>\n\n  a\n\n</pre>", ["  a"]),
        ("<pre>  a\n\n\n  b</pre>", ["  a\n\n\n  b"]),
        ("<pre>a\r\n  b\rc</pre>", ["a\n  b\nc"]),
        ("<pre>&nbsp; a\n&nbsp;\u00a0b</pre>", ["  a\n  b"]),
        ("<pre>a<br><br>b</pre>", ["a\n\nb"]),
        ("<pre><code>a\nb</code></pre>c", ["a\nb", "c"]),
        ("<pre> \n</pre>a", ["a"]),
        ("<xmp><b>a</b>\n&amp;</xmp>", ["<b>a</b>\n&amp;"]),
    ],
)
def test_preformatted(page: str, texts: list[str]) -> None:
    assert blocks(page) == texts


@pytest.mark.parametrize(
    ("page", "texts"),
    [
        ("a <code>b</code> c", [f"a {CODE}b{CODE} c"]),
        ("<code>a</code>", [f"{CODE}a{CODE}"]),
        ("a <code></code>", ["a"]),
        ("a <code> </code> b", ["a b"]),
        ("<code>a </code>", [f"{CODE}a{CODE}"]),
        ("a <code><p>b</code>", [f"a{CODE}", "b"]),
        ("<code>a</code><code>b</code>", [f"{CODE}ab{CODE}"]),
        ("<code></code><p>a", ["a"]),
        ("<math alttext=x></math>a", [f"{FORMULA}x{FORMULA}a"]),
        (f"a{CODE}b{FORMULA}c", ["a b c"]),
    ],
)
def test_marks(page: str, texts: list[str]) -> None:
    assert blocks(page) == texts


# ---- character references


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("&amp;&lt;&gt;&quot;&apos;", "&<>\"'"),
        ("&copy 2020&copy;", "© 2020©"),
        ("&notit; &notin; &not", "¬it; ∉ ¬"),
        ("&unknown; & &; &#; &#x; &#xg;", "&unknown; & &; &#; &#x; &#xg;"),
        ("&#65;&#x41;&#X41;&#65", "AAAA"),
        ("&#0;&#xD800;&#x110000;&#99999999999999999999;", "�" * 4),
        ("&#128;&#x9F;", "€Ÿ"),
        ("&nGt;", "≫⃒"),
        ("&amp;lt;", "&lt;"),
        ("&CounterClockwiseContourIntegral;", "∳"),
    ],
)
def test_references(written: str, text: str) -> None:
    assert blocks(f"x{written}")[0][1:] == text


def test_every_named_reference() -> None:
    wrong = [name for name, text in html5.items() if " ".join(blocks(f"x &{name} y")) != " ".join(clean(f"x {text} y"))]
    assert not wrong


def clean(text: str) -> list[str]:
    """The words, as blocks have them."""
    return re.sub("[\u00ad\u200b\u2060\ufeff]", "", text).split()


@pytest.mark.parametrize("name", ["entities", "namedEntities", "numericEntities"])
def test_html5lib_vectors(name: str, shared_data: Path) -> None:
    """Those of text: references in attributes are left as they are."""
    raw = gzip.decompress((shared_data / f"reference/html5lib-tests/tokenizer/{name}.test.gz").read_bytes())
    cases = [case for case in json.loads(raw)["tests"] if all(kind == "Character" for kind, *_ in case["output"])]
    wrong = []
    for case in cases:
        right = "".join(text for _, text in case["output"])
        found = " ".join(blocks(f"x{case['input']}y"))
        if printable(found) != printable(f"x{right}y"):
            wrong.append((case["input"], found, right))
    assert len(cases) > 50
    assert not wrong


def printable(text: str) -> str:
    """The text with blanks single; ASCII's controls are blanks in a block, those that Windows-1252 lacks unknown."""
    return " ".join(clean(re.sub("[\x80-\x9f]", "\ufffd", re.sub("[\x00-\x1f]", " ", text))))


# ---- counts


def test_counts() -> None:
    text = "Ab 12, c! (D)"
    columns = (t.CHARS, t.WORDS, t.MARKS, t.COMMAS, t.DIGITS, t.CAPITALS, t.NON_ASCII, t.BREAKS, t.LAST)
    assert counts(text, *columns) == [len(text), 4, 2, 1, 2, 2, 0, 0, ord("D")]
    assert counts("Ende.\u201d x<br>Über\u201d", t.CHARS, t.WORDS, t.NON_ASCII, t.BREAKS, t.LAST)[2:] == [3, 1, 0]
    assert counts('He said: "No."', t.LAST, t.MARKS) == [ord("."), 2]


def test_ideographs_are_words() -> None:
    assert counts("漢字かな", t.WORDS, t.CHARS) == [4, 4]
    assert counts("漢字abc 漢", t.WORDS) == [4]
    assert counts("한국어 문장", t.WORDS) == [2], "Korean has blanks"
    assert counts("好。", t.MARKS, t.COMMAS, t.LAST) == [1, 1, t.FULL_STOP]


def test_links() -> None:
    assert counts("<p>ab <a>cd</a> <a>e <b>f</b></a> g", t.LINKS, t.LINK_CHARS) == [2, 4 + 0]
    assert counts("<a>x<br>y</a>", t.LINKS, t.LINK_CHARS, t.BREAKS) == [1, 2, 1]
    first, second = scanned(b"<a>x<div>y</div></a>").found.blocks[:, t.LINKS].tolist()
    assert first == second == 1


# ---- laws

PIECES = (
    *(
        "<p>",
        "<br>",
        "<pre>",
        "</pre>",
        "<code>",
        "</code>",
        "<b>",
        "<a>",
        "</a>",
        "<td>",
        "<svg>",
        "</svg>",
        "<!--x-->",
    ),
    *(
        " ",
        "\n",
        "\r\n",
        "\t",
        "&nbsp;",
        "&shy;",
        "\u200b",
        "a",
        "B7",
        "é",
        "漢",
        "😀",
        "&",
        "&#1",
        "&amp",
        ";",
        "&nGt;",
    ),
    *("<math>", "</math>", "<math alttext='a b'>", "<hr>", ".", ",", "\x01", "\x02", "\x00"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join) | st.text(max_size=60))
def test_laws_of_blocks(page: str) -> None:
    found = scanned(page.encode("utf-8", "replace")).found
    end_before = 0
    for row in found.blocks.tolist():
        begin, end = row[t.BEGIN], row[t.END]
        text = found.text[begin:end].tobytes().decode()
        letters = text.translate({CODE_MARK: None, FORMULA_MARK: None})
        assert begin >= end_before
        assert letters.strip(), "no block is empty"
        assert letters == letters.rstrip()
        assert not set(letters) & {chr(code) for code in range(32)} - {"\n", "\t"}
        assert found.text[end] == t.NEWLINE
        assert 1 <= row[t.CHARS] <= len(text) + 1
        assert max(row[t.WORDS], row[t.LINKS], row[t.LINK_CHARS], row[t.DIGITS], row[t.NON_ASCII]) <= row[t.CHARS]
        if "<pre>" not in page and "&nGt;" not in page:
            assert "  " not in letters
        end_before = end


@given(st.binary(max_size=80))
def test_any_bytes_end(page: bytes) -> None:
    found = scanned(page).found
    assert len(found.text) <= 2 * len(page) + 64
    assert (found.blocks[:, t.BEGIN] <= found.blocks[:, t.END]).all()


@pytest.mark.parametrize(
    "page", ["&" * 300_000, "&#" * 300_000, "&nGt;" * 200_000, "<p>x" * 200_000, "<pre>" + " " * 9**6]
)
def test_pages_made_to_be_slow(page: str) -> None:
    assert len(scanned(page.encode()).found.text) <= 2 * len(page) + 64


# ---- real pages

_UNSEEN = ["script", "style", "template", "svg", "textarea", "iframe", "object", "video", "audio", "canvas", "title"]


def test_text_is_what_lxml_finds() -> None:
    """Of the sample's pages, all letters and digits, in their order."""
    pages = list(sample())
    assert len(pages) > 500
    wrong = []
    for uri, page in pages:
        tree = lxml.html.document_fromstring(page, lxml.html.HTMLParser(encoding="utf-8"))
        for element in list(tree.iter(*_UNSEEN, lxml.html.etree.Comment, lxml.html.etree.ProcessingInstruction)):
            element.drop_tree()
        ours = letters(scanned_whole(page).found.text.tobytes().decode())
        theirs = letters(tree.text_content())
        if ours != theirs:
            at = next((k for k, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), 0)
            wrong.append((uri, ours[at - 9 : at + 30], theirs[at - 9 : at + 30]))
    assert not wrong


def letters(text: str) -> str:
    """All letters and digits, in their order."""
    return "".join(re.findall(r"\w+", text))


def sample() -> list[tuple[str, bytes]]:
    """The shipped sample's pages in UTF-8, with their addresses."""
    with (ROOT / "samples/web/debian-docs.warc.gz").open("rb") as file:
        records = ArchiveIterator(file, record_types=WarcRecordType.response)
        pages = [(record.headers["WARC-Target-URI"], record.reader.read()) for record in records]
    return [(uri, page) for uri, page in pages if b"<" in page and page.decode("utf-8", "ignore").encode() == page]


def test_blanks_on_both_sides_of_a_mark_are_one() -> None:
    assert scanned(b"a <code> b").found.text_of(0) == f"a {chr(CODE_MARK)}b"
    assert scanned(b"a <code><br>b").found.text_of(0) == f"a\n{chr(CODE_MARK)}b"


def test_a_line_break_before_code_that_is_empty_is_one() -> None:
    assert text_of("a<br><code></code> b") == ["a\nb"]
    assert text_of("a<br><code></code><br>b") == ["a", "b"]
    assert scanned(b"a <code></code> b").found.blocks[0, t.CHARS] == 3


def test_marks_at_the_end_keep_no_blank() -> None:
    assert text_of("<p>a <math alttext=' '></math>") == [f"a{chr(FORMULA_MARK) * 2}"]


def text_of(html: str) -> list[str]:
    found = scanned(html.encode()).found
    return [found.text_of(block) for block in range(len(found.blocks))]
