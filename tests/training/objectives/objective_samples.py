"""A vocabulary in words, the text of T5's table 3, and rows made by hand."""

import numpy as np

from tokenizer.specials import Specials
from training.objective import Bools, Ints, Row

TEXT = ["Thank", "you", "for", "inviting", "me", "to", "your", "party", "last", "week", "."]
NAMES = ["<pad>", "</s>", "<s>", "[SEP]", "<M>", "<unk>", *TEXT, "apple", "<Z>", "<Y>", "<X>"]
IDS = {name: i for i, name in enumerate(NAMES)}
WORDS = Specials(
    size=len(NAMES),
    eod=1,
    pad=0,
    start=2,
    separator=3,
    mask=4,
    unknown=5,
    sentinels=(IDS["<X>"], IDS["<Y>"], IDS["<Z>"]),
)

SIZE = 1200
SPECIALS = Specials(
    size=SIZE, eod=1, pad=0, start=2, separator=3, mask=4, unknown=5, sentinels=tuple(range(SIZE - 1, SIZE - 101, -1))
)
ORDINARY = range(6, SIZE - 100)


def ids(text: str) -> Ints:
    """The ids of words."""
    return np.array([IDS[word] for word in text.split()], np.int64)


def words(tokens: Ints) -> str:
    """The words of ids."""
    return " ".join(NAMES[i] for i in tokens)


def mask_of(*noise: str) -> Bools:
    """Which words of TEXT are noise."""
    return np.array([word in noise for word in TEXT])


def row_of(n: int, seed: int = 0, eods: tuple[int, ...] = ()) -> Row:
    """n ordinary tokens, eods at some places, with segments and marks; words of 1 to 3 tokens, some sentences."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(ORDINARY.start, ORDINARY.stop, n)
    tokens[list(eods)] = SPECIALS.eod
    after = np.zeros(n, np.int64)
    after[[i + 1 for i in eods if i + 1 < n]] = 1
    starts = (rng.random(n) < 0.6) | (after == 1) | (tokens == SPECIALS.eod)
    ends = (rng.random(n) < 0.1) | (tokens == SPECIALS.eod)
    return Row(tokens, np.cumsum(after) + 1, starts, ends)


def packed(row: Row) -> Row:
    """The row as it comes without document masks."""
    return row._replace(segments_S=None)
