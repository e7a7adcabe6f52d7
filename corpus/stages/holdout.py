"""Sets a share of the documents apart, the same ones in every build."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa

from corpus.errors import ConfigError
from corpus.schema import HOME, MARKS, mark
from corpus.stage import Opened
from corpus.text.hashing import shares


@dataclass(frozen=True, kw_only=True)
class HoldOut:
    """Marks what is not on the wanted side; with one share and seed, each document is on one side and no other.

    The side is a matter of the id alone, so near-duplicates can fall on both: hold out after deduplication. A larger
    share holds out every document that a smaller one does.
    """

    share: float
    seed: int
    keep: Literal["heldout", "train"]

    name = "holdout"
    version = 1
    reads = pa.schema([HOME.field("id")])
    writes = MARKS
    drops: ClassVar[frozenset[str]] = frozenset()
    rows: ClassVar[Literal["same"]] = "same"
    guarded = False

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ConfigError(f"holdout share is {self.share:g}; it must be from 0 to 1")
        if self.keep not in ("heldout", "train"):
            raise ConfigError(f'holdout keep is "{self.keep}"; it must be "heldout" or "train"')

    @property
    def reason(self) -> str:
        return "not_held_out" if self.keep == "heldout" else "held_out"

    @property
    def reasons(self) -> frozenset[str]:
        return frozenset({self.reason})

    def open(self) -> Opened:
        def split(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            held_out = shares(batch.column("id").to_pylist(), f"holdout {self.seed}") < self.share
            wanted = held_out if self.keep == "heldout" else ~held_out
            yield mark(batch, self.name, [None if one else self.reason for one in wanted])

        return split
