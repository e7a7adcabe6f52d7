"""Masked language modelling as BERT has it (Devlin et al. 2019, section 3.1; create_pretraining_data.py)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from corpus.errors import ConfigError
from tokenizer.pack import Packed
from tokenizer.shard import TokenShard
from tokenizer.specials import Specials
from training.objective import Bools, Example, Feature, Ints, Kind, Row
from training.objectives import inputs, noise_masks, requirements, targets
from training.rows import PackedRows

MASKED_RANDOM = (0.8, 0.1)  # the other 10 % stay as they are (section 3.1)


@dataclass(frozen=True, kw_only=True)
class Masked:
    """Rows [CLS] ... [SEP] with 15 % of the tokens, never special ones, chosen: 80 % of these become [MASK], 10 % any
    entry of the vocabulary, and 10 % stay. Targets count there only.

        [CLS] my dog is hairy [SEP], hairy chosen  ->  [CLS] my dog is [MASK] [SEP] or ... is apple or ... is hairy

    `max_predictions` bounds the number (BERT: 20 in 128 tokens); `whole_words` hides all pieces of a word together.
    `static_copies` masks are drawn for a row, and epoch e takes mask e % static_copies (BERT made 10); None draws anew
    in every epoch. `document_mask` keeps attention inside documents: [CLS] is the first one's, [SEP] the last one's.
    """

    specials: Specials
    density: float = 0.15
    max_predictions: int | None = None
    whole_words: bool = False
    static_copies: int | None = 10
    document_mask: bool = False
    name: ClassVar[str] = "masked"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "encoder"

    def __post_init__(self) -> None:
        requirements.special(self.name, self.specials, "start")
        requirements.special(self.name, self.specials, "separator")
        check_masking(self.name, self.specials, self.density, self.max_predictions, self.static_copies)

    @property
    def marks(self) -> bool:
        """Whole words are known by their marks."""
        return self.whole_words

    def rows(self, shards: Sequence[TokenShard], row_len: int, seed: int) -> PackedRows:
        """Rows of row_len - 2 tokens."""
        return PackedRows(Packed(shards, row_len - 2, overlap=0), segments=self.document_mask, marks=self.marks)

    def features(self, row_len: int) -> Mapping[str, Feature]:
        """Tokens and targets."""
        if row_len < 3:
            raise ConfigError(
                f'objective "{self.name}": row_len {row_len} has no room between [CLS] and [SEP]; raise it'
            )
        names = ("tokens_T", "targets_T", *(("segments_T",) if self.document_mask else ()))
        return {name: Feature("int64", row_len) for name in names}

    def draw(self, row: Row, rng: np.random.Generator) -> Example:
        """The row in its frame, with fresh noise."""
        start = requirements.special(self.name, self.specials, "start")
        separator = requirements.special(self.name, self.specials, "separator")
        tokens_T = np.concatenate(((start,), row.tokens_S, (separator,)))
        starts_T = np.pad(row.word_starts_S, 1) if self.whole_words and row.word_starts_S is not None else None
        example = masked_example(tokens_T, starts_T, self.specials, self.density, self.max_predictions, rng)
        return example if row.segments_S is None else example | {"segments_T": np.pad(row.segments_S, 1, "edge")}


def masked_example(
    tokens_T: Ints,
    word_starts_T: Bools | None,
    specials: Specials,
    density: float,
    max_predictions: int | None,
    rng: np.random.Generator,
) -> Example:
    """Tokens and targets; with word starts, whole words are chosen."""
    candidates = np.flatnonzero(~inputs.special_table(specials)[tokens_T])
    count = noise_masks.bert_count(len(tokens_T), density, max_predictions)
    if word_starts_T is None:
        chosen = noise_masks.choose_tokens(candidates, count, rng)
    else:
        chosen = noise_masks.choose_words(candidates, word_starts_T, count, rng)
    return hidden(tokens_T, chosen, specials, inputs.entries(specials), rng)


def hidden(tokens_T: Ints, chosen: Ints, specials: Specials, vocabulary: Ints, rng: np.random.Generator) -> Example:
    """The chosen tokens masked, replaced or kept, and targets at them alone."""
    assert specials.mask is not None
    noisy_T = inputs.masks_or_random(tokens_T, chosen, specials.mask, vocabulary, MASKED_RANDOM, rng)
    return {"tokens_T": noisy_T, "targets_T": targets.only_at(tokens_T, chosen)}


def check_masking(
    name: str, specials: Specials, density: float, max_predictions: int | None, static_copies: int | None
) -> None:
    """ConfigError for settings that masking cannot work with."""
    requirements.special(name, specials, "mask")
    requirements.shares(name, density=density)
    requirements.at_least(name, 1, max_predictions=max_predictions, static_copies=static_copies)
