"""The learned extractor: a data file of whole numbers, and the probability that it gives each block of a page.

Oblivious trees (Kohavi 1994; CatBoost's, Prokhorenkova et al. 2018): all nodes of one depth ask the same question, so a
tree is a few comparisons of a feature's row with a border, and blocks are scored side by side. Everything is whole
numbers, sums in any order are the same, and so are the results of every machine.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from corpus.errors import DataError
from corpus.html import features, peer
from corpus.resources import EXTRACTOR

LEAF_UNIT: Final = 4096
"""A leaf's 4,096 is one unit of log-odds."""
STEPS: Final = 64
"""Probabilities are told apart in steps of 1/64 in log-odds."""
MAX_DEPTH: Final = 8
"""Of a tree: a leaf's number has so many bits."""
LOG_ODDS: Final = 12
"""Beyond it either way a block is as good as sure."""


@dataclass(frozen=True)
class Trees:
    """Boosted oblivious trees: the features they ask, by name; each level's feature and border, shape (trees, depth);
    and the leaves, (trees, 2^depth), in 1/4096 of log-odds. ValueError for trees deeper than MAX_DEPTH."""

    names: tuple[str, ...]
    features: NDArray[np.int32]
    borders: NDArray[np.int16]
    leaves: NDArray[np.int32]

    def __post_init__(self) -> None:
        if self.borders.shape[1] > MAX_DEPTH:
            raise ValueError(f"trees of depth {self.borders.shape[1]}; at most {MAX_DEPTH} can be asked")

    def log_odds(self, asked: NDArray[np.int16]) -> NDArray[np.int32]:
        """Of a word of each block to be main text, in 1/64; shape (blocks,). `asked` has shape (features, blocks)."""
        found = np.empty(asked.shape[1], np.int32)
        _log_odds(asked, self.features, self.borders, self.leaves, found)
        return found


@dataclass(frozen=True)
class Model:
    """Scores of words, shape (2^k,); weights of words for kinds of pages, (2^k + 1, kinds); probabilities in 1/65536
    for log-odds of -12 to 12 in steps of 1/64; trees by tier; and what the file tells of itself."""

    word_scores: NDArray[np.int16]
    kind_weights: NDArray[np.int16]
    probabilities: NDArray[np.int32]
    trees: Mapping[str, Trees]
    about: Mapping[str, Any]

    def probability(self, log_odds: NDArray[np.int32]) -> NDArray[np.int32]:
        """Of log-odds in 1/64, in 1/65536."""
        return self.probabilities[log_odds + LOG_ODDS * STEPS]

    def written(self) -> bytes:
        """The file's content."""
        arrays = {name: getattr(self, name) for name in ("word_scores", "kind_weights", "probabilities")}
        for tier, trees in self.trees.items():
            arrays |= {f"{tier}.{name}": getattr(trees, name) for name in ("features", "borders", "leaves")}
        arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}  # safetensors writes as it lies
        names = {tier: trees.names for tier, trees in self.trees.items()}
        return save(arrays, {"about": json.dumps(self.about), "asks": json.dumps(names)})

    @classmethod
    def read(cls, path: Path) -> Self:
        """The model in a file; raises a DataError if it is none."""
        try:
            with safe_open(path, "np") as file:
                told = {name: json.loads(text) for name, text in (file.metadata() or {}).items()}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no dict)
            trees = {
                tier: Trees(tuple(names), *(arrays[f"{tier}.{name}"] for name in ("features", "borders", "leaves")))
                for tier, names in told["asks"].items()
            }
            shared = {name: arrays[name] for name in ("word_scores", "kind_weights", "probabilities")}
            return cls(**shared, trees=trees, about=told["about"])
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise DataError(f"{path}: cannot be read as an extractor ({error}); `make extractor` writes one") from error


@cache
def shipped() -> Model:
    """The model that comes with this version; raises a DataError if its trees ask for other features than there are."""
    model = Model.read(EXTRACTOR.path())
    if model.trees["fast"].names != features.NAMES or model.trees["best"].names != peer.NAMES:
        raise DataError("the extractor asks for other features than are computed; `make extractor` trains it anew")
    return model


@njit(cache=True, nogil=True)
def _log_odds(asked, features, borders, leaves, found):  # type: ignore[no-untyped-def]
    n = asked.shape[1]
    total = np.zeros(n, np.int32)
    leaf = np.empty(n, np.uint8)  # what a level does to 64 blocks is then one instruction
    for tree in range(features.shape[0]):
        leaf[:] = 0
        for level in range(features.shape[1]):
            row = asked[features[tree, level]]
            border, bit = borders[tree, level], np.uint8(1 << level)
            for b in range(n):
                leaf[b] |= bit if row[b] > border else np.uint8(0)
        values = leaves[tree]
        for b in range(n):
            total[b] += values[leaf[b]]
    for b in range(n):
        step = (np.int64(total[b]) * STEPS + LEAF_UNIT // 2) // LEAF_UNIT
        found[b] = min(max(step, -LOG_ODDS * STEPS), LOG_ODDS * STEPS)
