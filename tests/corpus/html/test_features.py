"""Features of blocks, against what the same words say in plain Python."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from corpus.html import text as t
from corpus.html.features import NAMES, features_of
from corpus.html.model import shipped
from corpus.html.page import scanned
from corpus.html.shares import fitted, share


def asked(html: str) -> dict[str, list[int]]:
    page, model = scanned(html.encode()), shipped()
    made = features_of(page.layout, page.found, page.title, model.word_scores, model.kind_weights)
    assert made.shape == (len(NAMES), len(page.found.blocks))
    return dict(zip(NAMES, made.tolist(), strict=True))


@given(st.lists(st.text("ab ", min_size=1, max_size=5).filter(str.strip), min_size=1, max_size=40))
def test_equal_texts_are_counted_wherever_they_stand(texts: list[str]) -> None:
    texts = [" ".join(text.split()) for text in texts]
    counts = Counter(texts)
    assert asked("".join(f"<p>{text}" for text in texts))["same_text"] == [counts[text] for text in texts]


@given(st.lists(st.sampled_from(["<p>{}</p>", "<div><p>{}</p></div>", "<ul><li>{}</li></ul>"]), max_size=30))
def test_blocks_on_one_path_are_counted_together(forms: list[str]) -> None:
    texts = [f"{'word ' * (number % 7)}end" for number in range(len(forms))]
    found = asked("".join(form.format(text) for form, text in zip(forms, texts, strict=True)))
    counts = Counter(forms)
    chars = Counter({form: sum(len(x) for x, y in zip(texts, forms, strict=True) if y == form) for form in counts})
    assert found["path_blocks"] == [counts[form] for form in forms]
    assert found["path_chars"] == [chars[form] // counts[form] for form in forms]
    assert found["chars_before"] == [sum(map(len, texts[:number])) for number in range(len(forms))]


def test_elements_named_alike_are_counted_together() -> None:
    item = '<div class="item n{}"><p>{}</p></div>'
    found = asked(
        "".join(item.format(number, "a" * number) for number in range(1, 9)) + "<div class=other><p>b</p></div>"
    )
    assert found["shape_blocks"] == [8] * 8 + [1]


def test_kinds_of_ancestors_and_headings() -> None:
    found = asked("<nav><a href=/>Home</a></nav><main><h1>The mill</h1><p class=comment>It turns.</p></main>")
    assert found["in_navigation"] == [1, 0, 0]
    assert found["in_main"] == [0, 1, 1]
    assert found["in_comments_words"] == [0, 0, 1]
    assert found["since_h1"] == [-1, -1, 1]
    assert found["link_share"] == [1024 * 4 // 5, 0, 0]


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_shares_are_rounded_down(part: int, whole: int) -> None:
    part = min(part, whole)
    assert share(part, whole) == 1024 * part // (whole + 1)


def test_numbers_beyond_sixteen_bits_are_the_last_within() -> None:
    numbers: NDArray[np.int32] = np.array([[2**31 - 1, 40_000, 32_767, 0, -32_768, -(2**31)]], np.int32)
    assert fitted(numbers).tolist() == [[32_767, 32_767, 32_767, 0, -32_768, -32_768]]


def test_the_largest_columns_fit() -> None:
    found = asked("<p>" + "word " * 20_000)
    assert found["chars"] == [32_767]
    assert scanned(b"<p>" + b"word " * 20_000).found.blocks[0, t.CHARS] == 99_999
