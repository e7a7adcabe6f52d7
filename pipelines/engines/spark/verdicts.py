"""Verdicts on their way home: small files in the order of home, of which a shard's task reads the one or two with its
own."""

import json
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from corpus.canonical import canonical_json
from corpus.schema import align
from corpus.storage import Folder, sha256_of
from pipelines.engines.spark.columns import Batches, Step
from pipelines.engines.spark.spill import up_to

INDEX = "verdicts.json"
WRITTEN = pa.schema([("file", pa.string()), ("first", pa.int32()), ("last", pa.int32())])
FILE_BYTES = 8 * 2**20
"""In memory: a task reads a file whole, and most of it may belong to other shards."""

File = tuple[int, int, str]
"""The last and the first shard that it has rows of, and its name."""


@dataclass(frozen=True)
class Verdicts:
    """Files in a folder on any store, in order."""

    folder: Folder
    files: tuple[File, ...]
    schema: pa.Schema

    def of_homes(self, first: int, last: int) -> pa.Table:
        """The rows of documents whose home is one of the shards from `first` to `last`."""
        parts = [self.schema.empty_table()]
        for _, start, name in self.files[bisect_left(self.files, (first, -1, "")) :]:
            if start > last:
                break
            rows = _rows(self.folder, name)
            shards = rows.column("shard").to_numpy()
            parts.append(rows.slice(begin := np.searchsorted(shards, first), np.searchsorted(shards, last + 1) - begin))
        return pa.concat_tables(parts)


@lru_cache(maxsize=2)
def _rows(folder: Folder, name: str) -> pa.Table:
    """A file's rows; neighbouring shards, which a task takes one after the other, lie in one file."""
    with pa.ipc.open_file(pa.py_buffer(folder.read(name))) as reader:
        return reader.read_all()


def written(folder: Folder, schema: pa.Schema) -> Step:
    """Rows in, sorted by (shard, row); they are in files then, and WRITTEN comes out."""

    def work(batches: Batches) -> Batches:
        rows = (align(batch, schema) for batch in batches if batch.num_rows)
        for head in rows:
            with folder.scratch() as path:
                with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
                    for batch in up_to(FILE_BYTES, chain([head], rows)):
                        writer.write_batch(batch)
                        last = batch.column("shard")[-1].as_py()
                name = f"{sha256_of(path)[:32]}.arrow"
                folder.adopt(path, name)
            told = {"file": name, "first": head.column("shard")[0].as_py(), "last": last}
            yield pa.RecordBatch.from_pylist([told], schema=WRITTEN)

    return work


def known(folder: Folder, schema: pa.Schema) -> Verdicts | None:
    """What an earlier try has left there whole: a discard that was cut short may have left the index alone."""
    data = folder.found(INDEX)
    files = tuple((last, first, name) for last, first, name in json.loads(data or b"[]"))
    if data is None or not {name for _, _, name in files} <= set(folder.names()):
        return None
    return Verdicts(folder, files, schema)


def recorded(folder: Folder, files: list[File], schema: pa.Schema) -> Verdicts:
    """The files, from now on known."""
    folder.write(INDEX, canonical_json(sorted(files)))
    return Verdicts(folder, tuple(sorted(files)), schema)
