"""Parquet files whose bytes depend on their rows alone: not on how the rows came in batches.

Row groups are cut by counting rows and bytes from the file's first row on. Beside the file's sha256 stands a hash of
its rows, which survives a change of the Parquet library.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus.errors import DataError, SchemaError
from corpus.readahead import ReadAhead, opened

GROUP_ROWS = 8192
GROUP_BYTES = 16 * 2**20
READ_ROWS = 512


class RowGroups:
    """Writes batches of one schema to a path; `close` gives the number of rows and their hash."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        if unknown := [field for field in schema if not _is_plain(field.type)]:
            raise SchemaError(
                f'column "{unknown[0].name}" is {unknown[0].type}; files here hold numbers, booleans, timestamps, '
                f"strings and bytes only"
            )
        self._writer = pq.ParquetWriter(
            path, schema, compression="zstd", compression_level=3, store_schema=True, write_page_checksum=True
        )
        self._schema = schema
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = self._pending_bytes = self._rows = 0
        self._hash = _begun_hash(schema)

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds the rows; a row group is written when it is full."""
        while batch.num_rows:
            sizes = np.cumsum(_row_bytes(batch)) + self._pending_bytes
            n = min(int(np.searchsorted(sizes, GROUP_BYTES)) + 1, GROUP_ROWS - self._pending_rows, batch.num_rows)
            self._pending.append(batch.slice(0, n))
            self._pending_rows += n
            self._pending_bytes = int(sizes[n - 1])
            if self._pending_rows >= GROUP_ROWS or self._pending_bytes >= GROUP_BYTES:
                self._flush()
            batch = batch.slice(n)

    def _flush(self) -> None:
        table = pa.Table.from_batches(self._pending, schema=self._schema).combine_chunks()
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        _hash_group(self._hash, table)
        self._rows += table.num_rows
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0

    def close(self) -> tuple[int, str]:
        """Ends the file: rows written, 32 hex digits over them."""
        if self._pending:
            self._flush()
        self._writer.close()
        return self._rows, self._hash.hexdigest()


def rows_in(path: Path) -> tuple[int, str]:
    """The number of rows of a file that RowGroups wrote and their hash, from its rows; DataError when it is broken."""
    try:
        with pq.ParquetFile(path) as parquet:
            digest = _begun_hash(parquet.schema_arrow)
            for group in range(parquet.num_row_groups):
                _hash_group(digest, parquet.read_row_group(group, use_threads=False).combine_chunks())
            return parquet.metadata.num_rows, digest.hexdigest()
    except (pa.ArrowException, ValueError, OSError) as error:
        raise DataError(f"{path} is cut short or broken ({error}); remove it and run again") from error


def _row_bytes(batch: pa.RecordBatch) -> np.ndarray:
    """A size for each row that depends on its values alone."""
    sizes = np.full(batch.num_rows, 8 * batch.num_columns, np.int64)
    for column in batch.columns:
        if _is_text(column.type):
            sizes += pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False)
    return sizes


def _is_plain(kind: pa.DataType) -> bool:
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return bool(number or _is_text(kind) or pa.types.is_boolean(kind) or pa.types.is_timestamp(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def _begun_hash(schema: pa.Schema) -> Any:
    columns = "".join(f"{field.name}: {field.type}\n" for field in schema)
    return hashlib.blake2b(columns.encode(), digest_size=16)


def _hash_group(into: Any, table: pa.Table) -> None:
    into.update(table.num_rows.to_bytes(8, "little"))
    for column in table.columns:
        _hash_column(into, column)


def _hash_column(into: Any, column: pa.ChunkedArray) -> None:
    for chunk in column.chunks:
        valid = pc.is_valid(chunk).to_numpy(zero_copy_only=False)
        into.update(np.packbits(valid).tobytes())
        if _is_text(chunk.type):
            into.update(pc.fill_null(pc.binary_length(chunk), 0).to_numpy(zero_copy_only=False).tobytes())
            values = pc.fill_null(chunk, b"" if pa.types.is_binary(chunk.type) else "")
            offsets = np.frombuffer(values.buffers()[1], np.int32)[values.offset : values.offset + len(values) + 1]
            if values.buffers()[2] is not None:
                into.update(memoryview(values.buffers()[2])[offsets[0] : offsets[-1]])
        else:
            numbers = chunk.cast(pa.int64()) if pa.types.is_timestamp(chunk.type) else chunk
            zero = False if pa.types.is_boolean(chunk.type) else 0
            into.update(pc.fill_null(numbers, zero).to_numpy(zero_copy_only=False).tobytes())


def read_batches(path: str, columns: Sequence[str] | None = None, size: int | None = None) -> Iterator[pa.RecordBatch]:
    """The file's rows in order, in batches bounded in rows and bytes; DataError when it is broken. `size` in bytes,
    where it is known, saves a request to an object store."""
    try:
        with (
            opened(path, size, spans=()) as file,
            pq.ParquetFile(file, pre_buffer=False, page_checksum_verification=True) as parquet,
        ):
            if isinstance(file, ReadAhead):
                file.expect(_chunks(parquet.metadata, columns))
            for group in range(parquet.num_row_groups):  # one by one: a batch across groups is not bounded in bytes
                yield from parquet.iter_batches(READ_ROWS, row_groups=[group], columns=columns, use_threads=False)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing though its manifest names it; run `millstream verify`") from error
    except (pa.ArrowException, ValueError, OSError) as error:
        raise DataError(f"{path} is cut short or broken ({error}); remove it and run again") from error


def _chunks(metadata: pq.FileMetaData, columns: Sequence[str] | None) -> Iterator[tuple[int, int]]:
    """Where the values of these columns are in the file."""
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for chunk in map(group.column, range(group.num_columns)):
            if columns is None or chunk.path_in_schema in columns:
                start = chunk.dictionary_page_offset or chunk.data_page_offset
                yield start, start + chunk.total_compressed_size
