"""Columns that say how long a document is, so that later steps need not read its text to know."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from corpus.schema import TEXT, with_columns
from corpus.stage import Opened


@dataclass(frozen=True, kw_only=True)
class Measure:
    """n_bytes of UTF-8, and n_words between white space (for scripts that write none, that is about lines)."""

    name: ClassVar[str] = "measure"
    version: ClassVar[int] = 1
    reads: ClassVar[pa.Schema] = TEXT
    writes: ClassVar[pa.Schema] = pa.schema([("n_bytes", pa.int64()), ("n_words", pa.int64())])
    drops: ClassVar[frozenset[str]] = frozenset()
    reasons: ClassVar[frozenset[str]] = frozenset()
    rows: ClassVar[Literal["same"]] = "same"
    guarded: ClassVar[bool] = False

    def open(self) -> Opened:
        def measured(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            text = batch.column("text")
            trimmed = pc.utf8_trim_whitespace(text)
            words = pc.list_value_length(pc.utf8_split_whitespace(trimmed))
            empty = pc.equal(pc.binary_length(trimmed), 0)
            columns = {
                "n_bytes": pc.binary_length(text).cast(pa.int64()),
                "n_words": pc.if_else(empty, 0, words).cast(pa.int64()),
            }
            yield with_columns(batch, columns)

        return measured
