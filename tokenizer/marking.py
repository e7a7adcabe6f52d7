"""Marks: for each token of a text, whether it begins a word and whether it ends a sentence, as the bits of a uint8.

A word is what white space parts; of `wordpiece` it is what its pre-tokenizer parts, punctuation and Chinese characters
too, for such are BERT's whole words. A word begins in the token that holds its first character; a token of nothing but
white space belongs to the word before. Sentences are those of corpus/text/segment.py, the same in every language, and
the last token that holds a piece of one ends it, closing quotes and brackets included. Texts have as many starts as
words and as many ends as sentences, save where several fall into one token.

Limits: only . ? ! end sentences, and only before white space, so Chinese or Japanese text has one sentence if it has
none of those; white space in byte-level tokens is that of ASCII. Legend: T tokens of a text, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from corpus.text.segment import sentence_ends

WORD_START = 1
SENTENCE_END = 2

Marks = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class WhiteSpace:
    """Where the entries of a vocabulary have white space, [V] each."""

    before: Bools
    after: Bools
    only: Bools

    @classmethod
    def of(cls, entries: Sequence[str]) -> Self:
        """From entries in which white space is " "."""
        return cls(
            before=np.array([entry.startswith(" ") for entry in entries], np.bool_),
            after=np.array([entry.endswith(" ") for entry in entries], np.bool_),
            only=np.array([not entry.strip(" ") for entry in entries], np.bool_),
        )


def marks(text: str, tokens_T: npt.NDArray[Any], starts_T: npt.NDArray[np.int64], white_space: WhiteSpace) -> Marks:
    """The marks of a text's tokens, of which `starts_T` says with which character of the text each begins."""
    marks_T = word_starts(tokens_T, white_space).astype(np.uint8) * np.uint8(WORD_START)
    if marks_T.size:
        # a normaliser may turn the characters of one letter around
        rising_T = np.maximum.accumulate(starts_T)
        last = rising_T.searchsorted(np.array(sentence_ends(text), np.int64) - 1, "right") - 1
        marks_T[np.maximum(last, 0)] |= np.uint8(SENTENCE_END)
    return marks_T


def word_starts(tokens_T: npt.NDArray[Any], white_space: WhiteSpace) -> Bools:
    """Whether each token of a text holds the first character of a word."""
    apart_T = white_space.before[tokens_T]
    apart_T[1:] |= white_space.after[tokens_T[:-1]]
    apart_T[:1] = True
    starts_T: Bools = apart_T & ~white_space.only[tokens_T]
    return starts_T
