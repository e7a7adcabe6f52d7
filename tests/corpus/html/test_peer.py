"""Trafilatura's text and how blocks agree with it: known cases, laws on any page, pages made to hurt."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from corpus.html import trafilatura_text
from corpus.html.page import scanned
from corpus.html.peer import NAMES, second_look
from corpus.html.trafilatura_text import peer_text

ROOT = Path(__file__).resolve().parents[3]
STORY = "The mill stands by the stream and grinds the corn of the whole valley."
HARVEST = "When the harvest is in, carts come down from every farm to be unloaded there."
MENU = "<nav><a href=/>Home and hearth</a> <a href=/b>All of the many things that we sell here</a></nav>"
PAGE = f"<html><body>{MENU}<article><h1>Mill</h1><p>{STORY}</p><p>{HARVEST}</p></article><p>Bye</p></body></html>"
PIECES = (
    "<div>",
    "</div>",
    "<p class=a>",
    "</p>",
    "<br>",
    "<table><tr><td>",
    "</table>",
    "one two ",
    "x",
    "漢字。",
    "é",
    "<",
)
PAGES = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


def look(html: str, text: str, likely: int = 2**15) -> NDArray[np.int32]:
    page = scanned(html.encode())
    n = len(page.found.blocks)
    return second_look(page.layout, page.found, np.arange(n, dtype=np.int32), np.full(n, likely, np.int32), text)


def agreed(html: str, text: str) -> dict[str, list[int]]:
    return dict(zip(NAMES, look(html, text).tolist(), strict=True))


def whole(n_words: int) -> int:
    """The share of a block whose words are all found."""
    return 1024 * n_words // (n_words + 1)


def test_blocks_and_their_neighbours_are_found() -> None:
    found = agreed(PAGE, f"Mill\n{STORY}\n{HARVEST}")
    # menu, heading, two paragraphs, the last
    assert found["agreed"] == [0, whole(1), whole(14), whole(15), 0]
    assert found["before_agreed"] == [0, 0, whole(1), whole(14), whole(15)]
    assert found["after_agreed"] == [whole(1), whole(14), whole(15), 0, 0]
    assert found["since_agreed"] == [999, 0, 0, 0, 1]
    assert found["until_agreed"] == [1, 0, 0, 0, 999]
    assert found["parent_agreed"][1:4] == [whole(30)] * 3
    assert found["agreed_before_share"] == [0, 0, 1024 // 31, 1024 * 15 // 31, whole(30)]
    assert set(found["peer_found"]) == {whole(30)}
    assert set(found["long_agreed"]) == {0}  # prose has 80 characters


def test_words_count_where_they_stand_and_not_anywhere() -> None:
    """The heading's word alone, and words in another order, are not found."""
    assert agreed(PAGE, f"{HARVEST} Mill")["agreed"][1] == 0
    assert agreed(PAGE, " ".join(reversed(STORY.split())))["agreed"][2] == 0
    assert agreed(PAGE, f"{STORY.upper()}!")["agreed"][2] == whole(14)  # case and marks are nothing


def test_texts_without_blanks_are_compared_by_characters() -> None:
    html = "<p>春眠不覺曉，處處聞啼鳥。</p><p>夜來風雨聲，花落知多少。</p>"
    found = agreed(html, "春眠不覺曉，處處聞啼鳥。")["agreed"]
    assert found[0] > 900
    assert found[1] == 0


def test_elements_of_a_name_are_taken_together() -> None:
    items = "".join(f"<li class=item><p>{word} {STORY}</p></li>" for word in ("One", "Two"))
    found = agreed(f"<ul>{items}</ul>", f"One {STORY}")
    assert found["shape_agreed"][0] == found["shape_agreed"][1] > 500


