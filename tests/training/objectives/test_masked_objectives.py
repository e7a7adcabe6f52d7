"""BERT's and RoBERTa's masked rows: who is chosen, what becomes of them, and what is left alone."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from objective_samples import ORDINARY, SIZE, SPECIALS, packed, row_of

from training.objective import IGNORED, Example, Row, noise
from training.objectives.masked import Masked
from training.objectives.roberta import Roberta

OBJECTIVES = (Masked(specials=SPECIALS), Masked(specials=SPECIALS, whole_words=True), Roberta(specials=SPECIALS))


def framed(objective: Masked | Roberta, row: Row) -> np.ndarray:
    return np.concatenate(([SPECIALS.start], row.tokens_S, [SPECIALS.separator] * (objective.name == "masked")))


@pytest.mark.parametrize("objective", OBJECTIVES)
@given(n=st.integers(1, 200), eods=st.sets(st.integers(0, 199), max_size=8), seed=st.integers(0, 999))
def test_only_chosen_tokens_change_and_special_ones_are_never_chosen(
    objective: Masked | Roberta, n: int, eods: set[int], seed: int
) -> None:
    row = row_of(n, seed, tuple(sorted(i for i in eods if i < n)))
    example = objective.draw(packed(row), noise(seed, 0, 0))
    plain = framed(objective, row)
    chosen = example["targets_T"] != IGNORED
    assert np.array_equal(example["tokens_T"][~chosen], plain[~chosen])
    assert np.array_equal(example["targets_T"][chosen], plain[chosen])
    assert not np.isin(plain[chosen], sorted(SPECIALS.ids)).any()
    n_ordinary = np.isin(plain, ORDINARY).sum()
    if objective.name == "roberta":
        assert chosen.sum() in {min(n_ordinary, math.floor(0.15 * len(plain)) + k) for k in (0, 1)}
    elif objective.whole_words:
        assert chosen.sum() <= max(1, round(0.15 * len(plain)))
    else:
        assert chosen.sum() == min(n_ordinary, max(1, round(0.15 * len(plain))))
    again = objective.draw(packed(row), noise(seed, 0, 0))
    assert all(np.array_equal(again[name], example[name]) for name in example)


def counted(objective: Masked | Roberta) -> tuple[int, int, int, int, np.ndarray]:
    """Chosen, masked, replaced and kept tokens of many draws, and the replacements."""
    row = packed(row_of(510, 3))
    plain = framed(objective, row)
    totals, replacements = np.zeros(4, int), []
    for i in range(300):
        example = objective.draw(row, noise(1, 0, i))
        chosen = example["targets_T"] != IGNORED
        seen = example["tokens_T"][chosen]
        masked, kept = seen == SPECIALS.mask, seen == plain[chosen]
        totals += (chosen.sum(), masked.sum(), (~masked & ~kept).sum(), kept.sum())
        replacements.append(seen[~masked & ~kept])
    return *totals.tolist(), np.concatenate(replacements)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_eight_masked_one_replaced_one_kept(objective: Masked | Roberta) -> None:
    n, masked, replaced, kept, replacements = counted(objective)
    hits = 1 / SIZE  # a random entry can be the token itself or the mask
    assert abs(masked / n - 0.8) < 4 * math.sqrt(0.16 / n) + hits
    assert abs(replaced / n - 0.1) < 4 * math.sqrt(0.09 / n) + hits
    assert abs(kept / n - 0.1) < 4 * math.sqrt(0.09 / n) + hits
    special = np.isin(replacements, sorted(SPECIALS.ids)).mean()
    # BERT draws from all entries, RoBERTa from the ordinary ones (mask_tokens_dataset.py: weights of specials are 0)
    assert special == 0 if objective.name == "roberta" else 0.05 < special < 0.13  # 106 of 1200


def test_berts_number_of_predictions() -> None:
    row = packed(row_of(126))
    for most, count in ((20, 19), (10, 10)):
        example = Masked(specials=SPECIALS, max_predictions=most).draw(row, noise(0, 0, 0))
        assert (example["targets_T"] != IGNORED).sum() == count


def test_words_are_hidden_whole() -> None:
    objective = Masked(specials=SPECIALS, whole_words=True)
    row = row_of(300, 5, (40, 41, 200))
    n_chosen = 0
    for i in range(50):
        chosen = objective.draw(row, noise(0, 0, i))["targets_T"][1:-1] != IGNORED
        n_chosen += int(chosen.sum())
        for k in range(1, 300):
            same_word = not row.word_starts_S[k] and row.tokens_S[k - 1] != SPECIALS.eod
            assert not same_word or chosen[k] == chosen[k - 1]
    assert n_chosen > 50 * (0.15 * 302 - 2)  # the budget is used


def test_document_masks_only_tell_the_documents() -> None:
    row = row_of(10, 0, (3, 6))
    for objective, segments in (
        (Masked(specials=SPECIALS, document_mask=True), [1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3]),
        (Roberta(specials=SPECIALS, document_mask=True), [1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3]),
    ):
        example = objective.draw(row, noise(0, 0, 0))
        assert example["segments_T"].tolist() == segments
        assert {name: len(v) for name, v in example.items()} == {
            name: feature.length for name, feature in objective.features(len(segments)).items()
        }


def test_masks_can_be_static() -> None:
    """The data layer keys the noise of epoch e with e % static_copies."""
    assert Masked(specials=SPECIALS).static_copies == 10
    assert Masked(specials=SPECIALS, static_copies=None).static_copies is None


def is_counted(example: Example) -> np.ndarray:
    return example["targets_T"] != IGNORED


def test_roberta_masks_anew_in_every_epoch() -> None:
    objective, row = Roberta(specials=SPECIALS), packed(row_of(200))
    first, second = (is_counted(objective.draw(row, noise(0, epoch, 0))) for epoch in (0, 1))
    assert not np.array_equal(first, second)
