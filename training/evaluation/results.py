"""What one model scored, item by item, and the file that it is kept in.

Per item, because two models are compared on the same items, pair by pair: the mean alone does not say how far other
items would have moved it.
Legend: N items.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from corpus.errors import DataError
from corpus.parquet import RowGroups

LOWER_IS_BETTER = ("bits_per_byte", "nats_per_target", "perplexity")
SCHEMA = pa.schema({"measure": pa.string(), "item": pa.string(), "value": pa.float64(), "weight": pa.float64()})

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scores:
    """One measure of one model: a ratio of two sums over items, as bits over bytes or right answers over questions.

    A measure that is no mean over items (Matthews, F1, Pearson) is one item, "all", with weight 1. DataError where the
    three do not fit together.
    """

    items: tuple[str, ...]
    values: Numbers
    weights: Numbers

    def __post_init__(self) -> None:
        if not len(self.items) == len(self.values) == len(self.weights):
            raise DataError(
                f"{len(self.items)} items, {len(self.values)} values and {len(self.weights)} weights are no scores; "
                f"give one value and one weight for each item"
            )
        if not (np.isfinite(self.values).all() and np.isfinite(self.weights).all() and self.weights.sum() > 0):
            raise DataError(
                "scores need finite values and weights whose sum is above 0; look at the items that have none"
            )

    @property
    def value(self) -> float:
        """The measure itself."""
        return float(self.values.sum() / self.weights.sum())


@dataclass(frozen=True)
class CellResult:
    """What one pretraining gave: its scores by measure, and (tokens, measure, value) on its way there."""

    measures: Mapping[str, Scores]
    curve: Sequence[tuple[int, str, float]]


def better(measure: str) -> Literal["lower", "higher"]:
    """Which way is up for a measure of this name."""
    return "lower" if measure.startswith(LOWER_IS_BETTER) else "higher"


def write(path: Path, measures: Mapping[str, Scores]) -> None:
    """A Parquet file with a row for each measure and item; never half written, the same bytes for the same scores."""
    beside = path.with_name(path.name + ".tmp")
    rows = RowGroups(beside, SCHEMA)
    for measure, scores in measures.items():
        columns = [pa.array([measure] * len(scores.items)), pa.array(scores.items), scores.values, scores.weights]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
        rows.write(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))
    rows.close()
    beside.replace(path)


def read(path: Path) -> dict[str, Scores]:
    """What `write` wrote, in its order; DataError where the file is no such file."""
    try:
        table = pq.read_table(path, page_checksum_verification=True, use_threads=False, partitioning=None)
    except (pa.ArrowException, ValueError, OSError) as error:
        raise DataError(f"{path} holds no scores ({error}); remove it and evaluate again") from error
    if table.schema != SCHEMA:
        raise DataError(
            f"{path} has the columns {', '.join(table.column_names)}, and scores have {', '.join(SCHEMA.names)}; "
            f"remove it and evaluate again"
        )
    measures = table["measure"].combine_chunks().dictionary_encode()
    return {
        measure: _scores(table.take(np.flatnonzero(measures.indices.to_numpy() == number)))
        for number, measure in enumerate(measures.dictionary.to_pylist())
    }


def _scores(table: pa.Table) -> Scores:
    # interned: a hundred models answer the same questions, whose names would be held a hundred times
    items = tuple(map(sys.intern, table["item"].to_pylist()))
    return Scores(items, table["value"].to_numpy(), table["weight"].to_numpy())
