"""The extractor's file: what is written is read, what is none is refused, and trees answer as their definition says."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import DataError
from corpus.html.features import NAMES
from corpus.html.model import LEAF_UNIT, LOG_ODDS, STEPS, Model, Trees, shipped
from corpus.html.page import scanned
from corpus.html.tiers import TIERS
from corpus.html.wanted import Wanted


def a_model(trees: Trees) -> Model:
    chance = np.random.default_rng(0)
    kinds = np.asfortranarray(chance.integers(-9, 9, (9, 6)).astype(np.int16))
    scores = chance.integers(-9, 9, 16).astype(np.int16)
    return Model(scores, kinds, np.arange(2 * LOG_ODDS * STEPS + 1, dtype=np.int32), {"fast": trees}, {"version": 7})


def some_trees(n_trees: int = 3, depth: int = 2, n_features: int = 4) -> Trees:
    chance = np.random.default_rng(n_trees)
    features = chance.integers(0, n_features, (n_trees, depth)).astype(np.int32)
    borders = chance.integers(-5, 5, (n_trees, depth)).astype(np.int32)
    leaves = chance.integers(-9_000, 9_000, (n_trees, 2**depth)).astype(np.int32)
    return Trees(tuple("abcd"[:n_features]), features, borders, leaves)


def test_what_is_written_is_read_whatever_order_it_lies_in(tmp_path: Path) -> None:
    model = a_model(some_trees())
    path = tmp_path / "extractor"
    path.write_bytes(model.written())
    read = Model.read(path)
    for name in ("word_scores", "kind_weights", "probabilities"):
        np.testing.assert_array_equal(getattr(read, name), getattr(model, name))
    for name in ("features", "borders", "leaves"):
        np.testing.assert_array_equal(getattr(read.trees["fast"], name), getattr(model.trees["fast"], name))
    assert (read.trees["fast"].names, read.about) == (model.trees["fast"].names, model.about)


@pytest.mark.parametrize("content", [b"", b"PK", b"\xff" * 64, b"\x02\0\0\0\0\0\0\0{}"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "extractor"
    path.write_bytes(content)
    with pytest.raises(DataError, match="make extractor"):
        Model.read(path)


def test_trees_that_are_too_deep_are_refused() -> None:
    with pytest.raises(ValueError, match="depth 9"):
        some_trees(depth=9)


@given(st.integers(1, 5), st.integers(1, 8), st.integers(1, 6))
def test_a_tree_is_the_leaf_that_its_comparisons_name(n_trees: int, depth: int, n_blocks: int) -> None:
    trees = some_trees(n_trees, depth)
    asked = np.random.default_rng(n_blocks).integers(-8, 8, (4, n_blocks)).astype(np.int32)
    for block, found in enumerate(trees.log_odds(asked).tolist()):
        total = 0
        for features, borders, leaves in zip(trees.features, trees.borders, trees.leaves, strict=True):
            answers = asked[features, block] > borders
            total += int(leaves[int(sum(answer << level for level, answer in enumerate(answers.tolist())))])
        expected = (total * STEPS + LEAF_UNIT // 2) // LEAF_UNIT
        assert found == min(max(expected, -LOG_ODDS * STEPS), LOG_ODDS * STEPS)


def test_the_shipped_model_tells_what_it_was_trained_on() -> None:
    model = shipped()
    assert model.trees["fast"].names == NAMES
    assert model.about["word_f1"]["fast"]["wcxb-dev"] > 0.88
    licences = {name: told["licence"] for name, told in model.about["trained_on"].items()}
    assert "GPL-3.0" not in licences.values()
    assert licences["wcxb-dev"] == "CC-BY-4.0"
    assert all(told["pages"] > 20 for told in model.about["trained_on"].values())


def test_probabilities_rise_with_log_odds_to_both_ends() -> None:
    likely = shipped().probabilities
    assert len(likely) == 2 * LOG_ODDS * STEPS + 1
    assert (np.diff(likely) >= 0).all()
    assert likely[LOG_ODDS * STEPS] == 2**15


def test_whole_numbers_alone_decide() -> None:
    """The text of a page as any machine must give it."""
    html = "<title>A</title><nav><a href=/>Home</a></nav><main><h1>A</h1>" + "<p>One, two, and three came by.</p>" * 9
    page = scanned(html.encode())
    assert page.found.blocks.dtype == page.layout.elements.dtype == np.int32
    assert TIERS["fast"](html.encode(), Wanted()).text.split("\n")[-9:] == ["One, two, and three came by."] * 9
