"""Makes the copies that a mixture asks for: `text/mixing.py` says how many, an engine attaches the number."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.errors import DataError
from corpus.schema import MARKS, TEXT, joined, mark, with_columns, without
from corpus.stage import Opened


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Each row as often as its `copies` says, in place, with `copy` = 0, 1, ...; a row with none is marked.

    Batches are bounded: none holds more than twice the text of the one that came in. DataError where `copies` is
    null or negative, for then the quota was made for other documents.
    """

    name = "copies"
    version = 1
    reads = pa.schema([*TEXT, pa.field("copies", pa.int32())])
    writes = joined(pa.schema([pa.field("copy", pa.int32())]), MARKS)
    drops = frozenset({"copies"})
    reasons = frozenset({"over_quota"})
    rows: ClassVar[Literal["many"]] = "many"
    guarded = False

    def open(self) -> Opened:
        return self._copy

    def _copy(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        wanted = batch.column("copies")
        if wanted.null_count or (batch.num_rows and pc.min(wanted).as_py() < 0):
            raise DataError('column "copies" has nulls or negative numbers; make the quotas from these documents')
        times = np.maximum(wanted.to_numpy(), 1)
        rows = np.repeat(np.arange(batch.num_rows), times)
        copy = np.arange(rows.size) - np.repeat(np.cumsum(times) - times, times)
        plain = batch.select(without(batch.schema, self.drops).names)
        for part in _bounded(rows, pc.binary_length(batch.column("text")).fill_null(0).to_numpy()):
            chosen = with_columns(plain.take(pa.array(rows[part])), {"copy": pa.array(copy[part], pa.int32())})
            over = wanted.to_numpy()[rows[part]] == 0
            yield mark(chosen, self.name, ["over_quota" if one else None for one in over])


def _bounded(rows: np.ndarray[Any, Any], sizes_bytes: np.ndarray[Any, Any]) -> Iterator[slice]:
    """Cuts of the copied rows, each with less text than the whole batch and one row more."""
    limit = int(sizes_bytes.sum()) + sizes_bytes.size or 1  # a byte a row, so that empty texts count too
    written = np.cumsum(sizes_bytes[rows] + 1)
    cuts = np.flatnonzero(np.diff(written // limit, prepend=0))
    bounds = [0, *(cuts + 1).tolist(), rows.size]
    return (slice(start, end) for start, end in pairwise(bounds) if start < end)
