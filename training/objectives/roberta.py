"""Masked language modelling as RoBERTa has it (Liu et al. 2019, section 4; fairseq, data/mask_tokens_dataset.py)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from corpus.errors import ConfigError
from tokenizer.pack import Packed
from tokenizer.shard import TokenShard
from tokenizer.specials import Specials
from training.objective import Example, Feature, Kind, Row
from training.objectives import inputs, noise_masks, requirements
from training.objectives.masked import hidden
from training.rows import PackedRows


@dataclass(frozen=True, kw_only=True)
class Roberta:
    """Rows <s> ... packed across documents, whose eods separate them, masked anew in every epoch.

        <s> my dog is hairy </s> he, hairy chosen  ->  <s> my dog is <mask> </s> he

    int(0.15 n + u) of the n tokens of a row, 80 % masked, 10 % random (no special tokens), 10 % kept. fairseq may also
    choose <s> and </s>; here special tokens are never chosen. With `document_mask` attention stays inside documents.
    """

    specials: Specials
    density: float = 0.15
    document_mask: bool = False
    name: ClassVar[str] = "roberta"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "encoder"
    static_copies: ClassVar[None] = None
    marks: ClassVar[bool] = False

    def __post_init__(self) -> None:
        requirements.special(self.name, self.specials, "start")
        requirements.special(self.name, self.specials, "mask")
        requirements.shares(self.name, density=self.density)

    def rows(self, shards: Sequence[TokenShard], row_len: int, seed: int) -> PackedRows:
        """Rows of row_len - 1 tokens."""
        return PackedRows(Packed(shards, row_len - 1, overlap=0), segments=self.document_mask)

    def features(self, row_len: int) -> Mapping[str, Feature]:
        """Tokens and targets."""
        if row_len < 2:
            raise ConfigError(f'objective "{self.name}": row_len {row_len} has no room after <s>; raise it')
        names = ("tokens_T", "targets_T", *(("segments_T",) if self.document_mask else ()))
        return {name: Feature("int64", row_len) for name in names}

    def draw(self, row: Row, rng: np.random.Generator) -> Example:
        """The row after its start token, with fresh noise."""
        start = requirements.special(self.name, self.specials, "start")
        tokens_T = np.concatenate(((start,), row.tokens_S))
        candidates = np.flatnonzero(~inputs.special_table(self.specials)[tokens_T])
        count = noise_masks.roberta_count(len(tokens_T), self.density, rng)
        chosen = noise_masks.choose_tokens(candidates, count, rng)
        example = hidden(tokens_T, chosen, self.specials, inputs.ordinary(self.specials), rng)
        return example if row.segments_S is None else example | {"segments_T": np.pad(row.segments_S, (1, 0), "edge")}
