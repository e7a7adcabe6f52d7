"""Several sets of token shards read by weight, with nothing encoded, copied or indexed: arithmetic on rows' numbers.

    web 0.7, code 0.3, a run of 10 rows       ->  numbers 0 .. 6 are web's, 7 .. 9 code's
    of web's 14 rows every other one is read  ->  0 2 4 6 8 10 12
    of code's 2 rows one comes twice          ->  0 0 1

A mixture has as many rows as the steps read, for each stretch of a curriculum its own. So a part's share of a run is
its weight to a row, and each of its rows comes equally often, to once. The order is a permutation of all numbers: among
its first k of N a part of weight w has k w on average, with the variance k w (1 - w) (N - k) / (N - 1) of draws without
replacement (hypergeometric). A row that comes again has another number, so other noise, `static_copies` or not. What is
read 4 times over is not gone through 4 times in turn: after a quarter of the run 1 - 0.75^4 = 68 % of it was read.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain
from typing import Any, NamedTuple, Self

import numpy as np

from corpus.canonical import fingerprint
from corpus.errors import ConfigError
from tokenizer.pack import Span
from tokenizer.shard import TokenShard
from training.config import TrainingConfig
from training.objective import Ints, Objective, Row, Rows
from training.sources import UNKNOWN, Sources

SUM_WITHIN = 1e-6  # of 1: room for thirds written with seven digits


class Part(NamedTuple):
    """Token shards, the share of all rows that is to be theirs, and the fingerprint of the artifact that they are."""

    shards: Sequence[TokenShard]
    weight: float
    fingerprint: str


@dataclass(frozen=True, eq=False)
class Mixture(Sequence[TokenShard]):
    """The shards of its parts, part after part, to be read by weight: it goes where shards go.

    No part's rows may come more than `max_epochs` times, on average over a run.
    """

    parts: Mapping[str, Part]
    max_epochs: float = 1.0

    def __post_init__(self) -> None:
        for name, part in self.parts.items():
            if not part.weight > 0:
                raise ConfigError(f'mixture: part "{name}" has weight {part.weight}; leave it out, or give it a share')
        if not abs((total := math.fsum(part.weight for part in self.parts.values())) - 1) <= SUM_WITHIN:
            raise ConfigError(f"mixture: weights sum to {total:.7g}, but should sum to 1")

    @cached_property
    def shards(self) -> tuple[TokenShard, ...]:
        """Of all parts."""
        return tuple(chain.from_iterable(part.shards for part in self.parts.values()))

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, number: Any) -> Any:
        return self.shards[number]

    @property
    def fingerprint(self) -> str:
        """Of the parts in their order and of their weights."""
        return fingerprint([[name, part.weight, part.fingerprint] for name, part in self.parts.items()])

    def sources(self) -> "MixedSources":
        """The sources of each part."""
        return MixedSources.over({name: Sources.of(part.shards) for name, part in self.parts.items()})

    def rows(self, task: Objective, config: TrainingConfig) -> list["MixedRows"]:
        """What each stretch of a run reads; ConfigError where that repeats a part too often, or a part has no row."""
        weights = [part.weight for part in self.parts.values()]
        found, epochs = [], dict.fromkeys(self.parts, 0.0)
        for stretch in config.stretches:
            n_rows = (stretch.stop_step - stretch.first_step) * stretch.batch_rows
            rows = {name: task.rows(part.shards, stretch.context, config.seed) for name, part in self.parts.items()}
            for name, some in rows.items():
                if len(some) == 0:
                    raise ConfigError(
                        f'mixture: part "{name}" does not fill one row of {stretch.context} tokens; take a shorter '
                        f"context or more text"
                    )
                epochs[name] += self.parts[name].weight * n_rows / len(some)
            found.append(MixedRows.of(rows, weights, n_rows))
        self._check_epochs(epochs, config.steps)
        return found

    def _check_epochs(self, epochs: Mapping[str, float], steps: int) -> None:
        name = max(epochs, key=epochs.__getitem__)
        if epochs[name] > self.max_epochs * (1 + SUM_WITHIN):
            fits = math.floor(steps * self.max_epochs / epochs[name])
            raise ConfigError(
                f'mixture: part "{name}" would be read {epochs[name]:.4g} times over to be '
                f"{self.parts[name].weight:.2%} of {steps:,} steps, more than max_epochs {self.max_epochs:g} allows; "
                f"these weights last for {fits:,} steps: take so many, give it more text or less weight, or raise "
                f"max_epochs"
            )


@dataclass(frozen=True)
class MixedRows:
    """Part after part: numbers starts[p] .. starts[p + 1] - 1 are rows of part p, from first to last, evenly spaced.

    Two parts may have shards of one number, so a document's source is called `part/source`.
    """

    names: tuple[str, ...]
    parts: tuple[Rows, ...]
    starts: tuple[int, ...]

    @classmethod
    def of(cls, parts: Mapping[str, Rows], weights: Sequence[float], n_rows: int) -> Self:
        """`n_rows` rows, of which each part has its share, to a row."""
        ends = [*accumulate(weights, initial=0.0)]
        return cls(tuple(parts), tuple(parts.values()), tuple(round(n_rows * end / ends[-1]) for end in ends))

    def __len__(self) -> int:
        return self.starts[-1]

    def at(self, i: int) -> tuple[int, int]:
        """Number i as a part's number and a row of that part."""
        if not 0 <= i < len(self):
            raise IndexError(f"row {i} of {len(self)}")
        part = bisect_right(self.starts, i) - 1
        first, stop = self.starts[part : part + 2]
        return part, (i - first) * len(self.parts[part]) // (stop - first)

    def row(self, i: int) -> Row:
        """Row i."""
        part, row = self.at(i)
        return self.parts[part].row(row)

    def documents(self, i: int) -> list[Span]:
        """The pieces of documents that row i is made of."""
        part, row = self.at(i)
        return [
            span._replace(source=f"{self.names[part]}/{span.source or UNKNOWN}")
            for span in self.parts[part].documents(row)
        ]


@dataclass(frozen=True, eq=False)
class MixedSources(Sources):
    """Those of each part, called `part/source`; `counted` takes a mixture's rows."""

    parts: tuple[Sources, ...]
    firsts: tuple[int, ...]

    @classmethod
    def over(cls, parts: Mapping[str, Sources]) -> Self:
        """The sources of the parts, one part's after the other's."""
        each = tuple(parts.values())
        return cls(
            names=tuple(f"{part}/{name}" for part, sources in parts.items() for name in sources.names),
            codes=(),
            tokens_S=np.concatenate([sources.tokens_S for sources in each]),
            parts=each,
            firsts=tuple(accumulate((len(sources.names) for sources in each), initial=0)),
        )

    def counted(self, rows: Rows, which: Iterable[int]) -> Ints:
        """Rows and tokens of each source in some rows of the mixture, [S, 2]."""
        assert isinstance(rows, MixedRows)
        total_S2 = self.nothing()
        for i in which:
            part, row = rows.at(i)
            total_S2[self.firsts[part] : self.firsts[part + 1]] += self.parts[part].counted(rows.parts[part], [row])
        return total_S2
