"""Rows put aside in a folder of any object store: a checkpoint that ends a DataFrame's lineage, outlives executors and
driver, and needs no Hadoop file system.

    <folder>/<name>/<sha256>-<attempt>.arrow    what one attempt at a task wrote, about FILE_BYTES each
    <folder>/<name>/rows.json                   the files that count; created last

A repeated, speculative or orphaned attempt writes files that nobody names.
"""

import json
from collections.abc import Callable, Iterator
from itertools import chain

import fsspec
import pyarrow as pa
import pyarrow.ipc
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession

from corpus.canonical import canonical_json
from corpus.errors import DataError
from corpus.storage import Folder, sha256_of
from pipelines.engines.spark.columns import Batches, mapped

RECORD = "rows.json"
FILE_BYTES = 128 * 2**20  # in memory, before compression: what one task reads back in a few seconds
TASKS_PER_CORE = 4  # that read: enough to even out files of unequal size
WRITTEN = pa.schema([("file", pa.string()), ("rows", pa.int64())])


def spilled(
    spark: SparkSession,
    folder: Folder,
    name: str,
    make: Callable[[], DataFrame],
    schema: pa.Schema,
    file_bytes: int = FILE_BYTES,
) -> DataFrame:
    """The rows of `make()`, in no order, as they stand in the folder; made only when they do not stand there yet."""
    place = folder / name

    def write(batches: Batches) -> Batches:
        return _write(place, batches, schema, file_bytes)

    if not _stands(place):
        written = mapped(make(), write, schema, WRITTEN).collect()
        place.create(RECORD, canonical_json({"files": [[row["file"], row["rows"]] for row in written]}))
    files = _files(place)  # as the record says: another driver may have been first
    n_tasks = min(len(files), TASKS_PER_CORE * spark.sparkContext.defaultParallelism)

    def read(batches: Batches) -> Batches:
        for batch in batches:
            for number in batch.column("id").to_pylist():
                yield from _read(place, files[number], schema)

    numbers = spark.range(0, len(files), numPartitions=max(n_tasks, 1))
    return mapped(numbers, read, pa.schema([("id", pa.int64())]), schema)


def n_spilled(folder: Folder, name: str) -> int:
    """How many rows stand under this name; DataError when none were spilled."""
    return sum(rows for _, rows in _files(folder / name))


def unspill(folder: Folder, name: str) -> None:
    """Takes the rows away; the record goes first, so that no kill leaves one whose files are gone."""
    (folder / name).remove(RECORD)
    (folder / name).discard()


def _stands(place: Folder) -> bool:
    """Whether the rows are there. A discard that was cut short may have left the record without its files: it goes."""
    if place.found(RECORD) is None:
        return False
    if {file for file, _ in _files(place)} <= set(place.names()):
        return True
    place.remove(RECORD)
    return False


def _files(place: Folder) -> list[tuple[str, int]]:
    return [(file, rows) for file, rows in json.loads(place.read(RECORD))["files"]]


def _write(place: Folder, batches: Batches, schema: pa.Schema, file_bytes: int) -> Batches:
    """Writes the batches; yields the name and the number of rows of each file."""
    task = TaskContext.get()
    assert task is not None  # this runs in a task
    batches = (batch for batch in batches if batch.num_rows)
    for head in batches:
        with place.scratch() as path:
            n_rows = 0
            options = pa.ipc.IpcWriteOptions(compression="zstd")
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema, options=options) as writer:
                for batch in up_to(file_bytes, chain([head], batches)):
                    writer.write_batch(batch)
                    n_rows += batch.num_rows
            name = f"{sha256_of(path)[:32]}-{task.taskAttemptId()}.arrow"
            place.adopt(path, name)
        yield pa.RecordBatch.from_pydict({"file": [name], "rows": [n_rows]}, schema=WRITTEN)


def up_to(n_bytes: int, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The first batches, until they are so many bytes; the others stay in the iterator."""
    for batch in batches:
        yield batch
        n_bytes -= batch.nbytes
        if n_bytes <= 0:
            return


def _read(place: Folder, recorded: tuple[str, int], schema: pa.Schema) -> Batches:
    name, n_rows = recorded
    with fsspec.open(place.path(name), "rb") as file, pa.ipc.open_file(file) as reader:
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            n_rows -= batch.num_rows
            yield batch
        if n_rows or reader.schema != schema:
            raise DataError(f"{place.path(name)} is not what {RECORD} there says; remove {place.url} and run again")
