"""Verdicts on their way home: small files, in each the rows of some shards, that a shard's task reads and joins."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from corpus.canonical import canonical_json
from corpus.schema import align
from corpus.storage import Folder, sha256_of
from pipelines.engines.spark.columns import Step

INDEX = "verdicts.json"
WRITTEN = pa.schema([("file", pa.string()), ("shards", pa.list_(pa.int32()))])


@dataclass(frozen=True)
class Verdicts:
    """Files in a folder on any store, each with one batch for each of its shards, in order."""

    folder: Folder
    files: tuple[tuple[str, tuple[int, ...]], ...]
    schema: pa.Schema

    def of_homes(self, first: int, last: int) -> pa.Table:
        """The rows of documents whose home is one of the shards from `first` to `last`."""
        parts = [self.schema.empty_table()]
        for name, shards in self.files:
            wanted = [place for place, shard in enumerate(shards) if first <= shard <= last]
            if wanted:
                with pa.ipc.open_file(pa.py_buffer(self.folder.read(name))) as reader:
                    parts.append(pa.Table.from_batches([reader.get_batch(place) for place in wanted]))
        return pa.concat_tables(parts)


def written(folder: Folder, schema: pa.Schema) -> Step:
    """Rows in, sorted by (shard, row); they are in a file then, and its name and its shards come out."""

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        shards: list[int] = []
        with folder.scratch() as path:
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
                for shard, rows in _by_shard(align(batch, schema) for batch in batches):
                    shards.append(shard)
                    writer.write_batch(rows)
            if not shards:
                return
            name = f"{shards[0]:05d}-{sha256_of(path)[:16]}.arrow"
            folder.adopt(path, name)
        yield pa.RecordBatch.from_pylist([{"file": name, "shards": shards}], schema=WRITTEN)

    return work


def _by_shard(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Each shard's rows as one batch."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        shards = batch.column("shard").to_numpy()
        starts = np.flatnonzero(np.diff(shards, prepend=-1))
        for start, end in pairwise([*starts.tolist(), batch.num_rows]):
            if held and held[0].column("shard")[0].as_py() != shards[start]:
                yield _joined(held)
                held = []
            held.append(batch.slice(start, end - start))
    if held:
        yield _joined(held)


def _joined(parts: list[pa.RecordBatch]) -> tuple[int, pa.RecordBatch]:
    (batch,) = pa.Table.from_batches(parts).combine_chunks().to_batches()
    return batch.column("shard")[0].as_py(), batch


def known(folder: Folder, schema: pa.Schema) -> Verdicts | None:
    """What an earlier try has left there whole."""
    data = folder.found(INDEX)
    if data is None:
        return None
    return Verdicts(folder, tuple((name, tuple(shards)) for name, shards in json.loads(data)), schema)


def recorded(folder: Folder, files: list[tuple[str, list[int]]], schema: pa.Schema) -> Verdicts:
    """The files, from now on known."""
    folder.write(INDEX, canonical_json(sorted(files)))
    return Verdicts(folder, tuple((name, tuple(shards)) for name, shards in sorted(files)), schema)
