"""BART's noises one by one, its rates, and what holds for all of them: the target is the text."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from objective_samples import IDS, SPECIALS, WORDS, ids, packed, row_of, words

from training.objective import IGNORED, Row, noise
from training.objectives import bart_noise
from training.objectives.bart import Bart

M = SPECIALS.mask
OFF = {"permute": 0.0, "infill": 0.0}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class Draws(np.random.Generator):
    """Numbers as a test wants them."""

    def __init__(self, poisson: list[int], permutation: list[int], choice: list[int]) -> None:
        super().__init__(np.random.PCG64(0))
        self.given = {"poisson": poisson, "permutation": permutation, "choice": choice}

    def poisson(self, mean: float, size: int) -> np.ndarray:  # type: ignore[override]
        return np.array(self.given["poisson"])

    def permutation(self, n: int) -> np.ndarray:  # type: ignore[override]
        return np.array(self.given["permutation"])

    def choice(self, *_: object, **__: object) -> np.ndarray:  # type: ignore[override]
        return np.array(self.given["choice"])


EVERY = np.ones(5, np.bool_)


@pytest.mark.parametrize(
    ("poisson", "places", "inserts", "expected"),
    [
        ([2, 1, 0], [1, 4], [], [10, M, 13, M]),  # B C and E
        ([0, 3, 9], [0], [2], [M, 13, M, 14]),  # A B C, and one between D and E
        ([3, 3, 3], [3], [], [10, 11, 12, M]),  # D E and no further
        ([2, 1, 5], [1, 2], [], [10, M, 13, 14]),  # B C, and C inside: its mask goes
        ([1, 2, 5], [0, 1], [], [M, M, 13, 14]),  # A and B C: neighbours keep a mask each
        ([2, 2, 5], [0, 1], [], [M, 12, 13, 14]),  # the second is cut to the budget
    ],
)
def test_infilling(poisson: list[int], places: list[int], inserts: list[int], expected: list[int]) -> None:
    """A B C D E, three words of five to hide. fairseq, add_whole_word_mask, gives the same for these numbers."""
    draws = Draws(poisson, places + [k for k in range(5) if k not in places], inserts)
    assert bart_noise.infilled(np.arange(10, 15), EVERY, 0.6, 3.0, M, 5, draws).tolist() == expected


def test_infilling_takes_whole_words() -> None:
    starts = np.array([True, False, True, False, False, True])  # AA BBB C
    draws = Draws([1], [1, 0, 2], [])
    assert bart_noise.infilled(np.arange(10, 16), starts, 0.3, 3.0, M, 6, draws).tolist() == [10, 11, M, 15]


@given(st.integers(1, 200), st.floats(0.01, 1), st.integers(0, 99))
def test_span_lengths_fill_the_budget_and_no_more(budget: int, mean: float, seed: int) -> None:
    lengths = bart_noise.span_lengths(budget, 1 + 5 * mean, rng(seed))
    assert lengths.sum() == budget
    assert (lengths[:-1] >= 0).all()
    assert lengths[-1] > 0


def test_span_lengths_are_poisson() -> None:
    lengths = np.concatenate([bart_noise.span_lengths(3000, 3.0, rng(seed))[:-1] for seed in range(10)])
    for k, expected in enumerate(math.exp(-3) * 3**k / math.factorial(k) for k in range(8)):
        assert abs((lengths == k).mean() - expected) < 4 * math.sqrt(expected / len(lengths))


@given(st.integers(1, 120), st.floats(0, 1), st.integers(0, 999))
def test_sentences_keep_their_order_within(n: int, rate: float, seed: int) -> None:
    ends = rng(seed).random(n) < 0.2
    order = bart_noise.permuted_sentences(ends, rate, rng(seed + 1))
    assert sorted(order.tolist()) == list(range(n))
    follows = np.diff(order) == 1
    last = np.append(np.flatnonzero(ends), n - 1)
    for place in range(n - 1):  # only an end is followed by something else than the next token
        assert follows[place] or order[place] in last


def test_all_orders_of_sentences_are_alike_likely() -> None:
    ends = np.array([False, True, True, False, False])
    found = [tuple(bart_noise.permuted_sentences(ends, 1.0, rng(seed)).tolist()) for seed in range(3000)]
    counts = {order: found.count(order) for order in set(found)}
    assert set(counts) == {
        (0, 1, 2, 3, 4),
        (0, 1, 3, 4, 2),
        (2, 0, 1, 3, 4),
        (2, 3, 4, 0, 1),
        (3, 4, 0, 1, 2),
        (3, 4, 2, 0, 1),
    }
    assert all(abs(count - 500) < 4 * math.sqrt(500) for count in counts.values())


@given(st.integers(1, 100), st.floats(0.01, 1), st.integers(0, 999))
def test_deletion_and_rotation(n: int, rate: float, seed: int) -> None:
    tokens = np.arange(n)
    left = bart_noise.deleted(tokens, rate, rng(seed))
    assert len(left) == max(n - math.ceil(n * rate), 1)
    assert (np.diff(left) > 0).all()
    turned = bart_noise.rotated(tokens, rng(seed))
    assert np.array_equal((turned - turned[0]) % n, tokens)


@pytest.mark.parametrize("document_mask", [False, True])
@given(
    n=st.integers(2, 300),
    eods=st.sets(st.integers(0, 299), max_size=8),
    seed=st.integers(0, 999),
    rates=st.tuples(*[st.sampled_from((0.0, 0.3, 1.0))] * 4),
)
def test_the_target_is_the_text(
    document_mask: bool, n: int, eods: set[int], seed: int, rates: tuple[float, float, float, float]
) -> None:
    permute, infill, delete, rotate = rates
    objective = Bart(
        specials=SPECIALS, permute=permute, infill=infill, delete=delete, rotate=rotate, document_mask=document_mask
    )
    row = row_of(n, seed, tuple(sorted(i for i in eods if i < n)))
    example = objective.draw(row if document_mask else packed(row), noise(seed, 0, 0))
    again = objective.draw(row if document_mask else packed(row), noise(seed, 0, 0))
    assert all(np.array_equal(again[name], example[name]) for name in example)
    segments, input_segments = example["segments_T"], example["input_segments_I"]
    assert np.array_equal(example["targets_T"] == IGNORED, segments == 0)
    assert (example["inputs_I"][input_segments == 0] == SPECIALS.pad).all()
    texts = [row.tokens_S[row.segments_S == d] for d in range(1, row.segments_S[-1] + 1)] if document_mask else []
    texts = iter([text[:-1] if text[-1] == SPECIALS.eod else text for text in texts] or [row.tokens_S])
    for d in range(1, segments.max(initial=0) + 1):
        targets = example["targets_T"][segments == d]
        tokens = example["tokens_T"][segments == d]
        inputs = example["inputs_I"][input_segments == d]
        text = targets[1:-1]
        for frame in (inputs, targets):
            assert (frame[0], frame[-1]) == (SPECIALS.start, SPECIALS.eod)
        assert tokens.tolist() == [SPECIALS.eod, *targets[:-1].tolist()]
        whole = next(t for t in texts if len(t) >= 2 and np.array_equal(t[: len(text)], text))
        assert document_mask or len(whole) == len(text)
        seen = inputs[1:-1]
        assert set(seen.tolist()) - {M} <= set(text.tolist())
        if not infill:
            assert M not in seen
            assert len(seen) == (max(len(text) - math.ceil(len(text) * delete), 1) if delete else len(text))


def test_three_words_in_ten_are_hidden() -> None:
    n, hidden, masks = 510, 0, 0
    row = packed(row_of(n)._replace(word_starts_S=np.ones(n, np.bool_)))
    objective = Bart(specials=SPECIALS, permute=0.0)
    for i in range(200):
        seen = objective.draw(row, noise(0, 0, i))["inputs_I"]
        masks += int((seen == M).sum())
        hidden += n - int((seen > SPECIALS.unknown).sum())
    assert 0.25 < hidden / (200 * n) <= 0.3  # spans that overlap or reach the end hide less
    assert 0.25 < masks / hidden < 0.42  # a mask for each span of 3, less those inside others


def test_the_worked_example() -> None:
    objective = Bart(specials=WORDS, infill=0.0)
    text = "Thank you . for inviting me ."
    row = Row(ids(text), None, np.ones(7, np.bool_), ids(text) == IDS["."])
    seen = {words(objective.draw(row, noise(0, 0, i))["inputs_I"]) for i in range(20)}
    assert seen == {"<s> Thank you . for inviting me . </s>", "<s> for inviting me . Thank you . </s>"}
    example = objective.draw(row, noise(0, 0, 0))
    assert words(example["targets_T"]) == "<s> Thank you . for inviting me . </s>"
    assert words(example["tokens_T"]) == "</s> <s> Thank you . for inviting me ."


def test_the_rest_of_a_word_that_the_row_cuts_is_a_word() -> None:
    row = row_of(5)._replace(segments_S=None, word_starts_S=np.zeros(5, np.bool_))
    example = Bart(specials=SPECIALS, permute=0.0, infill=1.0).draw(row, noise(0, 0, 0))
    assert SPECIALS.pad in example["inputs_I"]
    assert set(example["inputs_I"].tolist()) == {SPECIALS.start, M, SPECIALS.eod, SPECIALS.pad}


def test_marks_are_asked_for_where_they_are_used() -> None:
    assert Bart(specials=SPECIALS).marks
    assert not Bart(specials=SPECIALS, **OFF).marks
    row = Row(row_of(9).tokens_S)
    example = Bart(specials=SPECIALS, **OFF, delete=0.5).draw(row, noise(0, 0, 0))
    assert (example["input_segments_I"] > 0).sum() == 9 - 5 + 2
