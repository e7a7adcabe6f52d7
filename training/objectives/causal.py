"""Predict each next token; documents are closed by the end-of-document token (GPT, Radford et al. 2018)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tokenizer.pack import Packed
from tokenizer.shard import TokenShard
from tokenizer.specials import Specials
from training.objective import Example, Feature, Kind, Row
from training.rows import PackedRows


@dataclass(frozen=True, kw_only=True)
class Causal:
    """With `document_mask`, attention and positions stay inside a document; measured opinions on that differ.

    An input belongs to the document of its target, so that the end of one document begins the next:

        row 5 9 2 | 7 7 2 | 4  ->  tokens 5 9 2 7 7 2, targets 9 2 7 7 2 4, segments 1 1 2 2 2 3
    """

    specials: Specials
    document_mask: bool = False
    name: ClassVar[str] = "causal"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "decoder"
    static_copies: ClassVar[None] = None
    marks: ClassVar[bool] = False

    def rows(self, shards: Sequence[TokenShard], row_len: int, seed: int) -> PackedRows:
        """Rows of row_len inputs and the target of the last one."""
        return PackedRows(Packed(shards, row_len, overlap=1), segments=self.document_mask)

    def features(self, row_len: int) -> Mapping[str, Feature]:
        """Tokens and targets, shifted by one."""
        names = ("tokens_T", "targets_T", *(("segments_T",) if self.document_mask else ()))
        return {name: Feature("int64", row_len) for name in names}

    def draw(self, row: Row, rng: np.random.Generator) -> Example:
        """No noise: `rng` is not used."""
        example = {"tokens_T": row.tokens_S[:-1], "targets_T": row.tokens_S[1:]}
        if row.segments_S is not None:
            example["segments_T"] = row.segments_S[1:]
        return example
