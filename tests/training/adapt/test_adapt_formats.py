"""Rows of tokens around texts, spelled out by hand; and what is cut off."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ConfigError
from training.adapt.formats import Format, Line, Reading, collated, fitted
from training.objective import IGNORED

TOKENS = st.lists(st.integers(10, 99), max_size=12)
FORMAT = Format(before=(1, 2), between=(3,), after=(4,))
CPU = torch.device("cpu")


def test_one_text_and_two():
    assert FORMAT.line([10, 11], [20], 16) == Line([1, 2, 10, 11, 3, 20, 4], 5, False)
    assert FORMAT.line([10, 11], None, 16) == Line([1, 2, 10, 11, 4], 4, False)
    assert FORMAT.line([10, 11], [], 16) == Line([1, 2, 10, 11, 3, 4], 5, False)


def test_the_longer_text_is_cut_and_the_format_stays():
    assert FORMAT.line([10, 11], [20, 21, 22, 23], 8) == Line([1, 2, 10, 11, 3, 20, 21, 4], 5, True)
    assert FORMAT.line([10, 11, 12, 13], [20, 21], 8) == Line([1, 2, 10, 11, 3, 20, 21, 4], 5, True)
    assert FORMAT.line([10, 11, 12, 13], [20, 21, 22], 7) == Line([1, 2, 10, 11, 3, 20, 4], 5, True)
    assert FORMAT.line([10, 11, 12], None, 5) == Line([1, 2, 10, 11, 4], 4, True)


def popped(first, second, room):
    """As google-research/bert cuts: token by token."""
    first, second = list(first), list(second)
    while len(first) + len(second) > room:
        (first if len(first) > len(second) else second).pop()
    return first, second


@given(TOKENS, TOKENS, st.integers(2, 30))
def test_fitted_is_cut_token_by_token(first, second, room):
    assert fitted(first, second, room) == popped(first, second, room)


@given(TOKENS, st.none() | TOKENS, st.integers(6, 30))
def test_a_line_keeps_the_format_and_says_what_it_cut(first, second, room):
    line = FORMAT.line(first, second, room)
    assert len(line.tokens) <= room
    assert [token for token in line.tokens if token < 10] == ([1, 2, 4] if second is None else [1, 2, 3, 4])
    assert line.cut == (len(line.tokens) < len(first) + len(second or ()) + (3 if second is None else 4))


def test_no_room_for_texts():
    with pytest.raises(ConfigError, match="a row of 5 tokens, of which the format takes 4"):
        FORMAT.line([10], [20], 5)


def reading(label, *orders):
    return Reading(tuple({"tokens": order, "targets": order} for order in orders), label, False)


def test_rows_are_padded_and_orders_stand_one_after_the_other():
    batch = collated([reading(1, [5, 6], [6, 5]), reading(0, [7], [8])], 3, CPU)
    assert batch["tokens"].tolist() == [[5, 6, 0], [7, 0, 0], [6, 5, 0], [8, 0, 0]]
    assert batch["targets"].tolist()[3] == [8, IGNORED, IGNORED]
    assert batch["labels"].tolist() == [1, 0]
    assert batch["labels"].dtype == torch.long


@pytest.mark.parametrize(("length", "room", "T"), [(1, 64, 16), (16, 64, 16), (17, 64, 32), (17, 20, 20), (20, 20, 20)])
def test_lengths_are_rounded_as_far_as_there_is_room(length, room, T):
    assert collated([reading(0.5, [1] * length)], room, CPU)["tokens"].shape == (1, T)


def test_scores_are_floats():
    assert collated([reading(0.5, [1])], 4, CPU)["labels"].dtype == torch.float32
