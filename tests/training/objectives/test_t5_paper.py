"""Raffel et al. 2020, figure 2 and table 3: with the paper's noise, the paper's inputs and targets."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from objective_samples import SPECIALS, TEXT, WORDS, ids, mask_of, words

from training.objectives import t5
from training.objectives.denoise import Denoise
from training.objectives.inputs import run_starts, sentinels_for_noise
from training.objectives.targets import noise_after_sentinels

ALL = " ".join(TEXT)


class Chosen(np.random.Generator):
    """A generator whose random tokens, and whose coins between mask and random token, are chosen."""

    def random(self, size: int) -> np.ndarray:  # type: ignore[override]
        return np.array([0.1, 0.2, 0.95])[:size]

    def integers(self, high: int, size: int) -> np.ndarray:  # type: ignore[override]
        return np.full(size, high - 1)  # the last ordinary entry: apple


def corrupted(objective: Denoise, *noise: str) -> tuple[str, str]:
    inputs, targets = objective.corrupted(ids(ALL), mask_of(*noise), Chosen(np.random.PCG64(0)))
    for tokens in (inputs, targets):
        assert tokens[-1] == WORDS.eod
    return words(inputs[:-1]), words(targets[:-1])


SINGLE = ("for", "inviting", "last")


@pytest.mark.parametrize(
    ("make", "noise", "expected"),
    [
        (t5.prefix_lm_encoder_decoder, TEXT[4:], ("Thank you for inviting", "me to your party last week .")),
        (t5.bert_style, SINGLE, ("Thank you <M> <M> me to your party apple week .", ALL)),
        (t5.mass_style, SINGLE, ("Thank you <M> <M> me to your party <M> week .", ALL)),
        (
            t5.independent_sentinels,
            SINGLE,
            ("Thank you <X> me to your party <Y> week .", "<X> for inviting <Y> last <Z>"),
        ),
        (t5.drop_tokens, SINGLE, ("Thank you me to your party week .", "for inviting last")),
        (
            t5.span_corruption,
            ("for", "inviting", "me", "your", "party", "last"),
            ("Thank you <X> to <Y> week .", "<X> for inviting me <Y> your party last <Z>"),
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_table_3(make: Callable[..., Denoise], noise: tuple[str, ...], expected: tuple[str, str]) -> None:
    assert corrupted(make(specials=WORDS), *noise) == expected


def test_table_3_deshuffling() -> None:
    """The paper's shuffled text has a word more ("fun"), so its order cannot be asked for."""
    inputs, targets = corrupted(t5.deshuffle(specials=WORDS), *TEXT)
    assert inputs != ALL
    assert sorted(inputs.split()) == sorted(TEXT)
    assert targets == ALL


def test_each_token_its_own_sentinel() -> None:
    objective = t5.independent_sentinels(specials=WORDS, merge=False)
    assert corrupted(objective, "for", "inviting") == (
        "Thank you <X> <Y> me to your party last week .",
        "<X> for <Y> inviting <Z>",
    )


def test_a_sentinel_stands_for_the_same_run_where_noise_comes_first() -> None:
    objective = t5.independent_sentinels(specials=WORDS)
    assert corrupted(objective, "Thank", "party") == (
        "<X> you for inviting me to your <Y> last week .",
        "<X> Thank <Y> party <Z>",
    )


def test_without_a_mask_token_the_first_sentinel_is_one() -> None:
    objective = t5.mass_style(specials=replace(WORDS, mask=None))
    assert corrupted(objective, "for")[0] == "Thank you <X> inviting me to your party last week ."


def test_functions_of_t5s_own_tests() -> None:
    """preprocessors_test.py: a vocabulary of 1000 entries, whose sentinels descend from 999."""
    tokens, mask = np.arange(10, 16), np.array([True, True, False, False, True, False])
    sentinels = np.arange(999, 900, -1)
    spans = run_starts(mask)
    assert sentinels_for_noise(tokens, mask, spans, sentinels).tolist() == [999, 12, 13, 998, 15]
    assert sentinels_for_noise(tokens, mask, mask, np.full(9, 999)).tolist() == [999, 999, 12, 13, 999, 15]
    assert tokens[~mask].tolist() == [12, 13, 15]  # drop_noise_tokens
    assert tokens[mask].tolist() == [10, 11, 14]  # drop_nonnoise_tokens
    assert noise_after_sentinels(tokens, mask, spans, sentinels).tolist() == [999, 10, 11, 998, 14, 997]


@pytest.mark.parametrize(("row_len", "raw", "n_targets"), [(512, 568, 114), (128, 141, 29), (1024, 1137, 229)])
def test_lengths_of_span_corruption(row_len: int, raw: int, n_targets: int) -> None:
    sentinels = tuple(range(5000, 5200))
    objective = t5.span_corruption(specials=replace(SPECIALS, size=6000, sentinels=sentinels))
    assert objective.layout.raw_len("span_corruption", row_len) == raw
    features = objective.features(row_len)
    assert {name: feature.length for name, feature in features.items()} == {
        "inputs_I": row_len,
        "tokens_T": n_targets,
        "targets_T": n_targets,
    }


@pytest.mark.parametrize(("mean", "expected"), [(2.0, (70, 22)), (1.0, (63, 27))])
def test_lengths_of_t5s_own_test(mean: float, expected: tuple[int, int]) -> None:
    # preprocessors_test.py, test_random_spans_helper: 64 inputs, density 0.2
    objective = t5.span_corruption(specials=SPECIALS, density=0.2, mean_span=mean)
    raw = objective.layout.raw_len("span_corruption", 64)
    assert (raw, objective.features(64)["targets_T"].length) == expected
