"""Words and sentences, against Punkt itself."""

import gzip
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.tokenize.punkt import PunktLanguageVars, PunktParameters, PunktSentenceTokenizer

from corpus.text.c4 import C4
from corpus.text.segment import ABBREVIATIONS, OPENERS, n_sentences, words


class VarsOf2020(PunktLanguageVars):
    """Punkt's character classes before curly quotes came in: those that C4 was made with."""

    re_boundary_realignment = re.compile(r'["\')\]}]+?(?:\s+|(?=--)|$)', re.MULTILINE)

    @property
    def _re_non_word_chars(self) -> str:
        return r"(?:[)\";}\]\*:@\'\({\[!?])"


class PunktOf2020(PunktSentenceTokenizer):
    """A candidate is the last mark of a word, "??" alone too, as one greedy expression had it until NLTK 3.6."""

    def _match_potential_end_contexts(self, text: str):
        ends = r"""\S*[.?!](?=(?P<after_tok>[)";}\]*:@'({\[?!]|\s+(?P<next_tok>\S+)))"""
        for match in re.finditer(ends, text):
            yield match, match.group() + match.group("after_tok")


@pytest.fixture(scope="module")
def punkt() -> PunktSentenceTokenizer:
    """Punkt's procedure with our two word lists: for the procedure there is no room to differ."""
    given = PunktParameters()
    given.abbrev_types = set(ABBREVIATIONS)
    given.sent_starters = set(OPENERS)
    for word in OPENERS:  # seen in lower case and never with a capital inside a sentence
        given.ortho_context[word] = (1 << 1) | (1 << 4) | (1 << 5)
    return PunktOf2020(given, lang_vars=VarsOf2020())


@pytest.fixture(scope="module")
def lines(shared_data: Path) -> list[str]:
    """The lines that C4 looks at in 838 reviewed texts of real English pages."""
    path = shared_data / "pages" / "wcxb-dev" / "gold.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        texts = [json.loads(line).get("text") or "" for line in file]
    kept = (C4(badwords=(), min_sentences=0).clean(text) for text in texts)
    return [line for verdict in kept for line in getattr(verdict, "text", "").split("\n") if line]


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("", 0),
        (" \n", 0),
        ("No mark at all", 1),
        ("One. Two? Three!", 3),
        ("No capital needed. none at all.", 2),
        ("The U.S. President met Mr. Smith.", 1),
        ("He went to the U.S. They stayed.", 2),
        ("Signed by O. Bach.", 1),
        ("This is plan B. They like it.", 2),
        ("See p. 6. It is there.", 2),
        ("It fell by 3. percent were lost.", 1),
        ("It happened in 1999. Nobody saw it.", 2),
        ("Version 1.2.3 is out.", 1),
        ("Well... Bob came.", 1),
        ("Well... There he was.", 2),
        ("Copyright 2020 Acme Inc. All rights reserved.", 1),
        ("(Really?) she said.", 2),
        ('He said "no." She left.', 2),
        ("(It ended.)", 1),
        ('It ended. "', 1),
        ("It ended. *", 2),
        ("What?! No!!! Yes.", 3),
        ("I don't. you do.", 2),
        ("Mail me@example.com.", 1),
        ("A line\nand its end. Another\nline.", 2),
        ("It ended.” She left.", 1),
    ],
)
def test_worked_examples(text: str, n: int, punkt: PunktSentenceTokenizer) -> None:
    assert n_sentences(text) == n
    assert len(punkt.tokenize(text)) == n


@given(text=st.text() | st.text(st.sampled_from("aB. ?!)\"'\n\t12(x-,…")))
def test_a_text_has_a_sentence_unless_it_is_blank(text: str) -> None:
    n = n_sentences(text)
    assert (n == 0) == (not text.strip())
    assert n <= max(1, 2 * len(words(text)))


@given(text=st.text(st.sampled_from("aB. ?!)\"'\nx")), more=st.text(st.sampled_from("aB. ?!x")))
def test_more_text_never_has_fewer_sentences(text: str, more: str) -> None:
    assert n_sentences(f"{text} {more}") >= n_sentences(text) - 1


WORDS = ["Mr", "it", "It", "Bob", "B", "p", "12", "3.5", "don't", "e.g", "U.S", "--"]
PIECES = [*WORDS, *"....?!)(\"',-…;:", *"   "]


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=30))
def test_decides_as_punkt_does_on_made_up_lines(pieces: list[str], punkt: PunktSentenceTokenizer) -> None:
    text = "".join(pieces).strip()
    assert n_sentences(text) == len(punkt.tokenize(text))


def test_decides_as_punkt_does_on_real_lines(lines: list[str], punkt: PunktSentenceTokenizer) -> None:
    assert len(lines) > 20_000
    assert [line for line in lines[::3] if n_sentences(line) != len(punkt.tokenize(line))] == []


def test_time_is_linear_in_the_length_of_a_word() -> None:
    assert n_sentences("x.)" * 60_000) > 0
    assert n_sentences("語" * 190_000 + ". ") == 1


def test_words_are_what_stands_between_whitespace() -> None:
    assert words(" one,two\u00a0three  four-five ") == ["one,two", "three", "four-five"]
