"""What the wide nodes of a plan mean, as pure functions on tables; every engine schedules exactly these.

A wide node needs rows of many shards together. Rows are first cut into buckets by key (`bucketed`), then each bucket is
sorted and reduced, grouped or joined on its own.
"""

import zlib
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.errors import DataError
from corpus.plan import EDGE, Reduce
from corpus.schema import align, with_columns

_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Fibonacci hashing, Knuth TAOCP vol. 3, 6.4


def buckets_of(keys: pa.Array, n_buckets: int) -> np.ndarray:
    """The bucket of each key, int64[n]: the same for equal keys in every process and on every engine."""
    if pa.types.is_integer(keys.type):
        mixed = keys.to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64) * _MIX
        buckets: np.ndarray = ((mixed >> np.uint64(33)) % np.uint64(n_buckets)).astype(np.int64)
        return buckets
    return np.fromiter((zlib.crc32(str(key).encode()) % n_buckets for key in keys.to_pylist()), np.int64, len(keys))


def bucketed(batch: pa.RecordBatch, key: str, n_buckets: int) -> list[pa.RecordBatch]:
    """The batch cut into one batch per bucket; rows keep their order."""
    if batch.column(key).null_count:
        raise DataError(f'column "{key}" is a key and has nulls; leave rows without a key out before they are reduced')
    places = buckets_of(batch.column(key), n_buckets)
    order = np.argsort(places, kind="stable")
    ends = np.cumsum(np.bincount(places, minlength=n_buckets))
    taken = batch.take(pa.array(order))
    return [taken.slice(end - n, n) for end, n in zip(ends, np.diff(ends, prepend=0), strict=True)]


def reduced(table: pa.Table, plan: Reduce, schema: pa.Schema) -> pa.Table:
    """One bucket of a Reduce, in (key, order); what comes together there, in the order of its other columns."""
    rest = [name for name in table.column_names if name not in {plan.key, *plan.order}]
    table = _sorted(table, (plan.key, *plan.order, *rest))
    starts = _run_starts(table, (plan.key,))
    columns = {out: _reduction(table, how, column, starts) for out, how, column in plan.take}
    if plan.spread:
        lengths = np.diff(np.append(starts, table.num_rows))
        runs = pa.array(np.repeat(np.arange(len(starts)), lengths))
        named = dict(zip(table.column_names, table.columns, strict=True))
        return pa.table(named | {out: column.take(runs) for out, column in columns.items()}).select(schema.names)
    keys = table.column(plan.key).take(pa.array(starts))
    return pa.table({plan.key: keys, **columns}).cast(schema)


def _reduction(table: pa.Table, how: str, column: str, starts: np.ndarray) -> pa.Array | pa.ChunkedArray:
    if how == "first":
        return table.column(column).take(pa.array(starts))
    if how == "count":
        return pa.array(np.diff(np.append(starts, table.num_rows)), pa.int64())
    values = pc.fill_null(table.column(column), 0).to_numpy().astype(np.int64)
    return pa.array(np.add.reduceat(values, starts) if len(starts) else values, pa.int64())


def grouped(table: pa.Table, key: str, opened: Callable[[pa.Table], pa.Table], emits: pa.Schema) -> pa.Table:
    """One bucket of a Group: whole keys, sorted by (key, id)."""
    return opened(_sorted(table, (key, "id"))).cast(emits)


def component_labels(edges: pa.Table) -> pa.Table:
    """The rows of a Components node: one per document, sorted by (shard, row), `first` the smallest id of its component
    and `n` how many documents that has."""
    from corpus.text.components import components  # numba: a driver, which joins nothing, is spared it

    edges = edges.select(EDGE.names).combine_chunks()
    names = pc.unique(pa.chunked_array([*edges.column("id").chunks, *edges.column("first").chunks], pa.string()))
    names = names.take(pc.sort_indices(names))
    left, right = (pc.index_in(edges.column(c), names).to_numpy().astype(np.int64) for c in ("id", "first"))
    labels = components(left, right, len(names))
    one = _sorted(edges, ("shard", "row"))
    one = one.take(pa.array(_run_starts(one, ("shard", "row"))))
    at = labels[pc.index_in(one.column("id"), names).to_numpy()]
    n_documents = np.bincount(at, minlength=len(names))[at]
    return one.set_column(3, "first", names.take(pa.array(at))).append_column("n", pa.array(n_documents, pa.int64()))


_ROW_BITS = 40
"""A home as one number: 2^23 shards of 2^40 rows."""


def attached(batch: pa.RecordBatch, verdicts: pa.Table, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with the verdicts joined by (shard, row); of several for one row the first in the order of their
    columns counts."""
    homes = _homes(verdicts)
    order = np.argsort(homes, kind="stable")
    if np.any(np.diff(homes[order]) == 0):
        verdicts = _sorted(verdicts, verdicts.column_names)
        homes = _homes(verdicts)
        order = np.argsort(homes, kind="stable")
    wanted = _homes(batch)
    at = np.searchsorted(homes, wanted, sorter=order)
    found = at < len(homes)
    found[found] = homes[order[at[found]]] == wanted[found]
    indices = pa.array(np.where(found, order[np.minimum(at, len(order) - 1)] if len(order) else 0, 0), mask=~found)
    columns = {}
    for name in verdicts.column_names:
        if name not in ("shard", "row"):
            column = verdicts.column(name).combine_chunks().take(indices) if len(order) else None
            if column is not None:
                columns[name] = pc.coalesce(column, batch.column(name)) if name in batch.schema.names else column
    return align(with_columns(batch, columns), schema)


def _homes(rows: pa.Table | pa.RecordBatch) -> np.ndarray:
    shards, numbers = (rows.column(name).to_numpy().astype(np.int64) for name in ("shard", "row"))
    homes: np.ndarray = (shards << _ROW_BITS) | numbers
    return homes


def _sorted(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    return table.sort_by([(column, "ascending") for column in columns]).combine_chunks()


def _run_starts(table: pa.Table, columns: Sequence[str]) -> np.ndarray:
    """Where each run of equal values begins in a sorted table; null keys do not occur."""
    if table.num_rows == 0:
        return np.zeros(0, np.int64)
    new = np.zeros(table.num_rows, bool)
    new[0] = True
    for name in columns:
        column = table.column(name)
        new[1:] |= pc.not_equal(column.slice(1), column.slice(0, table.num_rows - 1)).to_numpy()
    return np.flatnonzero(new)
