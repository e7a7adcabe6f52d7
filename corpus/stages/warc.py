"""The stage that reads web archives: splits in, one row for every record out, the pages with their bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, BinaryIO, ClassVar, Literal

import numpy as np
import pyarrow as pa

from corpus.archive.http import MAX_HEAD_BYTES
from corpus.archive.pages import REASONS, NoPage, captured_ms, page_of
from corpus.archive.records import Broken, Record, read_records
from corpus.readahead import in_turn
from corpus.schema import HOME, MARKS, document_id, joined
from corpus.splits import SPLIT
from corpus.stage import Opened

_PAYLOAD = pa.schema([("payload", pa.binary()), ("content_type", pa.string())])
_ROWS = joined(HOME, _PAYLOAD, MARKS)

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
        for _, parts in groupby(splits.select(SPLIT.names).to_pylist(), key=itemgetter("shard")):
            yield from self._batches(self._split_rows(list(parts)))

    def _split_rows(self, parts: Sequence[Row]) -> Iterator[Row]:
        records = ((part, record) for part, file in _files(parts) for record in self._records(part, file))
        for number, (part, record) in enumerate(islice(records, parts[0]["max_rows"])):
            yield {"shard": part["shard"], "row": number} | self._row(record, part["source"], part["file"])

    def _records(self, part: Row, file: BinaryIO) -> Iterator[Record | Broken]:
        return read_records(file, part["start"], part["end"], max_bytes=self.max_page_bytes + MAX_HEAD_BYTES)

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


def _files(parts: Sequence[Row]) -> Iterator[tuple[Row, BinaryIO]]:
    """Each part with its file, open, the next ones on their way."""
    files = in_turn((part["url"], part["size"], [(part["start"], part["end"])]) for part in parts)
    return zip(parts, files, strict=False)  # a strict zip would ask for one file more before the last is read


def _batch(rows: list[Row]) -> pa.RecordBatch:
    columns = [
        _binary([row.get("payload") for row in rows])
        if pa.types.is_binary(field.type)
        else pa.array([row.get(field.name) for row in rows], field.type)
        for field in _ROWS
    ]
    return pa.RecordBatch.from_arrays(columns, schema=_ROWS)


def _binary(values: list[bytes | None]) -> pa.Array:
    """The values as one Arrow array, copied once: `pa.array` grows its buffer as it goes, at twice the time. Arrow's
    memory is used over and over, where the system gives a block of this size back and fills the next with zeros."""
    sizes = np.cumsum([0, *(len(value or b"") for value in values)], dtype=np.int32)
    valid = pa.array([value is not None for value in values], pa.bool_())
    data = pa.allocate_buffer(int(sizes[-1]))
    with pa.FixedSizeBufferWriter(data) as writer:
        for value in filter(None, values):
            writer.write(value)
    return pa.Array.from_buffers(pa.binary(), len(values), [valid.buffers()[1], pa.py_buffer(sizes), data])
