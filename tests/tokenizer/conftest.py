"""A small vocabulary of its own, trained once for the tokenizer's tests."""

import pytest

from tokenizer.bpe_bytes import train_bpe_bytes
from tokenizer.vocab import Vocab

TEXTS = [
    "The quick brown fox jumps over the lazy dog; the dog does not mind. It's 1984, and they'll jump again!\n",
    "Der schnelle braune Fuchs springt über den faulen Hund, und der Hund hört nicht auf zu schlafen.\n\n",
    "敏捷的棕色狐狸跳过了懒狗。 Ταχεία αλώπηξ καφέ χρώματος. ",
] * 4


@pytest.fixture(scope="session")
def vocab() -> Vocab:
    return Vocab.of(train_bpe_bytes(TEXTS, 400))
