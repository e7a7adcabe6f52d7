"""Metrics against cases computed by hand, and where they are undefined."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ConfigError
from training.evaluation.fine_forms import FINE
from training.evaluation.items import FineTask, Labelled
from training.evaluation.metrics import METRICS, exact_match, normalized, score, scores

# tp 2, fn 1, fp 1, tn 2
TARGETS = [1, 1, 1, 0, 0, 0]
SAID = [1, 1, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("name", "targets", "predictions", "value"),
    [
        ("accuracy", TARGETS, SAID, 4 / 6),
        ("accuracy", TARGETS, [-1, 1, 1, 0, 0, -1], 4 / 6),
        ("f1", TARGETS, SAID, 2 / 3),  # 2 tp / (2 tp + fp + fn) = 4 / 6
        ("f1", [1, 1, 0, 0], [1, -1, -1, 0], 2 / 4),  # the two without a label are a miss and a false alarm
        ("f1", [0, 0], [0, 0], 0),
        ("f1_macro", [0, 0, 1, 2], [0, 1, 1, 1], (2 / 3 + 1 / 2 + 0) / 3),
        ("f1_macro", [0, 1], [0, -1], 1 / 2),
        ("matthews", TARGETS, SAID, (2 * 2 - 1 * 1) / math.sqrt(3 * 3 * 3 * 3)),
        ("matthews", TARGETS, [1 - t for t in TARGETS], -1),
        ("pearson", [1, 2, 3, 4], [1, 3, 2, 4], 0.8),  # covariance 4 / variance 5
        ("pearson", [0.0, 5.0], [1.0, 2.0], 1),
        ("spearman", [1, 2, 3, 4], [10, 300, 20, 4000], 0.8),  # ranks 1 3 2 4
        ("spearman", [1, 2, 3, 4], [4, 3, 2, 1], -1),
    ],
)
def test_by_hand(name, targets, predictions, value):
    assert METRICS[name](targets, predictions) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "predictions"),
    [
        ("f1", [0] * 6),
        ("f1_macro", [-1] * 6),
        ("matthews", [0] * 6),
        ("matthews", [1] * 6),
        ("pearson", [2.5] * 6),
        ("spearman", [2.5] * 6),
    ],
)
def test_predictions_that_are_all_equal_are_worth_nothing_and_no_warning(name, predictions):
    assert METRICS[name](TARGETS, predictions) == 0


def test_correlations_of_one_item_or_of_equal_targets_are_none():
    for name in ("pearson", "spearman"):
        assert METRICS[name]([3.0], [2.0]) == 0
        assert METRICS[name]([3.0] * 4, [1.0, 2.0, 3.0, 4.0]) == 0


def test_numbers_that_differ_by_rounding_alone_make_no_warning():
    assert -1 <= METRICS["pearson"]([1, 2, 3], [1e9, 1e9, 1e9 + 1e-6]) <= 1


@given(st.lists(st.integers(0, 2), min_size=2, max_size=20))
def test_right_predictions_are_worth_one(targets):
    varied = len(set(targets)) > 1
    for name in ("accuracy", "f1_macro"):
        assert METRICS[name](targets, targets) == 1
    for name in ("matthews", "pearson", "spearman"):
        assert METRICS[name](targets, targets) == pytest.approx(1 if varied else 0)


def test_exact_match_is_that_of_squad():
    assert normalized("  The  Cat's, an owl! ") == "cats owl"
    assert normalized("theatre") == "theatre"  # "the" is an article as a word alone
    targets = ["The Denver Broncos", ["Levi's Stadium", "Santa Clara"], "24–10"]
    assert exact_match(targets, ["denver broncos.", "santa clara", "24-10"]) == pytest.approx(
        2 / 3
    )  # a dash is no hyphen


def task(name: str, labels: list[float]) -> FineTask:
    dev = tuple(Labelled(f"dev:{n}", "a", "b", label) for n, label in enumerate(labels))
    form = FINE[name]
    return FineTask(
        name=name, suite=form.suite, fields=("s",), labels=form.labels, metrics=form.metrics, train=dev, dev=dev
    )


def test_a_task_of_two_metrics_is_scored_by_their_mean():
    assert scores(task("mrpc", TARGETS), SAID) == {"f1": pytest.approx(2 / 3), "accuracy": pytest.approx(4 / 6)}
    three = task("cb", [0, 0, 1, 2])
    assert score(three, [0, 1, 1, 1]) == pytest.approx(((2 / 3 + 1 / 2) / 3 + 2 / 4) / 2)
    assert score(task("stsb", [1, 2, 3, 4]), [1, 3, 2, 4]) == pytest.approx(0.8)
    with pytest.raises(ConfigError, match="2 predictions for the 4 dev examples of cb"):
        score(three, [0, 1])


def test_every_task_has_metrics_that_are_there():
    for name, form in FINE.items():
        assert form.metrics, name
        assert set(form.metrics) <= set(METRICS), name
