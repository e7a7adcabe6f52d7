"""Denoising for an encoder-decoder as T5 has it: noise mask x inputs x targets (t5/data/preprocessors.py, denoise).

The named compositions are in t5.py. Legend: S tokens of a text.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from corpus.errors import ConfigError
from tokenizer.pack import Packed
from tokenizer.shard import TokenShard
from tokenizer.specials import Specials
from training.objective import Bools, Example, Feature, Ints, Kind, Row
from training.objectives import inputs, noise_masks, requirements, targets
from training.objectives.encoder_decoder import Layout, Sizes
from training.rows import PackedRows

Noise = Literal["spans", "tokens", "suffix", "all"]
Inputs = Literal["sentinels", "masks", "masks_or_random", "drop", "shuffle"]
Targets = Literal["text", "noise", "sentinels"]

MASKED_RANDOM = (0.9, 0.1)  # T5, table 3 and iid_15_r10s90_f.gin: no noise token stays as it is


@dataclass(frozen=True, kw_only=True)
class Denoise:
    """Corrupts a text for the encoder and has the decoder say the whole of it, or its noise.

    Inputs and targets end with eod. Across documents, as T5 packs, the eods of a row are tokens like others. With
    `document_mask` each document is corrupted alone, its eod the end of its inputs and its targets, its sentinels from
    the first on; lengths stay those of a row of one document, and what no longer fits at the end of a row is left out.
    """

    specials: Specials
    name: str
    noise: Noise
    inputs: Inputs
    targets: Targets
    density: float = 0.15
    mean_span: float = 3.0
    merge: bool = True
    document_mask: bool = False
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "encoder-decoder"
    static_copies: ClassVar[None] = None
    marks: ClassVar[bool] = False

    def __post_init__(self) -> None:
        requirements.shares(self.name, density=self.density)
        requirements.at_least(self.name, 1, mean_span=self.mean_span)
        if self.inputs == "sentinels" and not self.specials.sentinels:
            raise ConfigError(
                f'objective "{self.name}" needs sentinels and the vocabulary has none; take tokenizer.specials: t5, or '
                f"tokenizer.model: unigram with its own specials"
            )
        requirements.special(self.name, self.specials, "pad")
        if self.inputs in ("masks", "masks_or_random") and not self.specials.sentinels:
            requirements.special(self.name, self.specials, "mask")

    def rows(self, shards: Sequence[TokenShard], row_len: int, seed: int) -> PackedRows:
        """Rows of as many tokens as row_len inputs are made of."""
        raw_len = self.layout.raw_len(self.name, row_len)
        return PackedRows(Packed(shards, raw_len, overlap=0), segments=self.document_mask)

    def features(self, row_len: int) -> Mapping[str, Feature]:
        """Inputs of row_len, and the longest targets that they can have."""
        raw_len = self.layout.raw_len(self.name, row_len)
        self._check_sentinels(raw_len)
        return self.layout.features(raw_len)

    def draw(self, row: Row, rng: np.random.Generator) -> Example:
        """The row with fresh noise."""
        return self.layout.draw(row, rng)

    @cached_property
    def layout(self) -> Layout:
        """How corrupted texts are laid into an example; a T5 decoder starts from the pad token."""
        pad = requirements.special(self.name, self.specials, "pad")
        varies = self.noise in ("tokens", "suffix") and self.targets != "text"
        return Layout(
            sizes=self._sizes,
            corrupt=self._corrupt,
            pad=pad,
            eod=self.specials.eod,
            decoder_start=pad,
            documents=self.document_mask,
            segments=self.document_mask or varies,
        )

    def _counts(self, n: int) -> tuple[int, int]:
        """The most noise tokens and runs of them in n tokens."""
        if self.noise == "spans":
            return noise_masks.span_counts(n, self.density, self.mean_span)
        if self.noise == "tokens":
            most = noise_masks.most_tokens(n, self.density)
            most = min(most, len(self.specials.sentinels) - 1) if self.targets == "sentinels" else most
            return most, most
        return (n - 1, 1) if self.noise == "suffix" else (n, 1)

    def _sizes(self, n: int) -> Sizes:
        n = max(n, 2)
        noise, runs = self._counts(n)
        n_inputs = n - noise + runs if self.noise == "spans" and self.inputs == "sentinels" else n
        n_targets = {"text": n, "noise": noise, "sentinels": noise + runs + (self.noise != "spans")}[self.targets]
        return Sizes(n_inputs + 1, n_targets + 1)

    def _mask(self, n: int, rng: np.random.Generator) -> Bools:
        match self.noise:
            case "spans":
                return noise_masks.span_mask(n, self.density, self.mean_span, rng)
            case "tokens":
                return noise_masks.token_mask(n, self.density, self._counts(n)[0], rng)
            case "suffix":
                return noise_masks.suffix_mask(n, rng)
            case "all":
                return np.ones(n, np.bool_)

    def _corrupt(self, text: Row, rng: np.random.Generator) -> tuple[Ints, Ints]:
        mask_S = self._mask(len(text.tokens_S), rng)
        return self.corrupted(text.tokens_S, mask_S, rng)

    def corrupted(self, tokens_S: Ints, mask_S: Bools, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Inputs and targets of a text under this noise, closed by eod."""
        starts_S = inputs.run_starts(mask_S, merge=self.merge)
        eod = (self.specials.eod,)
        return (
            np.concatenate((self._inputs(tokens_S, mask_S, starts_S, rng), eod)),
            np.concatenate((self._targets(tokens_S, mask_S, starts_S), eod)),
        )

    def _inputs(self, tokens_S: Ints, mask_S: Bools, starts_S: Bools, rng: np.random.Generator) -> Ints:
        match self.inputs:
            case "sentinels":
                return inputs.sentinels_for_noise(tokens_S, mask_S, starts_S, self._sentinels)
            case "masks":
                return np.where(mask_S, self._mask_id, tokens_S)
            case "masks_or_random":
                vocabulary = inputs.ordinary(self.specials)
                return inputs.masks_or_random(
                    tokens_S, np.flatnonzero(mask_S), self._mask_id, vocabulary, MASKED_RANDOM, rng
                )
            case "drop":
                return tokens_S[~mask_S]
            case "shuffle":
                return rng.permutation(tokens_S)

    def _targets(self, tokens_S: Ints, mask_S: Bools, starts_S: Bools) -> Ints:
        match self.targets:
            case "text":
                return tokens_S
            case "noise":
                return tokens_S[mask_S]
            case "sentinels":
                return targets.noise_after_sentinels(tokens_S, mask_S, starts_S, self._sentinels)

    @cached_property
    def _sentinels(self) -> Ints:
        return np.array(self.specials.sentinels, np.int64)

    @property
    def _mask_id(self) -> int:
        """T5, which has no mask token, takes its first sentinel (noise_token_to_sentinel)."""
        return self.specials.sentinels[0] if self.specials.mask is None else self.specials.mask

    def _check_sentinels(self, raw_len: int) -> None:
        if self.targets != "sentinels":
            return
        mean, sd = self.density * raw_len, math.sqrt(raw_len * self.density * (1 - self.density))
        # 2 sd: 98 of 100 draws of single tokens; noise beyond the last sentinel stays text (T5's 100 do for 512 inputs)
        needed = self._counts(raw_len)[1] if self.noise == "spans" else math.ceil(mean + 2 * sd) + 1
        if needed > len(self.specials.sentinels):
            raise ConfigError(
                f'objective "{self.name}": {raw_len} tokens with density {self.density} need {needed} sentinels, '
                f"the vocabulary has {len(self.specials.sentinels)}; take a lower density"
                f"{', a longer mean_span' if self.noise == 'spans' else ''} or a shorter context"
            )
