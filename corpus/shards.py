"""Writing a corpus shard: kept rows and rejects apart, then one small commit record that makes them count.

    data/00012-3fa9c1d2e4b7.parquet      kept documents
    rejects/00012-77ab01c2d3e4.parquet   dropped ones: every column, the text of a seeded sample of each reason only
    commits/<fingerprint>/00012.json     the files, their checksums, the shard's tally

Readers follow records and manifests and never list a folder. A killed, repeated or orphaned task does no harm: equal
work has equal names, and unequal work is caught at the record.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from corpus.canonical import canonical_json
from corpus.errors import DataError
from corpus.lease import Lease
from corpus.manifest import FileInfo, ShardInfo, Tally, records_from, summed
from corpus.measures import ShardMeasures
from corpus.parquet import RowGroups
from corpus.schema import FAULTS, MARKS, align, with_columns, without
from corpus.storage import TEMPORARY, Folder, sha256_of
from corpus.text.hashing import share

SAMPLE_SALT = "reject-sample"


@dataclass(frozen=True, slots=True)
class Committed:
    """What the record of a shard says: its files, its tally, its measures (corpus/measures.py)."""

    info: ShardInfo
    tally: tuple[Tally, ...]
    measures: Mapping[str, Any]


@dataclass(frozen=True)
class ShardWriter:
    """Where and how the shards of one artifact are written; plain values, so that any worker can have it."""

    folder: Folder
    fingerprint: str
    lease: Lease
    reject_samples: int = 5
    max_fault_share: float = 0.5

    @property
    def commits(self) -> Folder:
        """The folder of this build's commit records."""
        return self.folder / "commits" / self.fingerprint[:16]

    def committed(self) -> frozenset[int]:
        """The shards that are committed already, by one listing: a run asks once, before it begins."""
        names = self.commits.names()
        return frozenset(int(name.removesuffix(".json")) for name in names if not name.startswith(TEMPORARY))

    def records(self, shards: Sequence[int]) -> Iterator["Committed"]:
        """The records of these shards, in this order; DataError when one is not there."""
        for data in self.commits.read_all([_record_name(shard) for shard in shards]):
            raw = records_from(data)
            yield Committed(**raw | {"tally": tuple(raw["tally"])})

    def write(self, shard: int, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
        """Writes the rows of a shard and commits them; DataError when too many are faults."""
        kept = without(schema, set(MARKS.names))
        rejects = _Rejects(schema, self.reject_samples)
        tallies: list[Tally] = []
        measures = ShardMeasures()
        with self._file("data", kept) as data, self._file("rejects", schema) as dropped:
            for batch in batches:
                tallies += counted(batch)
                measures.add(batch)
                is_dropped = pc.is_valid(batch.column("drop_reason"))
                rejects.add(batch.filter(is_dropped))
                data.groups.write(align(batch.filter(pc.invert(is_dropped)), kept))
            tally = summed(tallies)
            self._check_faults(shard, tally, rejects)
            for batch in rejects.table().to_batches():
                dropped.groups.write(batch)
            # each waits for the store; a local disk is quicker than a thread's start
            with ThreadPoolExecutor(3 if self.folder.local is None else 1) as threads:
                checked = threads.submit(self.lease.check)
                files = dict(threads.map(lambda file: (file.role, file.adopted(shard)), (data, dropped)))
                checked.result()
        self._commit(Committed(ShardInfo(shard, files), tally, measures.told()))

    @contextmanager
    def _file(self, role: str, schema: pa.Schema) -> Iterator["_Staged"]:
        folder = self.folder / role
        with folder.scratch() as path:
            yield _Staged(role, folder, path, RowGroups(path, schema))

    def _check_faults(self, shard: int, tally: tuple[Tally, ...], rejects: "_Rejects") -> None:
        read = sum(t.documents for t in tally)
        faults = sum(t.documents for t in tally if t.drop_reason in FAULTS)
        if read and faults / read > self.max_fault_share:
            raise DataError(
                f"{self.folder.url}: shard {shard}: {faults} of {read} records are faults, more than the share "
                f"{self.max_fault_share} that corpus.max_fault_share allows; the first: {rejects.first_fault()}. "
                f"Mend the input, or the stage, or raise the bound"
            )

    def _commit(self, done: Committed) -> None:
        record = canonical_json(done)
        name = _record_name(done.info.shard)
        if not self.commits.create(name, record) and self.commits.read(name) != record:
            raise DataError(
                f"{self.commits.path(name)}: the same work gave other rows than before: a stage is not pure, or "
                f"its version was not raised. Remove the artifact's folder and run again"
            )


def _record_name(shard: int) -> str:
    return f"{shard:05d}.json"


@dataclass(frozen=True)
class _Staged:
    """A file of a shard while it is written."""

    role: str
    folder: Folder
    path: Path
    groups: RowGroups

    def adopted(self, shard: int) -> FileInfo:
        """The finished file under a name that carries its content's hash."""
        rows, rows_hash = self.groups.close()
        digest = sha256_of(self.path)
        name = f"{shard:05d}-{digest[:12]}.parquet"
        info = FileInfo(f"{self.role}/{name}", self.path.stat().st_size, digest, rows, rows_hash)
        self.folder.adopt(self.path, name)
        return info


def counted(batch: pa.RecordBatch) -> list[Tally]:
    """The batch's rows grouped by source, stage and reason; bytes are those of the text column. A row whose `copy` is
    above 0 repeats a document that is counted already."""
    sizes = pc.fill_null(pc.binary_length(batch.column("text")), 0).cast(pa.int64())
    repeats = pa.nulls(batch.num_rows, pa.int32())
    if "copy" in batch.schema.names:
        repeats = batch.column("copy")
    again = pc.fill_null(pc.greater(repeats, 0), False).cast(pa.int64())
    keys = ["source", "dropped_by", "drop_reason"]
    table = pa.table([*(batch.column(key) for key in keys), sizes, again], names=[*keys, "bytes", "again"])
    sums = table.group_by(keys, use_threads=False).aggregate([("bytes", "count"), ("bytes", "sum"), ("again", "sum")])
    return [
        Tally(
            source=row["source"],
            dropped_by=row["dropped_by"],
            drop_reason=row["drop_reason"],
            documents=row["bytes_count"] - row["again_sum"],
            text_bytes=row["bytes_sum"],
            copies=row["again_sum"],
        )
        for row in sums.to_pylist()
    ]


class _Rejects:
    """The dropped rows of a shard; texts are let go but for the `n_samples` of each reason whose ids hash lowest."""

    def __init__(self, schema: pa.Schema, n_samples: int) -> None:
        self._schema = schema
        self._n_samples = n_samples
        self._batches: list[pa.RecordBatch] = []
        self._samples: dict[tuple[str, str], list[tuple[float, str, str]]] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes the rows in, all of them marked."""
        names = ("id", "dropped_by", "drop_reason", "text")
        for name, by, reason, text in zip(*(batch.column(n).to_pylist() for n in names), strict=True):
            if text is not None and self._n_samples:
                heap = self._samples.setdefault((by, reason), [])
                entry = (-share(name, SAMPLE_SALT), name, text)
                (heapq.heappushpop if len(heap) >= self._n_samples else heapq.heappush)(heap, entry)
        self._batches.append(with_columns(batch, {"text": pa.nulls(batch.num_rows, pa.string())}))

    def first_fault(self) -> str:
        """Where the first fault is, which stage met it, and what it said last."""
        for batch in self._batches:
            for row in batch.select(["origin", "dropped_by", "drop_reason", "fault"]).to_pylist():
                if row["drop_reason"] in FAULTS:
                    said = (row["fault"] or "").strip().rpartition("\n")[2]
                    return f"{row['origin']}, {row['dropped_by']}: {row['drop_reason']}{f' ({said})' if said else ''}"
        return "none"

    def table(self) -> pa.Table:
        """All of them in the order of reading."""
        table = pa.Table.from_batches(self._batches, schema=self._schema)
        texts = {name: text for heap in self._samples.values() for _, name, text in heap}
        at = table.schema.get_field_index("text")
        column = pa.array([texts.get(name) for name in table.column("id").to_pylist()], pa.string())
        return table.set_column(at, "text", column)
