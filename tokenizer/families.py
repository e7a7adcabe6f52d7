"""Families of vocabularies by the name that a recipe gives them. Adding one is a file here and a line in FAMILIES."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from tokenizer import bpe_bytes, unigram, wordpiece


class Family(NamedTuple):
    """What the rest of the program asks of a family; `model` is its name in tokenizer.json."""

    model: str
    train: Callable[..., Tokenizer]
    faults: Callable[[Mapping[str, Any], Mapping[str, int]], Mapping[str, bool]]
    identity: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    spelled: Callable[[str], str]  # an entry with " " for the white space in it and before the words it begins


FAMILIES = {
    "bpe-bytes": Family("BPE", bpe_bytes.train_bpe_bytes, bpe_bytes.faults, bpe_bytes.identity, bpe_bytes.spelled),
    "wordpiece": Family(
        "WordPiece", wordpiece.train_wordpiece, wordpiece.faults, wordpiece.identity, wordpiece.spelled
    ),
    "unigram": Family("Unigram", unigram.train_unigram, unigram.faults, unigram.identity, unigram.spelled),
}
