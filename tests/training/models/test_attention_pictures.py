"""docs/attention.md shows what the masks are."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def pictures(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    from draw_attention import pictures

    return pictures()


def test_pictures_are_the_masks(pictures):
    for name, svg in pictures.items():
        assert (DOCS / name).read_text(encoding="utf-8") == svg, "draw them again: python docs/draw_attention.py"


def test_the_page_shows_them_all(pictures):
    page = (DOCS / "attention.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\((attention_\w+\.svg)\)", page)) == set(pictures)


def test_cells_are_counted_by_hand(pictures):
    """Documents of 3 and 4 tokens and one of padding: 9 + 16 + 1; lower triangles 6 + 10 + 1; two prefixes of 2 add
    one cell each; 2 targets with 4 inputs, 3 with 3, padding with padding."""
    cells = {name: len(re.findall(r"M\d+ \d+h", svg)) for name, svg in pictures.items()}
    assert cells == {
        "attention_all.svg": 26,
        "attention_causal.svg": 17,
        "attention_prefix.svg": 19,
        "attention_cross.svg": 18,
    }
