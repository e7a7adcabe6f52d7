"""The Document: one row of a corpus, as a pyarrow schema, and the few operations every stage needs on it.

    id          32 hex digits, a hash of source and origin, for life
    shard, row  its home: shards are numbered through the recipe's sources in order; record number there
    source      the source's name in the recipe
    origin      "file:offset:record": file relative to the source's base, byte offset of the gzip member (or of the
                record, in a plain file), number of the record inside that member (single-member files repeat offsets)
    url         where the page came from
    timestamp   when it was captured, ms, UTC
    text        what is left of it
    dropped_by, drop_reason, fault
                the marks, null while the document is kept: the stage, a fixed word, and for faults what went wrong

Only plain Arrow types, so that every engine means the same.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from corpus.errors import SchemaError

HOME = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("shard", pa.int32()),
        pa.field("row", pa.int64()),
        pa.field("source", pa.string()),
        pa.field("origin", pa.string()),
        pa.field("url", pa.string()),
        pa.field("timestamp", pa.timestamp("ms", tz="UTC")),
    ]
)
MARKS = pa.schema(
    [
        pa.field("dropped_by", pa.string()),
        pa.field("drop_reason", pa.string()),
        pa.field("fault", pa.string()),
    ]
)
TEXT = pa.schema([pa.field("text", pa.string())])
DOCUMENT = pa.schema([*HOME, *TEXT, *MARKS])

FAULTS = frozenset({"broken_record", "bad_charset", "extractor_crash", "too_large", "stage_error"})
"""Drop reasons that say "could not be read" rather than "was judged"; a recipe bounds their share."""


def document_id(source: str, origin: str) -> str:
    """32 hex digits that name a document for life."""
    return hashlib.blake2b(f"{source}\n{origin}".encode(), digest_size=16).hexdigest()


def joined(*schemas: pa.Schema) -> pa.Schema:
    """The columns of all schemas in order; a name that comes twice must mean the same."""
    fields: dict[str, pa.Field] = {}
    for field in (field for schema in schemas for field in schema):
        if fields.setdefault(field.name, field).type != field.type:
            raise SchemaError(
                f'column "{field.name}" is {fields[field.name].type} and {field.type}; rename one of the two'
            )
    return pa.schema(list(fields.values()))


def without(schema: pa.Schema, names: frozenset[str] | set[str]) -> pa.Schema:
    """The schema less the named columns."""
    return pa.schema([field for field in schema if field.name not in names])


def align(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with exactly the schema's columns, in its order and types; columns it lacks are null."""
    if batch.schema.equals(schema):
        return batch
    columns = []
    for field in schema:
        at = batch.schema.get_field_index(field.name)
        column = pa.nulls(batch.num_rows, field.type) if at < 0 else batch.column(at)
        columns.append(column if column.type == field.type else column.cast(field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def with_columns(batch: pa.RecordBatch, columns: Mapping[str, Any]) -> pa.RecordBatch:
    """The batch with these columns set: replaced where they stand, added at the end otherwise."""
    named = dict(zip(batch.schema.names, batch.columns, strict=True)) | dict(columns)
    return pa.RecordBatch.from_arrays(list(named.values()), names=list(named))


def mark(
    batch: pa.RecordBatch, by: str, reasons: Sequence[str | None], faults: Sequence[str | None] | None = None
) -> pa.RecordBatch:
    """The batch with its rows marked as dropped by a stage where `reasons` has a word; None keeps the row."""
    return with_columns(
        batch,
        {
            "dropped_by": pa.array([None if reason is None else by for reason in reasons], pa.string()),
            "drop_reason": pa.array(reasons, pa.string()),
            "fault": pa.array(faults or [None] * len(reasons), pa.string()),
        },
    )
