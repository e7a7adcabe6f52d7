"""Gold sets as one form, from sets made on the spot and, where they are at hand, from the real ones."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from small_run import warc

from corpus.errors import ConfigError, DataError
from corpus.html.learn.gold import SETS, GoldPage, gold_pages
from corpus.html.learn.split import held_out_hosts, part

PAGE = b"<html lang='de-AT'><p>text</p>"


def gold_set(folder: Path, *rows: dict[str, Any], payload: bytes = PAGE) -> Path:
    folder.mkdir()
    (folder / "gold.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    (folder / "pages.warc.gz").write_bytes(b"".join(warc(row["uri"], payload) for row in rows))
    return folder


def only(folder: Path, row: dict[str, Any], payload: bytes = PAGE) -> GoldPage:
    (page,) = gold_pages(gold_set(folder, {"key": "k1"} | row, payload=payload))
    return page


def test_texts_and_segments_with_what_the_page_declares(tmp_path):
    segments = {"must_have": ["one", ":)", " "], "must_not_have": ["menu"], "page_type": "forum"}
    other = {"author": ["A. One", "B. Two"], "publish_date": "2025-01-02"}
    row = {"uri": "http://www.news.example.co.uk/a", "text": " Main text.\n", "title": "T", "other": other} | segments
    page = only(tmp_path / "wcxb-dev", row)
    assert page == GoldPage(
        source="wcxb-dev", uri=row["uri"], host="example.co.uk", payload=PAGE, text="Main text.",
        must_have=("one",), must_not_have=("menu",), page_type="forum", language="de",
        title="T", author="A. One, B. Two", date="2025-01-02",
    )  # fmt: skip


def test_pages_of_which_the_gold_says_nothing_are_left_out(tmp_path):
    texts = [None, "", "\n", "MISSED ENTIRE ARTICLE BECAUSE IT'S LOADED DYNAMICALLY", "said"]
    rows = [{"uri": f"http://a.example/{n}", "text": text, "key": "k"} for n, text in enumerate(texts)]
    assert [page.text for page in gold_pages(gold_set(tmp_path / "newspaper3k", *rows))] == ["said"]


def test_marks_go_out_of_a_marked_text_and_languages_have_codes(tmp_path):
    row = {"uri": "http://a.gr/_path_unknown/1", "text": "<p>α < β</p>\n<p>γ</p>", "lang": "Greek"}
    page = only(tmp_path / "daniel-waddle", row)
    assert page.text is not None
    assert (page.text.split(), page.language) == (["α", "<", "β", "γ"], "el")


def test_expected_html_becomes_its_text(tmp_path):
    row = {"uri": "https://unknown.invalid/r", "expected_html": "<div><p>One <b>two</b></p><ul><li>three</ul></div>"}
    page = only(tmp_path / "mozilla-readability", row | {"expected_metadata": {"title": "T", "lang": "en-US"}})
    assert page.text is not None
    assert (page.text.split(), page.language, page.title) == (["One", "two", "three"], "en", "T")


@pytest.mark.parametrize(("day", "text"), [("2025_06_05", "old"), ("2026_01_06", "new"), ("2024_01_01", "new")])
def test_a_page_has_the_gold_of_its_own_day(tmp_path, day, text):
    def version(body: str, published: str) -> dict[str, Any]:
        return {"publishing_date": published, "body": {"summary": [body], "sections": []}}

    gold = {
        "V1": version("old", "2025-06-04 10:00:00"),
        "V1_10": version("new", "2026-01-06"),
        "V1_2": version("x", "2026-01-06"),
    }
    page = only(
        tmp_path / "fundus-news", {"uri": "https://unknown.invalid/f", "key": f"at/News1_{day}.html.gz", "gold": gold}
    )
    assert page.text == text


def test_a_body_is_its_summary_and_sections_in_order(tmp_path):
    sections = [{"headline": [], "paragraphs": ["b", "c"]}, {"headline": ["d"], "paragraphs": ["e"]}]
    gold = {"V1": {"publishing_date": "2025-01-01", "body": {"summary": ["a"], "sections": sections}}}
    row = {"uri": "https://unknown.invalid/f", "key": "at/N_2025_01_01.html.gz", "publisher": "N", "gold": gold}
    page = only(tmp_path / "fundus-news", row)
    assert (page.text, page.host) == ("a\nb\nc\nd\ne", "unknown:fundus-news/N")


def test_recipes_have_segments_only_and_dates_may_be_all_there_is(tmp_path):
    gold = {"title": "T", "ingredients": "salt", "instructions_list": ["Stir.", ""]}
    recipe = only(tmp_path / "recipe-scrapers", {"uri": "http://a.example/", "lang": "pt-BR", "gold": gold})
    assert (recipe.text, recipe.must_have, recipe.language) == (None, ("salt", "Stir."), "pt")
    assert only(tmp_path / "htmldate-eval", {"uri": "http://a.example/", "date": "2020-01-02"}).date == "2020-01-02"


@pytest.mark.parametrize(
    ("uri", "payload", "host"),
    [
        ("https://web.archive.org/web/20190717140047/http://www.modabot.de/a", b"", "modabot.de"),
        ("https://unknown.invalid/x", b'<link href="https://docs.a.org/b" rel="canonical">', "a.org"),
        ("hard::a.org-b.html", b"<meta property=og:url content=http://c.org/>", "c.org"),
        ("hard::a.org-b.html", b"", "unknown:zh-extraction/k1"),
        ("https://known.org/", b'<link rel="canonical" href="http://other.org/">', "known.org"),
    ],
)
def test_hosts(tmp_path, uri, payload, host):
    assert only(tmp_path / "zh-extraction", {"uri": uri, "text": "t"}, payload).host == host


def test_faults_say_what_is_missing(tmp_path):
    with pytest.raises(ConfigError, match="no gold set of this name; folders here are named wcxb-dev, "):
        next(gold_pages(tmp_path / "mine"))
    with pytest.raises(DataError, match=r"gold\.jsonl\.gz: not there"):
        next(gold_pages(tmp_path / "newspaper3k"))
    folder = gold_set(tmp_path / "scrapinghub-aeb", {"uri": "http://a.example/", "text": "t"})
    (folder / "pages.warc.gz").write_bytes(warc("http://b.example/", PAGE))
    with pytest.raises(DataError, match=r"lacks http://a\.example/"):
        next(gold_pages(folder))


@pytest.mark.parametrize("name", SETS)
def test_the_real_sets_have_known_pages_on_both_sides(shared_data, name):
    pages = list(gold_pages(shared_data / "pages" / name))
    held_out = held_out_hosts(shared_data / "held-out-hosts.txt")
    assert len(pages) >= 30
    assert all(page.host and page.payload for page in pages)
    assert {part(page.host, held_out) for page in pages} == {"aside", "train"}
