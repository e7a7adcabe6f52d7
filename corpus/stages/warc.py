"""The stage that reads web archives: splits in, one row for every record out, the pages with their bytes."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, ClassVar, Literal

import fsspec
import numpy as np
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from corpus.archive.http import MAX_HEAD_BYTES
from corpus.archive.pages import REASONS, NoPage, captured_ms, page_of
from corpus.archive.records import Broken, Record, read_records
from corpus.schema import HOME, MARKS, document_id, joined
from corpus.splits import SPLIT
from corpus.stage import Opened

_PAYLOAD = pa.schema([("payload", pa.binary()), ("content_type", pa.string())])
_ROWS = joined(HOME, _PAYLOAD, MARKS)

FETCH_BYTES = 2**22
"""One request to an object store: its answer takes longer than its wait, and a worker holds few of them."""

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class WarcReader:
    """Every record of an archive as a row; a record that is no page, or cannot be read, is marked and has no payload.

    max_page_bytes bounds a page after content decoding; a batch holds up to batch_rows rows and about batch_bytes bytes
    of pages.
    """

    max_page_bytes: int = 10 * 2**20
    batch_bytes: int = 32 * 2**20
    batch_rows: int = 512

    name: ClassVar[str] = "read_warc"
    version: ClassVar[int] = 1
    reads: ClassVar[pa.Schema] = SPLIT
    writes: ClassVar[pa.Schema] = _ROWS
    drops: ClassVar[frozenset[str]] = frozenset(SPLIT.names)
    reasons: ClassVar[frozenset[str]] = REASONS
    rows: ClassVar[Literal["many"]] = "many"
    guarded: ClassVar[bool] = False

    def open(self) -> Opened:
        return self._read

    def _read(self, splits: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        for split in splits.select(SPLIT.names).to_pylist():
            yield from self._batches(self._split_rows(split))

    def _split_rows(self, split: Row) -> Iterator[Row]:
        with opened(split["url"]) as file:
            records = read_records(file, split["start"], split["end"], max_bytes=self.max_page_bytes + MAX_HEAD_BYTES)
            for number, record in enumerate(islice(records, split["max_rows"])):
                yield {"shard": split["shard"], "row": number} | self._row(record, split["source"], split["file"])

    def _row(self, record: Record | Broken, source: str, file: str) -> Row:
        origin = f"{file}:{record.offset}:{record.number}"
        fields = record.fields if isinstance(record, Record) else {}
        row: Row = {
            "id": document_id(source, origin),
            "source": source,
            "origin": origin,
            # some versions of wget write <http://...>
            "url": fields.get("warc-target-uri", "").strip("<>") or None,
            "timestamp": captured_ms(fields.get("warc-date", "")),
        }
        page = page_of(record, self.max_page_bytes)
        if isinstance(page, NoPage):
            marks = {"dropped_by": self.name, "drop_reason": page.reason, "fault": page.fault}
            return row | marks | {"content_type": page.content_type}
        return row | {"payload": page.payload, "content_type": page.content_type}

    def _batches(self, rows: Iterator[Row]) -> Iterator[pa.RecordBatch]:
        held: list[Row] = []
        n_bytes = 0
        for row in rows:
            held.append(row)
            n_bytes += len(row.get("payload") or b"")
            if len(held) >= self.batch_rows or n_bytes >= self.batch_bytes:
                yield _batch(held)
                held, n_bytes = [], 0
        if held:
            yield _batch(held)


def opened(url: str) -> AbstractContextManager[BinaryIO]:
    """The file behind a URL for reading on and moving about; a local one directly."""
    fs, path = fsspec.core.url_to_fs(url)
    if isinstance(fs, LocalFileSystem):
        return open(path, "rb")  # noqa: PTH123  (the caller closes it)
    file: AbstractContextManager[BinaryIO] = fs.open(path, "rb", block_size=FETCH_BYTES, cache_type="readahead")
    return file


def _batch(rows: list[Row]) -> pa.RecordBatch:
    columns = [
        _binary([row.get("payload") for row in rows])
        if pa.types.is_binary(field.type)
        else pa.array([row.get(field.name) for row in rows], field.type)
        for field in _ROWS
    ]
    return pa.RecordBatch.from_arrays(columns, schema=_ROWS)


def _binary(values: list[bytes | None]) -> pa.Array:
    """The values as one Arrow array, copied once; `pa.array` grows its buffer as it goes, at twice the time."""
    sizes = [0, *(len(value or b"") for value in values)]
    valid = pa.array([value is not None for value in values], pa.bool_())
    data = pa.py_buffer(b"".join(value or b"" for value in values))
    offsets = pa.py_buffer(np.cumsum(sizes, dtype=np.int32))
    return pa.Array.from_buffers(pa.binary(), len(values), [valid.buffers()[1], offsets, data])
