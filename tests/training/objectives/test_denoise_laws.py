"""Laws of the T5 objectives over any row: nothing is lost, nothing crosses a document, the decoder is one step late."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from objective_samples import ORDINARY, SPECIALS, packed, row_of

from training.objective import IGNORED, Example, Row, noise
from training.objectives import t5
from training.objectives.denoise import Denoise

MAKERS = (
    t5.span_corruption,
    t5.independent_sentinels,
    t5.drop_tokens,
    t5.mass_style,
    t5.bert_style,
    t5.deshuffle,
    t5.prefix_lm_encoder_decoder,
)
SENTINELS = frozenset(SPECIALS.sentinels)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    n = draw(st.integers(2, 400))
    eods = draw(st.sets(st.integers(0, n - 1), max_size=12))
    return row_of(n, draw(st.integers(0, 999)), tuple(sorted(eods)))


def documents(row: Row) -> list[list[int]]:
    """The texts of a row without their eods."""
    texts = [row.tokens_S[row.segments_S == d].tolist() for d in np.unique(row.segments_S)]
    return [text[:-1] if text[-1] == SPECIALS.eod else text for text in texts]


def pieces(example: Example) -> list[tuple[list[int], list[int]]]:
    """Inputs and targets of each document, without the ends that they must have."""
    if "segments_T" not in example:
        example = example | {
            "segments_T": np.ones_like(example["tokens_T"]),
            "input_segments_I": np.ones_like(example["inputs_I"]),
        }
    found = []
    for d in range(1, example["segments_T"].max(initial=0) + 1):
        inputs = example["inputs_I"][example["input_segments_I"] == d].tolist()
        targets = example["targets_T"][example["segments_T"] == d].tolist()
        assert inputs.pop() == targets.pop() == SPECIALS.eod
        found.append((inputs, targets))
    return found


def by_sentinel(tokens: list[int]) -> tuple[list[int], dict[int, list[int]]]:
    """What stands before any sentinel, and what follows each."""
    before: list[int] = []
    after: dict[int, list[int]] = {}
    current = before
    for token in tokens:
        if token in SENTINELS:
            assert token not in after, "a sentinel is used twice"
            current = after[token] = []
        else:
            current.append(token)
    return before, after


def restored(objective: Denoise, inputs: list[int], targets: list[int]) -> list[int]:
    """The text again from inputs and targets, save for dropped tokens, which come last."""
    if objective.targets == "sentinels":
        before, spans = by_sentinel(targets)
        assert not before
        return [t for token in inputs for t in (spans[token] if token in SENTINELS else [token])]
    return targets if objective.targets == "text" else inputs + targets


def is_of(objective: Denoise, inputs: list[int], targets: list[int], text: list[int]) -> bool:
    """Whether inputs and targets are those of a beginning of the text."""
    again = restored(objective, inputs, targets)
    text = text[: len(again)]
    if objective.name == "drop_tokens":
        return sorted(again) == sorted(text) and is_within(inputs, text) and is_within(targets, text)
    if objective.name == "deshuffle":
        return again == text and sorted(inputs) == sorted(text)
    if objective.targets == "text":
        return again == text and len(inputs) == len(text)
    return again == text


def is_within(some: list[int], text: list[int]) -> bool:
    rest = iter(text)
    return all(token in rest for token in some)


@pytest.mark.parametrize("make", MAKERS)
@given(row=rows(), seed=st.integers(0, 999))
def test_a_row_across_documents_is_restored(make: Callable[..., Denoise], row: Row, seed: int) -> None:
    objective = make(specials=SPECIALS)
    example = objective.draw(packed(row), noise(seed, 0, 0))
    ((inputs, targets),) = pieces(example)
    assert is_of(objective, inputs, targets, row.tokens_S.tolist())
    if objective.name != "drop_tokens":
        assert len(restored(objective, inputs, targets)) == len(row.tokens_S)


@pytest.mark.parametrize("make", MAKERS)
@given(row=rows(), seed=st.integers(0, 999))
def test_nothing_crosses_a_document(make: Callable[..., Denoise], row: Row, seed: int) -> None:
    objective = make(specials=SPECIALS, document_mask=True)
    example = objective.draw(row, noise(seed, 0, 0))
    texts = iter([text for text in documents(row) if len(text) >= 2])
    for inputs, targets in pieces(example):  # some may be left out at the end of a row, none is out of order
        assert any(is_of(objective, inputs, targets, text) for text in texts)


@pytest.mark.parametrize("make", MAKERS)
@given(row=rows(), seed=st.integers(0, 999), documents=st.booleans())
def test_the_decoder_is_one_step_late_and_padding_counts_nothing(
    make: Callable[..., Denoise], row: Row, seed: int, documents: bool
) -> None:
    objective = make(specials=SPECIALS, document_mask=documents)
    example = objective.draw(row if documents else packed(row), noise(seed, 0, 0))
    tokens, targets = example["tokens_T"], example["targets_T"]
    segments = example.get("segments_T", np.ones_like(tokens))
    starts = np.flatnonzero(np.diff(segments, prepend=0) > 0)
    late = np.concatenate(([0], targets[:-1]))
    late[starts] = SPECIALS.pad
    assert np.array_equal(tokens[segments > 0], late[segments > 0])
    assert (tokens[segments == 0] == SPECIALS.pad).all()
    assert np.array_equal(targets == IGNORED, segments == 0)
    if "input_segments_I" in example:
        inputs, input_segments = example["inputs_I"], example["input_segments_I"]
        assert (inputs[input_segments == 0] == SPECIALS.pad).all()
        for numbers in (segments, input_segments):  # 1 1 2 2 3 0 0
            real = numbers[numbers > 0]
            assert (numbers[: len(real)] > 0).all()
            assert set(np.diff(real, prepend=0).tolist()) <= {0, 1}


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("document_mask", [False, True])
@given(row_len=st.integers(24, 300), seed=st.integers(0, 99))  # shorter: single tokens' targets are the longer part
@settings(max_examples=30)
def test_features_tell_the_lengths(make: Callable[..., Denoise], document_mask: bool, row_len: int, seed: int) -> None:
    objective = make(specials=SPECIALS, document_mask=document_mask)
    features = objective.features(row_len)
    row = row_of(objective.layout.raw_len(objective.name, row_len), seed, (5, 11))
    example = objective.draw(row if document_mask else packed(row), noise(seed, 0, 0))
    assert {name: (str(v.dtype), len(v)) for name, v in example.items()} == {k: tuple(v) for k, v in features.items()}
    assert len(example["inputs_I"]) == row_len


@pytest.mark.parametrize("make", MAKERS)
def test_the_same_row_and_numbers_give_the_same_example(make: Callable[..., Denoise]) -> None:
    objective, row = make(specials=SPECIALS), packed(row_of(300))
    before = row.tokens_S.copy()
    first, again, other = (objective.draw(row, noise(7, epoch, 3)) for epoch in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)
    assert np.array_equal(row.tokens_S, before)  # rows are shared


@pytest.mark.parametrize(("length", "lost"), [(20, 0.25), (100, 0.06), (300, 0.04)])
def test_what_documents_of_a_length_lose_at_the_end_of_a_row(length: int, lost: float) -> None:
    objective = t5.span_corruption(specials=SPECIALS, document_mask=True)
    row = row_of(568, 1, tuple(range(length, 568, length + 1)))
    kept = sum(len(restored(objective, *piece)) for piece in pieces(objective.draw(row, noise(0, 0, 0))))
    assert kept > (1 - lost) * sum(map(len, documents(row)))


def test_nine_masks_to_one_random_token_which_is_not_special() -> None:
    objective, row = t5.bert_style(specials=SPECIALS), packed(row_of(511))
    n_noise = n_random = 0
    for i in range(200):
        inputs = objective.draw(row, noise(0, 0, i))["inputs_I"][:-1]
        changed = inputs[inputs != row.tokens_S]
        n_noise += len(changed)
        replaced = changed[changed != SPECIALS.mask]
        n_random += len(replaced)
        assert ((replaced >= ORDINARY.start) & (replaced < ORDINARY.stop)).all()
    assert abs(n_noise / (200 * 511) - 0.15) < 4 * math.sqrt(0.15 * 0.85 / (200 * 511))
    assert abs(n_random / n_noise - 0.1) < 4 * math.sqrt(0.09 / n_noise)


def test_all_prefixes_are_alike_likely() -> None:
    objective, row = t5.prefix_lm_encoder_decoder(specials=SPECIALS), packed(row_of(11))
    lengths = [int((objective.draw(row, noise(0, 0, i))["input_segments_I"] > 0).sum()) - 1 for i in range(4000)]
    counts = np.bincount(lengths, minlength=11)
    assert counts[0] == 0
    assert np.abs(counts[1:] - 400).max() < 4 * math.sqrt(400)


def test_noise_beyond_the_last_sentinel_stays_text() -> None:
    few = replace(SPECIALS, sentinels=SPECIALS.sentinels[:17])
    objective = t5.independent_sentinels(specials=few, merge=False)
    assert objective.layout.features(100)["targets_T"].length == 16 + 16 + 1 + 1
    for i in range(100):
        ((inputs, targets),) = pieces(objective.draw(packed(row_of(100)), noise(0, 0, i)))
        assert restored(objective, inputs, targets) == row_of(100).tokens_S.tolist()
