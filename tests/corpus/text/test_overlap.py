"""Overlap by n-grams: equal to plain Python sets, whatever the batches, and by hand what is found and what is not."""

from functools import reduce
from operator import or_

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.text.overlap import CLEAN_BELOW, MAX_WORDS, MIN_WORDS, Flags, Grams
from corpus.text.shingles import words

NUMBERS = words("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen")


def first(n: int) -> str:
    return " ".join(NUMBERS[:n])


def found_in(grams: Grams, *texts: str) -> Flags:
    encoded = [text.encode() for text in texts]
    return grams.found_in(np.cumsum([0, *map(len, encoded)]), np.frombuffer(b"".join(encoded), np.uint8))


def covered(items: list[str], *texts: str) -> list[float]:
    """The shares, with -1 for nan, which equals nothing."""
    grams = Grams.of(items)
    shares = grams.covered(found_in(grams, *texts))
    assert np.array_equal(np.isnan(shares), grams.too_short)
    return list(np.nan_to_num(shares, nan=-1))


def plainly_covered(items: list[str], texts: list[str]) -> list[float]:
    """The definition, by sets of tuples of words."""
    read = [words(text) for text in texts]
    lengths = range(MIN_WORDS, MAX_WORDS + 1)
    seen = {tuple(text[at : at + n]) for text in read for n in lengths for at in range(len(text) - n + 1)}
    shares = []
    for item in map(words, items):
        n = min(len(item), MAX_WORDS)
        starts = [at for at in range(len(item) - n + 1) if tuple(item[at : at + n]) in seen]
        inside = {at + i for at in starts for i in range(n)}
        shares.append(len(inside) / len(item) if n >= MIN_WORDS else -1)
    return shares


def test_a_copy_is_found_within_a_longer_text() -> None:
    assert covered([first(16)], f"before {first(16)} after") == [1]
    assert covered([first(16)], "another text", "", f"and {first(16)}") == [1]


def test_thirteen_shared_words_are_found_and_twelve_are_not() -> None:
    """13 of 16 words: the n-gram from the first word on, and those words are covered."""
    assert covered([first(16)], f"{first(13)} other words") == [13 / 16]
    assert covered([first(16)], f"{first(12)} other words") == [0]


def test_words_between_two_found_n_grams_are_not_covered_and_those_in_both_count_once() -> None:
    item = f"{first(14)} x y z {' '.join(NUMBERS[2:])}"  # two runs of 14 words; the second without its first
    assert covered([item], first(14), " ".join(NUMBERS[3:])) == [(14 + 13) / 31]


@pytest.mark.parametrize("n", range(MIN_WORDS, MAX_WORDS + 1))
def test_a_short_item_is_one_n_gram_of_its_own_length(n: int) -> None:
    assert covered([first(n)], f"so: {first(n)}!") == [1]
    assert covered([first(n)], first(n - 1)) == [0]
    assert covered([first(n)], " ".join(NUMBERS[1:])) == [0]


def test_an_item_of_fewer_than_eight_words_tells_nothing() -> None:
    assert covered([first(7), "", "?!", first(8)], first(16)) == [-1, -1, -1, 1]


def test_case_and_punctuation_do_not_matter() -> None:
    assert covered([first(16)], f"“{first(16).upper().replace(' ', ', ')}…”") == [1]
    assert covered(["Don't say it's “so”, he said"], "don’t SAY it’s (so) - he said") == [1]


def test_other_scripts() -> None:
    """Each Chinese character is a word; what is not ASCII keeps its case."""
    assert covered(["水車小屋は谷の小川にある"], "その水車小屋は谷の小川にある。") == [1]
    greek = "ο μύλος στέκει δίπλα στο ρέμα και αλέθει το σιτάρι"
    assert covered([greek, greek.upper()], f"«{greek}».") == [1, 0]


def test_no_n_gram_spans_two_texts() -> None:
    assert covered([first(16)], first(8), " ".join(NUMBERS[8:])) == [0]
    assert covered([first(8)], "one two", "", " ".join(NUMBERS[2:])) == [0]


def test_items_share_n_grams_and_repeat_them() -> None:
    grams = Grams.of([first(13), first(14), f"{first(13)} {first(13)}"])
    assert grams.hashes_H.size == 1 + 1 + 12
    assert grams.covered(found_in(grams, first(13))).tolist() == [1, 13 / 14, 1]


def test_nothing_at_all() -> None:
    assert covered([]) == covered([], first(16)) == []
    assert covered([first(16)]) == covered([first(16)], "") == [0]
    assert covered(["", "few words"], "", first(16)) == [-1, -1]


def test_bounds_are_those_of_the_papers() -> None:
    assert (MIN_WORDS, MAX_WORDS, CLEAN_BELOW) == (8, 13, 0.2)


STREAM = st.lists(st.sampled_from([*"aaab", "C,", "漢"]), max_size=40).map(" ".join)


@st.composite
def items_and_texts(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Items, and texts of which some hold pieces of them."""
    items = draw(st.lists(STREAM, max_size=5))
    pieces = st.sampled_from(items or [""]).flatmap(
        lambda item: st.tuples(st.integers(0, len(item)), st.integers(0, len(item))).map(
            lambda ends: item[slice(*ends)]
        )
    )
    texts = draw(st.lists(st.lists(STREAM | pieces, max_size=3).map(" ".join), max_size=5))
    return items, texts


@given(items_and_texts())
@example(([first(16), first(9), ""], [f"x {first(14)}", "", first(9)]))
@settings(deadline=None)
def test_equal_to_sets_of_tuples(both: tuple[list[str], list[str]]) -> None:
    items, texts = both
    assert covered(items, *texts) == plainly_covered(items, texts)


@given(items_and_texts(), st.data())
@settings(deadline=None)
def test_findings_in_parts_are_joined_to_the_finding_in_all(
    both: tuple[list[str], list[str]], data: st.DataObject
) -> None:
    items, texts = both
    grams = Grams.of(items)
    order = data.draw(st.permutations(texts))
    cut = data.draw(st.integers(0, len(texts)))
    parts = [found_in(grams, *order[:cut]), *(found_in(grams, text) for text in order[cut:])]
    assert np.array_equal(reduce(or_, parts), found_in(grams, *texts))


def test_many_n_grams_find_themselves_and_nothing_else() -> None:
    """100,000 n-grams of drawn numbers: of a third of the items each is found, in other texts none."""
    drawn = np.random.default_rng(0).integers(0, 10**6, (3_000, 45))
    items = [" ".join(map(str, row)) for row in drawn.tolist()]
    grams = Grams.of(items[:2_000])
    shares = grams.covered(found_in(grams, *items[1_000:]))
    assert grams.hashes_H.size == 2_000 * (45 - MAX_WORDS + 1)
    assert shares.tolist() == [0] * 1_000 + [1] * 1_000
