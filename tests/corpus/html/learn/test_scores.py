"""Scores of a page and their means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.html.learn.gold import GoldPage
from corpus.html.learn.scores import Scores, char_f1, four_gram_f1, is_unspaced, page_scores, parts, segment_share
from corpus.html.learn.scores import word_f1 as plain_word_f1

TEXT = st.text(st.sampled_from("ab ,.你好\n"), max_size=40)
F1 = pytest.mark.parametrize("f1", [plain_word_f1, char_f1, four_gram_f1])


@F1
@given(TEXT, TEXT)
def test_an_f1_is_one_for_equal_texts_and_alike_from_both_sides(f1, one, other):
    assert f1(one, one) == 1
    assert f1(one, other) == f1(other, one)
    assert 0 <= f1(one, other) <= 1


@given(TEXT, TEXT, TEXT)
def test_what_is_not_in_the_gold_never_helps(found, gold, more):
    more = more.replace("a", "c").replace("b", "c").replace("你", "c").replace("好", "c")
    assert plain_word_f1(f"{found} {more}", gold) <= plain_word_f1(found, gold)


def test_word_f1_by_hand():
    # of 4 found and 3 gold words 2 are in both bags: 2 * 2 / 7
    assert plain_word_f1("The cat, the dog", "the the bird") == pytest.approx(4 / 7)
    assert plain_word_f1("", "word") == 0
    assert plain_word_f1("", "") == 1


def test_char_f1_sees_what_words_do_not_in_chinese():
    gold, found = "今天天气很好。", "今天天气不好"
    assert plain_word_f1(found, gold) == 0
    assert char_f1(found, gold) == pytest.approx(2 * 5 / 12)


def test_four_grams_ask_for_order():
    gold = "one two three four five"
    assert four_gram_f1("five four three two one", gold) == 0
    assert four_gram_f1("One two three, four six", gold) == pytest.approx(2 * 1 / 4)
    assert four_gram_f1("two words", "two words") == 1
    assert four_gram_f1("", gold) == 0


@pytest.mark.parametrize(
    ("text", "unspaced"),
    [("今天天气", True), ("カタカナ と kana", True), ("한국어 문장", False), ("mostly 今天", False), ("", False)],
)
def test_unspaced(text, unspaced):
    assert is_unspaced(text) is unspaced


def test_segments_stand_in_a_text_whatever_quotes_and_gaps_it_has():
    assert segment_share(["It's here now", "- Item  two", "absent"], "“It’s here\nnow.” Item two") == pytest.approx(
        2 / 3
    )


def page(text: str | None, language: str = "en", page_type: str | None = None, **more: tuple[str, ...]) -> GoldPage:
    return GoldPage(
        "set", "u", "h", b"<ul><li>an item of a list</ul>", text, page_type=page_type, language=language, **more
    )


def test_a_page_has_the_measures_that_its_gold_can_tell():
    segments = page(None, must_have=("here", "there"), must_not_have=("menu",))
    assert page_scores(segments, parts(segments), "here, menu") == {"recall": 0.5, "leak": 1.0}
    plain = page("an item of a list")
    assert set(page_scores(plain, parts(plain), "")) == {"word_f1", "four_gram_f1", "items"}
    assert "char_f1" in page_scores(page("今天天气"), parts(page("今天天气")), "今天")


def test_means_are_over_pages_that_have_the_measure():
    pages = [page("", "en", "forum"), page("", "en"), page("", "zh", "forum")]
    scores = Scores(pages, [{"word_f1": 1.0}, {"word_f1": 0.5, "leak": 1.0}, {"word_f1": 0.0}])
    assert (scores.mean("word_f1"), scores.mean("leak"), scores.mean("code")) == (0.5, 1.0, None)
    assert {kind: of.mean("word_f1") for kind, of in scores.by("language").items()} == {"en": 0.75, "zh": 0.0}
    assert {kind: of.n("word_f1") for kind, of in scores.by("page_type").items()} == {"forum": 2}


def test_a_page_that_is_no_text_has_no_parts():
    noise = GoldPage("set", "u", "h", bytes(range(256)) * 8, "gold")
    assert set(page_scores(noise, parts(noise), "")) == {"word_f1", "four_gram_f1"}
