"""What a row of tokens becomes for a model to learn from: numpy in, numpy out, no torch.

An objective says its features (names, dtypes, lengths) before any data, and draws an example from a row with random
numbers that depend on the row's position only. Legend: T tokens of an example, S = T + 1 tokens of a packed row.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Example = dict[str, Ints]


class Row(NamedTuple):
    """Packed tokens, and the number of the document that each belongs to where the objective asks for it."""

    tokens_S: Ints
    segments_S: Ints | None = None


class Feature(NamedTuple):
    """What an example holds under a name."""

    dtype: str
    length: int


class Objective(Protocol):
    """A frozen dataclass: its fields are its configuration and, with `version`, its identity."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int:
        """Raised when its examples change."""

    @property
    def segments(self) -> bool:
        """Whether rows must come with `segments_S`."""

    def features(self, row_len: int) -> Mapping[str, Feature]:
        """What `draw` returns for a row of row_len + 1 tokens."""

    def draw(self, row: Row, rng: np.random.Generator) -> Example:
        """One example; the same for the same row and random numbers."""


def noise(seed: int, epoch: int, row: int) -> np.random.Generator:
    """Random numbers of one row in one epoch, the same on any worker, rank or restart.

    The row stands in the high word of Philox's counter: in the low word, neighbouring rows would share numbers.
    """
    key, counter = np.array([seed, epoch], np.uint64), np.array([0, 0, 0, row], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
