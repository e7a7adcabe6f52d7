"""Masks as pictures: # where a query (a line) sees a key (a column). Legend: B batch, T queries, K keys."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.models.mask import Mask
from training.models.positions import document_positions, positions

CPU = torch.device("cpu")
DOCUMENTS = [[1, 1, 1, 2, 2, 0]]  # three tokens, two tokens, padding


def picture(mask, T=6, K=6):
    (seen_TK,) = mask.dense(1, T, K, CPU)[:, 0].tolist()
    return ["".join("#" if seen else "." for seen in line) for line in seen_TK]


def of(*rows):
    return torch.tensor(rows)


def test_past_of_one_document():
    assert picture(Mask(see="past"), 3, 3) == ["#..", "##.", "###"]


def test_everything_of_a_row():
    assert picture(Mask(see="all"), 2, 3) == ["###", "###"]


def test_past_of_each_document():
    assert picture(Mask.within(of(*DOCUMENTS), "past")) == [
        "#.....",
        "##....",
        "###...",
        "...#..",
        "...##.",
        ".....#",
    ]  # fmt: skip


def test_everything_of_each_document():
    assert picture(Mask.within(of(*DOCUMENTS), "all")) == [
        "###...",
        "###...",
        "###...",
        "...##.",
        "...##.",
        ".....#",
    ]  # fmt: skip


def test_a_prefix_is_seen_from_everywhere_in_its_document():
    assert picture(Mask.within(of(*DOCUMENTS), "past", of([1, 1, 0, 1, 0, 0]))) == [
        "##....",
        "##....",
        "###...",
        "...#..",
        "...##.",
        ".....#",
    ]  # fmt: skip


def test_a_prefix_of_one_document():
    assert picture(Mask.within(None, "past", of([1, 1, 0, 0])), 4, 4) == ["##..", "##..", "###.", "####"]


def test_across_two_streams_of_documents():
    across = Mask(queries_BT=of([1, 1, 2, 0]), keys_BK=of([1, 2, 2, 2, 0]))
    assert picture(across, 4, 5) == ["#....", "#....", ".###.", "....#"]


def test_queries_that_go_on_from_a_cache():
    assert picture(Mask(see="past", offset=3), 2, 5) == ["####.", "#####"]


ROWS = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=5), min_size=1, max_size=3)


def segments_of(rows, T=20):
    """Lengths of documents -> their numbers, padded with 0."""
    lines = [[n for n, length in enumerate(lengths, 1) for _ in range(length)] for lengths in rows]
    return torch.tensor([line + [0] * (T - len(line)) for line in lines])


@given(rows=ROWS, see=st.sampled_from(["all", "past"]), data=st.data())
def test_the_predicate_word_by_word(rows, see, data):
    segments_BT = segments_of(rows)
    prefix_BT = data.draw(st.none() | st.integers(0, 2**20 - 1).map(lambda bits: bits_of(bits, len(rows))))
    seen_B1TK = Mask.within(segments_BT, see, prefix_BT).dense(len(rows), 20, 20, CPU)
    for b, i, j in data.draw(st.lists(st.tuples(*(st.integers(0, n) for n in (len(rows) - 1, 19, 19))), min_size=20)):
        allowed = see == "all" or i >= j or (prefix_BT is not None and bool(prefix_BT[b, j]))
        assert bool(seen_B1TK[b, 0, i, j]) == (bool(segments_BT[b, i] == segments_BT[b, j]) and allowed)


def bits_of(bits, n_rows):
    return torch.tensor([[bits >> t & 1 for t in range(20)]] * n_rows)


@given(rows=ROWS, see=st.sampled_from(["all", "past"]))
def test_every_position_sees_itself(rows, see):
    """Else softmax would have nothing to share out: padding too."""
    seen_B1TK = Mask.within(segments_of(rows), see).dense(len(rows), 20, 20, CPU)
    assert seen_B1TK.diagonal(dim1=2, dim2=3).all()


def test_positions_begin_again_in_each_document():
    assert document_positions(torch.tensor([[4, 4, 4, 5, 5]])).tolist() == [[0, 1, 2, 0, 1]]
    assert positions(torch.zeros(2, 3), None, offset=5).tolist() == [[5, 6, 7]]


@given(rows=ROWS)
def test_positions_count_up_within_a_document(rows):
    for lengths, row in zip(rows, document_positions(segments_of(rows)).tolist(), strict=True):
        expected = [position for length in [*lengths, 20 - sum(lengths)] for position in range(length)]
        assert row == expected


@pytest.mark.parametrize(
    "mask", [Mask.within(of(*DOCUMENTS), "past"), Mask(see="past"), Mask.within(of([2, 2]), "all")]
)
def test_blocks_hold_the_same_predicate(mask):
    T = 6 if mask.keys_BK is None else mask.keys_BK.shape[1]
    predicate = mask.blocks(1, T, T, CPU).mask_mod
    seen = mask.dense(1, T, T, CPU)[0, 0]
    zero = torch.tensor(0)
    for i in range(T):
        for j in range(T):
            assert bool(predicate(zero, zero, torch.tensor(i), torch.tensor(j))) == bool(seen[i, j])
