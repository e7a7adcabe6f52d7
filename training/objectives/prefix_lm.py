"""A decoder that sees a prefix from both sides and predicts the rest (Raffel et al. 2020, section 3.2.1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from corpus.errors import ConfigError
from tokenizer.pack import Packed
from tokenizer.shard import TokenShard
from tokenizer.specials import Specials
from training.objective import IGNORED, Example, Feature, Kind, Row
from training.rows import PackedRows


@dataclass(frozen=True, kw_only=True)
class PrefixLM:
    """Rows as for `causal`, and a prefix whose targets do not count. Its length is uniform, and leaves a target.

        row 5 9 7 3 4, prefix of 2  ->  tokens 5 9 7 3, targets - 7 3 4, prefix 1 1 0 0

    With `document_mask` every document of the row has a prefix of its own, and attention stays inside documents.
    """

    specials: Specials
    document_mask: bool = False
    name: ClassVar[str] = "prefix_lm"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "decoder"
    static_copies: ClassVar[None] = None
    marks: ClassVar[bool] = False

    def rows(self, shards: Sequence[TokenShard], row_len: int, seed: int) -> PackedRows:
        """Rows of row_len inputs and the target of the last one."""
        return PackedRows(Packed(shards, row_len, overlap=1), segments=self.document_mask)

    def features(self, row_len: int) -> Mapping[str, Feature]:
        """Tokens and targets, shifted by one, and the prefix."""
        if row_len < 2:
            raise ConfigError(
                f'objective "{self.name}": row_len {row_len} has no room for a prefix and a rest; raise it'
            )
        names = ("tokens_T", "targets_T", "prefix_T", *(("segments_T",) if self.document_mask else ()))
        return {name: Feature("int64", row_len) for name in names}

    def draw(self, row: Row, rng: np.random.Generator) -> Example:
        """The prefixes are drawn, and nothing else."""
        tokens_T, targets_T = row.tokens_S[:-1], row.tokens_S[1:].copy()
        prefix_T = np.zeros(len(tokens_T), np.int64)
        # an input belongs to the document of its target, as in `causal`
        segments_T = None if row.segments_S is None else row.segments_S[1:]
        changes = [] if segments_T is None else (np.flatnonzero(np.diff(segments_T)) + 1).tolist()
        for start, stop in zip([0, *changes], [*changes, len(tokens_T)], strict=True):
            end = start + int(rng.integers(1, stop - start + 1))
            prefix_T[start:end] = 1
            targets_T[start : end - 1] = IGNORED
        example = {"tokens_T": tokens_T, "targets_T": targets_T, "prefix_T": prefix_T}
        return example if segments_T is None else example | {"segments_T": segments_T}
