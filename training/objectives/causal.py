"""Predict each next token; documents are closed by the end-of-document token (GPT, Radford et al. 2018)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from training.objective import Example, Feature, Row


@dataclass(frozen=True, kw_only=True)
class Causal:
    """With `segments`, attention and positions stay inside a document; measured opinions on that differ.

    An input belongs to the document of its target, so that the end of one document begins the next:

        row 5 9 2 | 7 7 2 | 4  ->  tokens 5 9 2 7 7 2, targets 9 2 7 7 2 4, segments 1 1 2 2 2 3
    """

    segments: bool = False
    name: ClassVar[str] = "causal"
    version: ClassVar[int] = 1

    def features(self, row_len: int) -> Mapping[str, Feature]:
        names = ("tokens_T", "targets_T", *(("segments_T",) if self.segments else ()))
        return {name: Feature("int64", row_len) for name in names}

    def draw(self, row: Row, rng: np.random.Generator) -> Example:
        """No noise: `rng` is not used. A row without segments, where they are asked for, is a caller's mistake."""
        example = {"tokens_T": row.tokens_S[:-1], "targets_T": row.tokens_S[1:]}
        if self.segments:
            assert row.segments_S is not None
            example["segments_T"] = row.segments_S[1:]
        return example
