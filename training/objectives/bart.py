"""Reconstruct a corrupted text as BART does (Lewis et al. 2020, section 2.2; fairseq, data/denoising_dataset.py)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from tokenizer.pack import Packed
from tokenizer.shard import TokenShard
from tokenizer.specials import Specials
from training.objective import Example, Feature, Ints, Kind, Row
from training.objectives import bart_noise, requirements
from training.objectives.encoder_decoder import Layout, Sizes
from training.rows import PackedRows


@dataclass(frozen=True, kw_only=True)
class Bart:
    """Noise in the order permute, infill, delete, rotate; 0 switches one off, and the target is always the whole text.

        A B C . D E .  ->  inputs <s> D <M> . A B C . </s>, tokens </s> <s> A B ..., targets <s> A B C . D E . </s>

    The defaults are the released model's: all sentences permuted (`permute` is the share of sentences), spans of
    Poisson(3) words over 30 % of the words (`infill`). `delete` is a share of tokens, `rotate` the probability to
    rotate a text. </s> is the eod. Across documents an eod inside a row is a word and ends a sentence; with
    `document_mask` each document has its frame and its noise, and what no longer fits at the end of a row is left out.
    Inserted masks for which the inputs have no room are left out.
    """

    specials: Specials
    permute: float = 1.0
    infill: float = 0.3
    delete: float = 0.0
    rotate: float = 0.0
    mean_span: float = 3.0
    document_mask: bool = False
    name: ClassVar[str] = "bart"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "encoder-decoder"
    static_copies: ClassVar[None] = None

    def __post_init__(self) -> None:
        for name in ("pad", "start", "mask"):
            requirements.special(self.name, self.specials, name)
        rates = {"permute": self.permute, "infill": self.infill, "delete": self.delete, "rotate": self.rotate}
        requirements.switches(self.name, **rates)
        requirements.at_least(self.name, 1, mean_span=self.mean_span)

    @property
    def marks(self) -> bool:
        """Words are infilled and sentences permuted by their marks."""
        return self.permute > 0 or self.infill > 0

    def rows(self, shards: Sequence[TokenShard], row_len: int, seed: int) -> PackedRows:
        """Rows of row_len - 2 tokens."""
        raw_len = self.layout.raw_len(self.name, row_len)
        return PackedRows(Packed(shards, raw_len, overlap=0), segments=self.document_mask, marks=self.marks)

    def features(self, row_len: int) -> Mapping[str, Feature]:
        """Inputs and targets of row_len, with segments: inputs shrink."""
        return self.layout.features(self.layout.raw_len(self.name, row_len))

    def draw(self, row: Row, rng: np.random.Generator) -> Example:
        """The row with fresh noise."""
        return self.layout.draw(row, rng)

    @cached_property
    def layout(self) -> Layout:
        """How corrupted texts are laid into an example; the decoder starts from </s> (fairseq, collate)."""
        return Layout(
            sizes=_framed,
            corrupt=self._corrupt,
            pad=requirements.special(self.name, self.specials, "pad"),
            eod=self.specials.eod,
            decoder_start=self.specials.eod,
            documents=self.document_mask,
            segments=True,
        )

    def _corrupt(self, text: Row, rng: np.random.Generator) -> tuple[Ints, Ints]:
        start, end = (requirements.special(self.name, self.specials, "start"),), (self.specials.eod,)
        return (
            np.concatenate((start, self._noisy(text, rng), end)),
            np.concatenate((start, text.tokens_S, end)),
        )

    def _noisy(self, text: Row, rng: np.random.Generator) -> Ints:
        tokens_S = self._without_words(text, rng) if self.marks else text.tokens_S
        if self.delete:
            tokens_S = bart_noise.deleted(tokens_S, self.delete, rng)
        return bart_noise.rotated(tokens_S, rng) if rng.random() < self.rotate else tokens_S

    def _without_words(self, text: Row, rng: np.random.Generator) -> Ints:
        """Sentences permuted and words infilled."""
        tokens_S, starts_S, ends_S = text.tokens_S, text.word_starts_S, text.sentence_ends_S
        assert starts_S is not None
        assert ends_S is not None
        eods_S = tokens_S == self.specials.eod
        starts_S = starts_S | eods_S
        starts_S[0] = True  # of a word that the row cuts, the rest counts for one
        if self.permute:
            order_S = bart_noise.permuted_sentences(ends_S | eods_S, self.permute, rng)
            tokens_S, starts_S = tokens_S[order_S], starts_S[order_S]
        if not self.infill:
            return tokens_S
        mask_id = requirements.special(self.name, self.specials, "mask")
        return bart_noise.infilled(tokens_S, starts_S, self.infill, self.mean_span, mask_id, len(tokens_S), rng)


def _framed(n: int) -> Sizes:
    return Sizes(n + 2, n + 2)
