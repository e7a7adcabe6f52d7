"""Documents to key rows: what deduplication compares travels alone, and the texts stay at home.

Each stage is a projection: its `writes` and nothing else of the input, in the order of the input (a document's bands
in the order of their numbers). A document that has no key (no url, no word) gives no row, and so is nobody's duplicate.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.schema import HOME, TEXT
from corpus.stage import Opened
from corpus.text.hashing import exact_key
from corpus.text.minhash import MinHash
from corpus.text.url import c4_key

PLACE = pa.schema([HOME.field("id"), HOME.field("shard"), HOME.field("row")])
"""What a verdict needs to fly home by."""

LAST = np.iinfo(np.int64).max


def _keyed(*fields: pa.Field) -> pa.Schema:
    return pa.schema([*PLACE, *fields])


@dataclass(frozen=True, kw_only=True)
class UrlKey:
    """C4's key of the url, and an order in which the newest capture is first and one without a time last."""

    name = "url_key"
    version = 1
    reads = pa.schema([*PLACE, HOME.field("url"), HOME.field("timestamp")])
    writes = _keyed(pa.field("key", pa.string()), pa.field("order", pa.int64()))
    drops: ClassVar[frozenset[str]] = frozenset()
    reasons: ClassVar[frozenset[str]] = frozenset()
    rows: ClassVar[Literal["project"]] = "project"
    guarded = False

    def open(self) -> Opened:
        def keys(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            key = [c4_key(url) if url else "" for url in batch.column("url").to_pylist()]
            order = pc.fill_null(pc.negate(batch.column("timestamp").cast(pa.int64())), LAST)
            rows = np.flatnonzero([bool(one) for one in key])
            yield _rows(batch, rows, self.writes, key=pa.array(key, pa.string()).take(rows), order=order.take(rows))

        return keys


@dataclass(frozen=True, kw_only=True)
class ExactKey:
    """A hash of the text as it is, 32 hex digits."""

    name = "exact_key"
    version = 1
    reads = pa.schema([*PLACE, *TEXT])
    writes = _keyed(pa.field("key", pa.string()))
    drops: ClassVar[frozenset[str]] = frozenset()
    reasons: ClassVar[frozenset[str]] = frozenset()
    rows: ClassVar[Literal["project"]] = "project"
    guarded = False

    def open(self) -> Opened:
        def keys(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            rows = np.flatnonzero(batch.column("text").is_valid())
            texts = batch.column("text").take(rows).to_pylist()
            yield _rows(batch, rows, self.writes, key=pa.array(map(exact_key, texts), pa.string()))

        return keys


@dataclass(frozen=True, kw_only=True)
class BandKeys:
    """One row a document and band; near-duplicates are those that share a key (the hash holds the band's number)."""

    minhash: MinHash

    name = "band_keys"
    version = 1
    reads = pa.schema([*PLACE, *TEXT])
    writes = _keyed(pa.field("key", pa.int64()))
    drops: ClassVar[frozenset[str]] = frozenset()
    reasons: ClassVar[frozenset[str]] = frozenset()
    rows: ClassVar[Literal["project"]] = "project"
    guarded = False

    def open(self) -> Opened:
        def keys(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            bands, has_words = self.minhash.band_keys(*utf8(batch.column("text")))
            rows = np.repeat(np.flatnonzero(has_words), self.minhash.bands)
            yield _rows(batch, rows, self.writes, key=pa.array(bands[has_words].reshape(-1).view(np.int64)))

        return keys


def utf8(texts: pa.Array) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.uint8]]]:
    """Offsets (one more than texts) and bytes of a string array, sliced or not; a null is an empty text.

    The bytes are not copied, unless there are nulls.
    """
    if not len(texts):
        return np.zeros(1, np.int64), np.empty(0, np.uint8)
    filled = pc.fill_null(texts, "") if texts.null_count else texts
    wide = filled.cast(pa.large_string())
    _, offsets, data = wide.buffers()
    places = np.frombuffer(offsets, np.int64, len(wide) + 1, wide.offset * 8)
    return places, np.frombuffer(data or b"", np.uint8)


def _rows(batch: pa.RecordBatch, rows: np.ndarray[Any, Any], schema: pa.Schema, **columns: pa.Array) -> pa.RecordBatch:
    """The schema's batch: the places of these rows, and the columns as they are."""
    places = {name: batch.column(name).take(pa.array(rows, pa.int64())) for name in PLACE.names}
    named = places | columns
    return pa.RecordBatch.from_arrays([named[name] for name in schema.names], schema=schema)
