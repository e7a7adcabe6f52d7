"""The table of sources: Dolma's own numbers, and what was asked for beside what came."""

import pytest

from corpus.text.composition import Amount, composition
from corpus.text.mixing import Quota

DOLMA = {
    "Wikipedia, Wikibooks": Amount(documents=6_200_000, size_bytes=16_200_000_000, words=3_700_000_000),
    "Common Crawl": Amount(documents=3_370_000_000, size_bytes=9_022_000_000_000, words=1_775_000_000_000),
    "The Stack": Amount(documents=210_000_000, size_bytes=1_043_000_000_000, words=260_000_000_000),
    "C4": Amount(documents=364_000_000, size_bytes=790_000_000_000, words=153_000_000_000),
    "Reddit": Amount(documents=377_000_000, size_bytes=339_000_000_000, words=72_000_000_000),
    "peS2o": Amount(documents=38_800_000, size_bytes=268_000_000_000, words=50_000_000_000),
    "Project Gutenberg": Amount(documents=56_000, size_bytes=20_400_000_000, words=4_000_000_000),
}


def test_dolma() -> None:
    """Version 1.6's table: by size; a total of 11,519 GB (11,499 by its rows), 4,367 M documents, 2,318 B words."""
    lines = composition(DOLMA)
    assert [line.source for line in lines[:2]] == ["Common Crawl", "The Stack"]
    assert lines[-2].source == "Wikipedia, Wikibooks"
    total = lines[-1]
    assert total.source == "total"
    assert total.amount.documents == pytest.approx(4_367e6, rel=1e-3)
    assert total.amount.size_bytes == pytest.approx(11_519e9, rel=2e-3)
    assert total.amount.words == pytest.approx(2_318e9, rel=1e-3)
    assert sum(line.share for line in lines[:-1]) == pytest.approx(1.0)
    assert (total.share, total.epochs, lines[0].epochs) == (1.0, None, None)


def test_achieved_beside_requested() -> None:
    asked = {
        "web": Quota(available_bytes=900, requested_bytes=900),
        "wiki": Quota(available_bytes=50, requested_bytes=100),
        "books": Quota(available_bytes=10, requested_bytes=0),
    }
    mixed = {"wiki": Amount(documents=4, size_bytes=98), "web": Amount(documents=9, size_bytes=882, words=100)}
    web, wiki, books, total = composition(mixed, asked)
    assert (web.source, web.share, web.requested_share, web.requested_epochs) == ("web", 0.9, 0.9, 1.0)
    assert (wiki.epochs, wiki.requested_epochs) == (1.96, 2.0)
    assert (books.amount, books.epochs, books.requested_epochs) == (
        Amount(documents=0, size_bytes=0, words=0),
        0.0,
        0.0,
    )
    assert total.amount == Amount(documents=13, size_bytes=980, words=None)


def test_of_nothing() -> None:
    (total,) = composition({})
    assert (total.amount, total.share) == (Amount(documents=0, size_bytes=0, words=0), 0.0)


def test_equal_sizes_stand_by_name() -> None:
    one = Amount(documents=1, size_bytes=5)
    assert [line.source for line in composition({"b": one, "a": one, "c": one})] == ["a", "b", "c", "total"]
