"""Masked language modelling and next sentence prediction over pairs of texts (Devlin et al. 2019, section 3.1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from corpus.errors import ConfigError
from tokenizer.shard import TokenShard
from tokenizer.specials import Specials
from training.objective import IGNORED, Example, Feature, Ints, Kind, Row
from training.objectives import requirements
from training.objectives.masked import check_masking, masked_example
from training.objectives.sentence_pairs import SentencePairs


@dataclass(frozen=True, kw_only=True)
class NextSentence:
    """BERT's examples: masked as in `masked`, with types 0 for [CLS] A [SEP] and 1 for B [SEP], and padding behind.

        A = a b, B = c  ->  tokens [CLS] a b [SEP] c [SEP] pad, types 0 0 0 0 1 1 0, segments 1 1 1 1 1 1 0

    is_next is 1 where B follows A. The pairs of `copies` passes (dupe_factor) are the rows of an epoch; each has
    `static_copies` masks, by default one, as in BERT's records; None draws masks anew in every epoch.
    """

    specials: Specials
    density: float = 0.15
    max_predictions: int | None = None
    whole_words: bool = False
    copies: int = 10
    static_copies: int | None = 1
    document_mask: bool = False
    name: ClassVar[str] = "next_sentence"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "encoder"
    marks: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.document_mask:
            raise ConfigError(
                f'objective "{self.name}" compares two documents, so each must see the other; set document_mask: false'
            )
        for name in ("start", "separator", "pad"):
            requirements.special(self.name, self.specials, name)
        requirements.at_least(self.name, 1, copies=self.copies)
        check_masking(self.name, self.specials, self.density, self.max_predictions, self.static_copies)

    def rows(self, shards: Sequence[TokenShard], row_len: int, seed: int) -> SentencePairs:
        """Pairs of up to row_len - 3 tokens."""
        pad = requirements.special(self.name, self.specials, "pad")
        words = self.whole_words
        return SentencePairs(shards, row_len - 3, seed=seed, copies=self.copies, pad=pad, words=words)

    def features(self, row_len: int) -> Mapping[str, Feature]:
        """Tokens, targets, segments and types of row_len, and one answer."""
        if row_len < 5:
            raise ConfigError(f'objective "{self.name}": row_len {row_len} has no room for two texts; raise it to 5')
        lengths = dict.fromkeys(("tokens_T", "targets_T", "segments_T", "types_T"), row_len) | {"is_next_1": 1}
        return {name: Feature("int64", length) for name, length in lengths.items()}

    def draw(self, row: Row, rng: np.random.Generator) -> Example:
        """The pair in its frame, with fresh noise."""
        assert row.segments_S is not None
        assert row.pair is not None
        specials, (a_len, follows) = self.specials, row.pair
        n = int(np.count_nonzero(row.segments_S))
        start = (requirements.special(self.name, specials, "start"),)
        separator = (requirements.special(self.name, specials, "separator"),)
        tokens_T = np.concatenate((start, row.tokens_S[:a_len], separator, row.tokens_S[a_len:n], separator))
        starts_T = None
        if row.word_starts_S is not None:
            no, starts_S = (False,), row.word_starts_S
            starts_T = np.concatenate((no, starts_S[:a_len], no, starts_S[a_len:n], no))
        example = masked_example(tokens_T, starts_T, specials, self.density, self.max_predictions, rng)
        types_T = np.repeat((0, 1, 0), (a_len + 2, n - a_len + 1, len(row.tokens_S) - n))
        return {
            "tokens_T": _padded(example["tokens_T"], len(types_T), requirements.special(self.name, specials, "pad")),
            "targets_T": _padded(example["targets_T"], len(types_T), IGNORED),
            "segments_T": (np.arange(len(types_T)) < n + 3).astype(np.int64),
            "types_T": types_T,
            "is_next_1": np.array([follows], np.int64),
        }


def _padded(values_S: Ints, length: int, value: int) -> Ints:
    padded_T = np.full(length, value, np.int64)
    padded_T[: len(values_S)] = values_S
    return padded_T
