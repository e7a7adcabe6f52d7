"""Decoding: laws on any bytes, declarations true and false, and two collections of real files."""

import gzip
import html
import itertools
import json
import random
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from hypothesis import given
from hypothesis import strategies as st

from corpus.text.charset import _has_controls, _n_controls, as_utf8, codec, declared, decode, is_utf8

RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю. "
FRENCH = "Dès Noël, où un zéphyr haï me vêt de glaçons würmiens, je dîne d’exquis rôtis à l’aÿ. "
CHINESE = "天地玄黄，宇宙洪荒。日月盈昃，辰宿列张。寒来暑往，秋收冬藏。"
JAPANESE = "いろはにほへと　ちりぬるを　わかよたれそ　つねならむ。"
KOREAN = "다람쥐 헌 쳇바퀴에 타고파. 키스의 고유조건은 입술끼리 만나야 한다. "
GREEK = "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. "
CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy. "
TURKISH = "Pijamalı hasta yağız şoföre çabucak güvendi. "
THAI = "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า "

DECLARED = [  # label as pages write it, text, codec we write with, codec that is reported
    ("windows-1251", RUSSIAN, "cp1251", "cp1251"),
    ("koi8-r", RUSSIAN, "koi8-r", "koi8-r"),
    ("x-mac-cyrillic", RUSSIAN, "mac-cyrillic", "mac-cyrillic"),
    ("ISO-8859-1", FRENCH, "cp1252", "cp1252"),
    ("gb2312", CHINESE, "gb2312", "gb18030"),
    ("Shift_JIS", JAPANESE, "cp932", "cp932"),
    ("euc-jp", JAPANESE, "euc_jp", "euc_jp"),
    ("iso-2022-jp", JAPANESE, "iso2022_jp", "iso2022_jp"),
    ("euc-kr", KOREAN, "cp949", "cp949"),
    ("big5", "天地玄黃，宇宙洪荒。", "big5", "big5hkscs"),
    ("iso-8859-7", GREEK, "iso8859-7", "iso8859-7"),
    ("iso-8859-2", CZECH, "iso8859-2", "iso8859-2"),
    ("windows-1250", CZECH, "cp1250", "cp1250"),
    ("iso-8859-9", TURKISH, "cp1254", "cp1254"),
    ("tis-620", THAI, "cp874", "cp874"),
]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])))
def test_utf8_comes_back_whatever_is_declared(text: str) -> None:
    text = text.removeprefix("\ufeff")
    assert decode(text.encode(), "text/html; charset=koi8-r") == (text, "utf-8")


@given(st.binary(max_size=400), st.sampled_from([None, "utf-8", "shift_jis", "gbk", "utf-16", "utf-7", "x"]))
def test_any_bytes_give_clean_text_or_nothing(payload: bytes, label: str | None) -> None:
    decoded = decode(payload, label and f"text/html; charset={label}")
    if decoded is not None:
        assert "\x00" not in decoded[0]
        assert decoded[0].encode("utf-8").decode("utf-8") == decoded[0]


@pytest.mark.parametrize(("label", "text", "written", "reported"), DECLARED, ids=[row[0] for row in DECLARED])
def test_declared_in_header_or_in_page(label: str, text: str, written: str, reported: str) -> None:
    payload = text.encode(written)
    assert decode(payload, f'text/html;charset="{label}"') == (text, reported)
    page = f'<head><meta http-equiv="Content-Type" content="text/html; charset={label}"></head>{text}'
    assert decode(page.encode(written)) == (page, reported)
    xml = f'<?xml version="1.0" encoding="{label}"?>{text}'
    assert decode(xml.encode(written)) == (xml, reported)


def test_header_outranks_page() -> None:
    page = f"<meta charset=windows-1251>{RUSSIAN}".encode("koi8-r")
    assert decode(page, "text/html; charset=koi8-r") == (page.decode("koi8-r"), "koi8-r")


