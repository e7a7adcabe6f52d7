"""What a row of tokens becomes for a model to learn from: numpy in, numpy out, no torch.

An objective says its features (names, dtypes, lengths) before any data, and draws an example from a row with random
numbers that depend on the row's position only. Names carry shapes; a model gets them without (`tokens_T` -> tokens):

    decoder           tokens_T targets_T   [segments_T] [prefix_T]
    encoder           tokens_T targets_T   [segments_T] [types_T] [is_next_1]
    encoder-decoder   inputs_I tokens_T targets_T   [input_segments_I segments_T]

A target of IGNORED counts nothing. Segments number the documents of a row from 1; 0 is padding. `prefix_T` is 1 where
every position of the document may look. Legend: T tokens of an example, I inputs of an encoder, S tokens of a row.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from tokenizer.pack import Span
from tokenizer.shard import TokenShard

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Example = dict[str, Ints]
Kind = Literal["decoder", "encoder", "encoder-decoder"]

IGNORED = -100  # torch's own choice for cross_entropy


class Row(NamedTuple):
    """Tokens of the shards, and what an objective asked to know of them: the document that each belongs to, counted
    from 1; whether it begins a word; whether it ends a sentence; of a pair of texts, the length of the first and
    whether the second follows it."""

    tokens_S: Ints
    segments_S: Ints | None = None
    word_starts_S: Bools | None = None
    sentence_ends_S: Bools | None = None
    pair: tuple[int, bool] | None = None


class Rows(Protocol):
    """The rows that an objective draws from, in a fixed order."""

    def __len__(self) -> int: ...

    def row(self, i: int, /) -> Row:
        """Row i; the same whenever it is asked for."""

    def documents(self, i: int, /) -> list[Span]:
        """Where its tokens come from."""


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
    def kind(self) -> Kind:
        """The kind of model that learns from its examples."""

    @property
    def marks(self) -> bool:
        """Whether shards must tell of word starts and sentence ends."""

    @property
    def static_copies(self) -> int | None:
        """How many kinds of noise a row meets, epoch after epoch in turn; None for a new one each time."""

    def rows(self, shards: Sequence[TokenShard], row_len: int, seed: int) -> Rows:
        """What it draws examples of `row_len` from."""

    def features(self, row_len: int) -> Mapping[str, Feature]:
        """What `draw` returns; ConfigError where no example of that length can be made."""

    def draw(self, row: Row, rng: np.random.Generator) -> Example:
        """One example; the same for the same row and random numbers."""


def noise(seed: int, epoch: int, row: int) -> np.random.Generator:
    """Random numbers of one row in one epoch, the same on any worker, rank or restart.

    The row stands in the high word of Philox's counter: in the low word, neighbouring rows would share numbers.
    """
    key, counter = np.array([seed, epoch], np.uint64), np.array([0, 0, 0, row], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
