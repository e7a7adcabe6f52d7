"""Texts as rows of tokens: one text or two among fixed tokens, cut to fit, padded to one length.

Legend: B batch, T tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from corpus.errors import ConfigError
from training.objective import IGNORED

Tokens = Sequence[int]
Features = Mapping[str, Tokens]

ROUNDED_TO = 16
"""Rows are padded to a multiple of this, so that batches have few shapes, for each of which oneDNN compiles."""
PADDING = {"targets": IGNORED}  # of all else 0: a segment that nobody looks at


class Line(NamedTuple):
    """A row; where the second text and the tokens after it begin; and whether a text lost its end."""

    tokens: list[int]
    second: int
    cut: bool


@dataclass(frozen=True, kw_only=True)
class Format:
    """The tokens around texts: `before` A `between` B `after`, or `before` A `after`."""

    before: tuple[int, ...] = ()
    between: tuple[int, ...] = ()
    after: tuple[int, ...] = ()

    def line(self, first: Tokens, second: Tokens | None, room: int) -> Line:
        """A row of no more than `room` tokens, none of which the format itself loses; ConfigError for a room without a
        token of each text."""
        between = () if second is None else self.between
        left = room - len(self.before) - len(between) - len(self.after)
        if left < (1 if second is None else 2):
            raise ConfigError(
                f"a row of {room} tokens, of which the format takes {room - left}, has no room for the texts; take more"
            )
        kept, others = fitted(first, second or (), left)
        row = [*self.before, *kept, *between]
        cut = len(kept) + len(others) < len(first) + len(second or ())
        return Line([*row, *others, *self.after], len(row), cut)


def fitted(first: Tokens, second: Tokens, room: int) -> tuple[Tokens, Tokens]:
    """Both from their beginnings: the longer one loses its last token until they fit, the second where they are as long
    (google-research/bert, run_classifier.py, _truncate_seq_pair)."""
    kept = first[: max(room - len(second), (room + 1) // 2)]
    return kept, second[: room - len(kept)]


class Reading(NamedTuple):
    """An item as a model reads it, in one order of its texts or in both."""

    orders: tuple[Features, ...]
    label: int | float
    cut: bool

    @property
    def length(self) -> int:
        """Of its longest row."""
        return max(len(tokens) for features in self.orders for tokens in features.values())


def collated(readings: Sequence[Reading], room: int, device: torch.device) -> dict[str, Tensor]:
    """Features by name, a row for each item in its first order, then in its second; and `labels`, one for each item."""
    rows = [features for order in zip(*(reading.orders for reading in readings), strict=True) for features in order]
    batch = {name: padded([row[name] for row in rows], PADDING.get(name, 0), room) for name in rows[0]}
    labels_B = torch.tensor([reading.label for reading in readings])
    return {name: values.to(device) for name, values in (batch | {"labels": labels_B}).items()}


def padded(rows: Sequence[Tokens], value: int, room: int) -> Tensor:
    """BT, with T a multiple of ROUNDED_TO where there is room."""
    longest = max(map(len, rows))
    T = max(longest, min(room, longest + -longest % ROUNDED_TO))
    return torch.tensor([[*row, *[value] * (T - len(row))] for row in rows])
