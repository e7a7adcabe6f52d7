"""Examples of an encoder-decoder from corrupted texts, one after the other. Legend: I inputs, T targets, S row.

The decoder sees the targets one step later, after a start token: targets a b . -> tokens <start> a b. What is left of
the fixed lengths is padding: pad tokens, segment 0, targets IGNORED.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from corpus.errors import ConfigError
from training.objective import IGNORED, Example, Feature, Ints, Row


class Sizes(NamedTuple):
    """Lengths of inputs and targets."""

    inputs: int
    targets: int


@dataclass(frozen=True)
class Layout:
    """How texts become an example: `sizes(n)` bounds the inputs and targets of n tokens (and must not fall with n),
    `corrupt` makes them of a text of 2 tokens or more, and `documents` keeps the documents of a row apart."""

    sizes: Callable[[int], Sizes]
    corrupt: Callable[[Row, np.random.Generator], tuple[Ints, Ints]]
    pad: int
    eod: int
    decoder_start: int
    documents: bool
    segments: bool

    def raw_len(self, objective: str, row_len: int) -> int:
        """The most tokens whose inputs fit row_len (t5/data/preprocessors.py, random_spans_helper): 568 for 512. Their
        targets must fit it too, which decides where there is more noise than text."""
        n = bisect_right(range(16 * row_len), row_len, key=lambda n: max(self.sizes(n))) - 1
        if n < 2:
            raise ConfigError(f'objective "{objective}": row_len {row_len} is too short to corrupt a text; raise it')
        return n

    def features(self, raw_len: int) -> Mapping[str, Feature]:
        """Inputs, decoder inputs and targets, and segments where there is padding or documents are kept apart."""
        inputs, targets = self.sizes(raw_len)
        lengths = {"inputs_I": inputs, "tokens_T": targets, "targets_T": targets}
        if self.segments:
            lengths |= {"input_segments_I": inputs, "segments_T": targets}
        return {name: Feature("int64", length) for name, length in lengths.items()}

    def draw(self, row: Row, rng: np.random.Generator) -> Example:
        """The texts of the row in order. One that does not fit is shortened; with under 2 tokens it goes."""
        n_inputs, n_targets = self.sizes(len(row.tokens_S))
        inputs_I = np.full(n_inputs, self.pad, np.int64)
        tokens_T = np.full(n_targets, self.pad, np.int64)
        targets_T = np.full(n_targets, IGNORED, np.int64)
        input_segments_I, segments_T = np.zeros(n_inputs, np.int64), np.zeros(n_targets, np.int64)
        i, t, document = 0, 0, 0
        for text in documents(row, self.eod) if self.documents else (row,):
            n = self._fitting(len(text.tokens_S), n_inputs - i, n_targets - t)
            if n < 2:
                continue
            inputs, targets = self.corrupt(part(text, 0, n), rng)
            i_stop, t_stop, document = i + len(inputs), t + len(targets), document + 1
            inputs_I[i:i_stop], targets_T[t:t_stop] = inputs, targets
            tokens_T[t], tokens_T[t + 1 : t_stop] = self.decoder_start, targets[:-1]
            input_segments_I[i:i_stop], segments_T[t:t_stop] = document, document
            i, t = i_stop, t_stop
        example = {"inputs_I": inputs_I, "tokens_T": tokens_T, "targets_T": targets_T}
        return example | {"input_segments_I": input_segments_I, "segments_T": segments_T} if self.segments else example

    def _fitting(self, n: int, inputs: int, targets: int) -> int:
        def fits(k: int) -> bool:
            size = self.sizes(k)
            return size.inputs <= inputs and size.targets <= targets

        return n if fits(n) else bisect_right(range(n), False, key=lambda k: not fits(k)) - 1


def documents(row: Row, eod: int) -> Iterator[Row]:
    """The pieces of documents of a row, without the eods that close them."""
    assert row.segments_S is not None
    edges = [0, *(np.flatnonzero(np.diff(row.segments_S)) + 1).tolist(), len(row.segments_S)]
    for start, stop in pairwise(edges):
        yield part(row, start, stop - int(row.tokens_S[stop - 1] == eod))


def part(row: Row, start: int, stop: int) -> Row:
    """Tokens start .. stop - 1 with their marks."""
    starts_S, ends_S = row.word_starts_S, row.sentence_ends_S
    return Row(
        row.tokens_S[start:stop],
        None,
        None if starts_S is None else starts_S[start:stop],
        None if ends_S is None else ends_S[start:stop],
    )
