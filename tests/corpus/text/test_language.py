"""The languages' names are the model's, and a wrong one leads to the right one."""

import fasttext
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.resources import LID176
from corpus.text.language import HEAD_CHARS, LANGUAGES, head, nearest


def test_languages_are_those_of_the_model() -> None:
    model = fasttext.load_model(str(LID176.path()))
    assert {label.removeprefix("__label__") for label in model.get_labels()} == set(LANGUAGES)
    assert len(set(LANGUAGES.values())) == 176


@given(st.text())
def test_head_is_one_short_line(text: str) -> None:
    line = head(text)
    assert "\n" not in line
    assert len(line) <= HEAD_CHARS
    assert line in text.replace("\n", " ")


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        ("english", "en (English)"),
        ("German", "de (German)"),
        ("zh-CN", "zh (Chinese)"),
        ("pt_BR", "pt (Portuguese)"),
        ("nno", "nn (Nynorsk)"),
        ("norwegian", "no (Norwegian)"),
    ],
)
def test_nearest_names_what_was_meant(code: str, meant: str) -> None:
    assert meant in nearest(code)


def test_nearest_of_nonsense_is_empty() -> None:
    assert nearest("?") == []