def test_what_fast_thinks_and_how_the_two_agree() -> None:
    found = agreed(PAGE, STORY)
    assert found["odds"] == [0, 1, 2, 3, 4]
    assert found["before_odds"] == [0, 0, 1, 2, 3]
    assert found["after_odds"] == [1, 2, 3, 4, 0]
    assert found["peer_overlap"] == [1024 * 2 * 14 // (43 + 14 + 1)] * 5  # all of the page is as likely, and taken


@given(PAGES, PAGES, st.integers(0, 2**16))
def test_any_page_and_text(html: str, text: str, likely: int) -> None:
    made = look(html, text, likely)
    assert made.dtype == np.int16
    assert made.shape == (len(NAMES), len(scanned(html.encode()).found.blocks))
    shares = [row for row, name in enumerate(NAMES) if name.endswith(("agreed", "overlap", "_share"))]
    shares = [row for row in shares if NAMES[row] not in ("since_agreed", "until_agreed", "peer_share")]
    assert (made[shares] >= 0).all()
    assert (made[shares] <= 1024).all()


@given(PAGES)
def test_a_text_that_is_the_page_is_found_whole(html: str) -> None:
    text = scanned(html.encode()).found.text.tobytes().decode()
    found = agreed(html, text)
    if max(found["peer_share"], default=0) > 0 and max(found["peer_found"]) > 0:  # five words or more
        assert found["peer_found"] == found["peer_share"]


def test_trafilatura_takes_the_article() -> None:
    text = peer_text(scanned(PAGE.replace(STORY, STORY * 5).encode()))
    assert HARVEST in text
    assert "hearth" not in text


@pytest.mark.parametrize(
    "html", ["", "word", "<p>", "\x00" * 100, "<?xml version='1.0' encoding='utf-16'?><p>x", "<!---->"]
)
def test_pages_of_nothing_have_a_text_or_none(html: str) -> None:
    assert isinstance(peer_text(scanned(html.encode())), str)


def test_whatever_it_raises_is_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> str:
        raise RecursionError

    monkeypatch.setattr("trafilatura.extract", fail)
    assert peer_text(scanned(PAGE.encode())) == ""


def test_pages_of_too_many_tags_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    html = PAGE.replace(STORY, STORY * 5).encode()
    assert peer_text(scanned(html))
    monkeypatch.setattr(trafilatura_text, "MAX_TAGS", 5)
    assert peer_text(scanned(html)) == ""


def test_no_page_changes_what_comes_out_of_another() -> None:
    """Forwards, backwards with each page twice, and in a process with other hashes of strings."""
    pages = [PAGE.replace(STORY, f"{STORY * n} Number {n}.") for n in range(1, 9)]
    texts = [peer_text(scanned(page.encode())) for page in pages]
    assert [peer_text(scanned(page.encode())) for page in reversed(pages) for _ in range(2)][::2] == texts[::-1]
    told = (
        "import sys; from corpus.html.page import scanned; from corpus.html.trafilatura_text import peer_text;"
        "print(repr([peer_text(scanned(page.encode())) for page in eval(sys.stdin.read())]))"
    )
    other = subprocess.run(
        [sys.executable, "-c", told],
        input=repr(pages), capture_output=True, text=True, check=True, cwd=ROOT,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert other.stdout.strip() == repr(texts)


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 50_000 + "word",
        "<table><tr><td>" * 20_000 + "word",
        "<p>word</p>" * 20_000,
        "<table>" + "<tr><td>a</td><td>b</td></tr>" * 7_000,
        "<br>" * 70_000 + "word",
        "<!DOCTYPE " + "/" * 500_000 + "<p>word",
        "<html" + " " * 500_000 + "<p>word",
        '<script type="application/ld+json">' + '"@type":[' * 100_000 + "</script><p>word",
        "<" * 500_000,
        "<p>" + " \n" * 250_000 + "word",
    ],
    ids=lambda html: f"{html[:16]} {len(html)}",
)
def test_pages_made_to_hurt_take_less_than_a_few_seconds(html: str) -> None:
    page = scanned(html.encode())
    start = time.process_time()
    look(html, peer_text(page))
    assert time.process_time() - start < 5