@pytest.mark.parametrize(
    ("label", "text", "written"),
    [
        ("iso-8859-1", RUSSIAN * 3, "cp1251"),  # a server's default before a page that says nothing
        ("iso-8859-1", CHINESE * 3, "gb18030"),
        ("windows-1252", JAPANESE * 3, "cp932"),
        ("gb2312", FRENCH * 5, "cp1252"),
        ("utf-8", FRENCH * 5, "cp1252"),
        ("utf-8", RUSSIAN * 3, "koi8-r"),
        ("utf-8", CHINESE * 3, "big5hkscs"),
    ],
)
def test_wrong_declaration_is_seen_through(label: str, text: str, written: str) -> None:
    text = text.translate(str.maketrans("黄张来", "黃張來")) if written == "big5hkscs" else text
    payload = text.encode(written, "ignore")
    assert decode(payload, f"text/html; charset={label}") == (payload.decode(written), written)


@pytest.mark.parametrize("charset", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_byte_order_mark_outranks_all_and_goes(charset: str) -> None:
    page = f"<meta charset=windows-1251>{CHINESE}"
    assert decode(("\ufeff" + page).encode(charset), "text/html; charset=big5") == (page, charset)


@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_characters_without_a_mark(charset: str) -> None:
    page = f"<html><head><title>{RUSSIAN}</title></head><body><p class=text>one two three</p></body></html>"
    assert decode(page.encode(charset)) == (page, charset)


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "gb18030"])
def test_page_cut_inside_a_character(charset: str) -> None:
    decoded = decode((CHINESE + "café").encode(charset)[:-1], f"text/html; charset={charset}")
    assert decoded is not None
    assert decoded[0] == CHINESE + "caf"


def test_some_broken_bytes_do_not_lose_the_page() -> None:
    payload = (RUSSIAN * 4).encode() + b"\xff\xfe" + b" end"
    assert decode(payload) == (RUSSIAN * 4 + "\ufffd\ufffd end", "utf-8")


def test_replacement_characters_of_the_page_itself_are_valid() -> None:
    assert decode("a\ufffdb".encode()) == ("a\ufffdb", "utf-8")


@pytest.mark.parametrize(
    "payload",
    [
        zlib.compress(random.Random(0).randbytes(5_000)),
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + random.Random(1).randbytes(2_000),
        b"%PDF-1.4\n1 0 obj << /Type /Catalog >> endobj",
        b"\x00" * 500,
        b"\xff\xfe" + random.Random(2).randbytes(2_001),
    ],
    ids=["zlib", "png", "pdf", "nuls", "noise after a mark"],
)
def test_binary_data_is_no_text(payload: bytes) -> None:
    assert decode(payload, "text/html; charset=utf-8") is None


def test_nuls_in_a_page_go() -> None:
    assert decode(b"<p>one\x00two</p>" + b"x" * 100) == ("<p>onetwo</p>" + "x" * 100, "utf-8")


@given(st.binary(max_size=400))
def test_controls_are_what_no_page_has(payload: bytes) -> None:
    text = {*b"\t\n\v\f\r", 0x1B, 0x0E, 0x0F}
    page = np.frombuffer(payload, np.uint8)
    n_controls = sum((byte < 0x20 or byte == 0x7F) and byte not in text for byte in payload)
    assert _n_controls(page) == n_controls
    assert n_controls == 0 or _has_controls(page)


def test_text_without_controls_is_not_searched_for_them() -> None:
    assert not _has_controls(np.frombuffer("a\n\t\v\f\r ~\x80\u00a0ÿЯ".encode(), np.uint8))


def is_utf8_to_python(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


@given(st.lists(st.binary(max_size=6) | st.text(max_size=8).map(str.encode), max_size=30), st.integers(0, 70))
def test_what_is_utf8_is_what_python_reads_as_such(pieces: list[bytes], n_before: int) -> None:
    payload = b"a" * n_before + b"".join(pieces)
    assert is_utf8(payload) == is_utf8_to_python(payload)


def test_every_pair_of_bytes_and_every_edge_of_longer_forms() -> None:
    edges = (0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF)
    pairs = [bytes([first, second]) for first in range(256) for second in range(256)]
    longer = [bytes([first, *more]) for first in range(0xE0, 0x100) for more in itertools.product(edges, repeat=3)]
    for payload in (*pairs, *longer, *(payload[:3] for payload in longer)):
        assert is_utf8(payload) == is_utf8_to_python(payload), payload


def test_a_page_in_utf8_is_not_copied() -> None:
    payload = f"<p>{RUSSIAN}".encode()
    found = as_utf8(payload)
    assert found is not None
    assert found[0] is payload


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("Hij kon niet liegen, zij al\u2026. Ach, neen.", "cp1252"),  # alone: detected as cp852
        ("Then he said, \u201cThe names Bond.\u201d\nto be \u201cme\u201d\nSpam \u2013 eggs, \u2014 served", "cp1252"),
        (RUSSIAN, "cp1251"),
        (GREEK, "iso8859-7"),
    ],
)
def test_few_bytes_that_stand_alone_are_accents(text: str, charset: str) -> None:
    assert decode(text.encode(charset)) == (text, charset)


