"""The quick search for bad words decides as the published one does."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.resources import BADWORDS
from corpus.text.badwords import LANGUAGES, UNSPACED, BadWords, matcher, plain_matcher
from corpus.text.verdict import Drop, Keep

LISTS: dict[str, list[str]] = json.loads(BADWORDS.path().read_bytes())
ODD = ["ass", "s&m", "how to kill", "how so", "🖕", "g-spot", "été", "नि", "a.", "-x-", "2g1c", "in_it", "I'm"]
TEXTS = st.lists(st.sampled_from([*ODD, *" .-_&'xX2é\n", "to kill", "how"]) | st.characters()).map("".join)


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        ("you ass", True),
        ("ass", True),
        ("(ass)", True),
        ("ass\n", True),
        ("assess the class", False),
        ("my_ass", False),
        ("s&m", True),
        ("gas&mud", False),
        ("how to kill it", True),
        ("how to  kill it", False),
        ("x 🖕 y", True),
        ("x🖕y", False),
        ("", False),
    ],
)
def test_a_word_hits_between_non_word_characters(text: str, hit: bool) -> None:
    assert plain_matcher(ODD, spaced=True)(text) == hit
    assert matcher(ODD, spaced=True)(text) == hit


def test_languages_without_spaces_hit_anywhere() -> None:
    assert matcher(["bad"], spaced=False)("xbadx")
    assert not matcher(["bad"], spaced=True)("xbadx")


def test_no_words_no_hit() -> None:
    assert not any(make([], spaced=spaced)("a text") for make in (plain_matcher, matcher) for spaced in (True, False))


@given(words=st.lists(st.sampled_from(ODD) | st.text(min_size=1, max_size=4), max_size=8), text=TEXTS)
def test_quick_equals_plain_on_made_up_texts(words: Sequence[str], text: str) -> None:
    lowered = text.lower()
    for spaced in (True, False):
        assert matcher(words, spaced=spaced)(lowered) == plain_matcher(words, spaced=spaced)(lowered)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_quick_equals_plain_on_each_list(language: str) -> None:
    spaced = language not in UNSPACED
    plain, quick = plain_matcher(LISTS[language], spaced=spaced), matcher(LISTS[language], spaced=spaced)
    for word in LISTS[language]:
        for text in (word, f"a {word}.", f"x{word}", f"{word}_", word[:-1], f"-{word}x {word[1:]}", word.upper()):
            assert quick(text.lower()) == plain(text.lower()), text


def test_quick_equals_plain_on_real_texts(shared_data: Path) -> None:
    plain, quick = (make(LISTS["en"], spaced=True) for make in (plain_matcher, matcher))
    with gzip.open(shared_data / "pages" / "wcxb-dev" / "gold.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = [(json.loads(line).get("text") or "").lower() for line in file]
    found = [quick(text) for text in texts[:300]]
    assert found == [plain(text) for text in texts[:300]]
    assert 0 < sum(found) < 30


def test_there_is_a_list_for_each_language() -> None:
    assert set(LISTS) == LANGUAGES


def test_the_rule_keeps_the_text_as_it_is_or_drops_the_page() -> None:
    rule = BadWords(languages=("en", "ja")).bind({"en": ["ass"], "ja": ["悪"]})
    assert rule(" Some  text\n") == Keep(" Some  text\n")
    assert rule("An ASS.") == Drop("bad_word")
    assert rule("とても悪い") == Drop("bad_word")


def test_the_rule_without_its_words_raises() -> None:
    with pytest.raises(ValueError, match="bind"):
        BadWords()("a text")
    assert BadWords(languages=())("an ass") == Keep("an ass")


def test_an_unknown_language_is_named() -> None:
    with pytest.raises(ValueError, match=r"BadWords.languages: no bad-word list for xx"):
        BadWords(languages=("en", "xx"))
