"""The compiled language model says what fastText says, to the last bit."""

from collections.abc import Sequence

import fasttext
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.resources import LID176
from corpus.text.lid import LanguageModel

MODEL = LanguageModel(LID176.path().read_bytes())
FASTTEXT = fasttext.load_model(str(LID176.path()))

PARTS = st.one_of(
    st.sampled_from(
        ["the", "und", "</s>", "__label__en", "__label__", "<", "</s", " ", "  ", "\t", "\v", "\x00", "\xa0", "Ł"]
    ),
    st.sampled_from(
        ["Guten Tag", "hello world", "привет мир", "日本語のテキスト", "مرحبا", "สวัสดี", "😀", "e\u0301", "x" * 70]
    ),
    st.characters(exclude_categories=["Cs"], exclude_characters="\n"),
)


def theirs(lines: Sequence[str]) -> list[tuple[str | None, float]]:
    labels, scores = FASTTEXT.predict(list(lines))
    pairs = zip(labels, scores, strict=True)
    return [(one[0].removeprefix("__label__"), float(score[0])) if one else (None, 0.0) for one, score in pairs]


def ours(lines: Sequence[str]) -> list[tuple[str | None, float]]:
    labels, scores = MODEL.predict(lines)
    return list(zip(labels, map(float, scores), strict=True))


@given(st.lists(st.lists(PARTS, max_size=40).map("".join), max_size=4))
def test_labels_and_scores_are_fasttexts(lines: list[str]) -> None:
    assert ours(lines) == theirs(lines)


@given(st.lists(st.text(st.sampled_from("aeinorst lhdcу оаинтсе"), max_size=300), min_size=1, max_size=3))
def test_so_they_are_on_longer_lines_of_known_letters(lines: list[str]) -> None:
    assert ours(lines) == theirs(lines)


def test_no_lines() -> None:
    assert ours([]) == []


def test_labels_are_in_the_models_order() -> None:
    assert [f"__label__{label}" for label in MODEL.labels] == FASTTEXT.get_labels()


def test_another_model_is_refused() -> None:
    data = bytearray(LID176.path().read_bytes())
    data[8 + 4 * 6] = 3  # the loss: softmax
    with pytest.raises(ValueError, match="not a quantised"):
        LanguageModel(bytes(data))