@pytest.mark.parametrize("label", ["unicode_escape", "utf-7", "zlib_codec", "rot13", "idna", "mbcs", "none", ""])
def test_labels_that_browsers_do_not_know_are_ignored(label: str) -> None:
    assert codec(label) is None
    assert decode(b"caf+AOk- \\x41", f"text/html; charset={label}") == ("caf+AOk- \\x41", "utf-8")


def test_html5lib_declarations_are_found(shared_data: Path) -> None:
    """Malformed declarations count here too, as they are checked against the bytes; those after 4,096 bytes do not."""
    raw = gzip.decompress((shared_data / "reference/html5lib-tests/encoding/tests1.dat.gz").read_bytes())
    cases = [case.partition(b"\n#encoding\n")[::2] for case in raw.split(b"#data\n")[1:]]
    wanted = [(page, codec(label.split(b"\n")[0].decode())) for page, label in cases]
    missed = [page for page, name in wanted if name == "iso8859-2" and name not in declared(page, None)]
    assert len(wanted) >= 59
    assert [page[:20] for page in missed] == [b"<!-- 8192 characters", b"<!-- 8193 characters", b"<!-- multi-script te"]


def test_labelled_files_read_as_labelled(shared_data: Path) -> None:
    """416 of 425 to the character; the rest are Johab and EUC-TW (4), NUL padding (1), and near relatives (4)."""
    archive = zipfile.ZipFile(shared_data / "reference/charsets-chardet/files.zip")
    names = [name for name in archive.namelist() if not name.endswith("/")]
    assert len(names) == 425
    assert sum(_reads_as_labelled(archive.read(name), name) for name in names) >= 416


def _reads_as_labelled(payload: bytes, name: str) -> bool:
    label = re.sub(r"-[a-z]{5,}$", "", name.partition("/")[0])
    texts = set()
    for charset in {label, codec(label) or label}:
        try:
            texts.add(payload.decode(charset, "replace").replace("\x00", "").removeprefix("\ufeff"))
        except LookupError:  # Python has no EUC-TW
            continue
    decoded = decode(payload)
    return decoded is not None and decoded[0] in texts


@pytest.mark.parametrize(("source", "least"), [("daniel-waddle", 609), ("zh-extraction", 46)])
def test_gold_words_stand_in_the_decoded_page(shared_data: Path, source: str, least: int) -> None:
    """Pages in Greek, Polish, Russian and Chinese: 609 of 638 and 46 of 47 hold over 90 % of their gold's words; the
    others are articles of many pages with gold from all, and pages that their source saved as mojibake."""
    folder = shared_data / "pages" / source
    records = map(json.loads, gzip.decompress((folder / "gold.jsonl.gz").read_bytes()).splitlines())
    gold = {record["uri"]: record["text"] for record in records}
    n_good = 0
    with (folder / "pages.warc.gz").open("rb") as archive:
        for record in ArchiveIterator(archive, record_types=WarcRecordType.response):
            decoded = decode(record.reader.read(), record.http_content_type)
            assert decoded is not None
            n_good += _share_of_words(gold[record.headers["WARC-Target-URI"].strip("<>")], decoded[0]) > 0.9
    assert n_good >= least


def _share_of_words(gold: str, page: str) -> float:
    """Of the gold's words with other than ASCII letters, the share that the page has; 0 when it has none."""
    plain = [re.sub(r"<[^>]*>", " ", html.unescape(html.unescape(text))) for text in (gold, page)]
    wanted, there = (re.findall(r"\w+", text) for text in plain)
    foreign = [word for word in wanted if not word.isascii()]
    return sum(word in found for word in foreign) / len(foreign) if (found := set(there)) and foreign else 0.0
