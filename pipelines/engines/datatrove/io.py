"""Our corpora and stages as steps of datatrove pipelines that people write themselves.

    reader = CorpusReader("runs/demo", "corpus/pages")
    writer = CorpusWriter("runs/mine", "corpus/chosen", made_by={"filter": "gopher", "with": "datatrove 0.10"})
    LocalPipelineExecutor([reader, GopherQualityFilter(), Stages([text_filter("c4", C4())]), writer], tasks=4).run()
    manifest = finish(writer, 4)

A column of ours is an entry of a datatrove document's metadata, under the same name.
"""

import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any

import pyarrow as pa
from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep
from datatrove.utils.typeshelper import StatHints

from corpus.canonical import fingerprint
from corpus.errors import DriftError, SchemaError
from corpus.lease import Policy, held
from corpus.manifest import MANIFEST, Manifest, summed
from corpus.measures import added_up
from corpus.parquet import read_batches
from corpus.schema import DOCUMENT, MARKS, joined
from corpus.shards import ShardWriter
from corpus.stage import Stage, fuse, written
from corpus.storage import Folder
from pipelines.artifact import DEV, Place
from pipelines.corpus_steps import stored_files
from pipelines.engines.engine import StoredFile, StoredShard
from pipelines.engines.tasks import StoredBase
from pipelines.runner import leftovers, tidy

BATCH_ROWS = 512
_OWN = frozenset({"id", "text", *MARKS.names})
"""Columns that are no metadata."""


class CorpusReader(PipelineStep):  # type: ignore[misc]  # datatrove has no types
    """Yields the kept documents of a corpus; of its shards a rank has every `world_size`-th."""

    type = "READER"
    name = "millstream corpus"

    def __init__(self, root: str, artifact: str, version: str = DEV) -> None:
        super().__init__()
        self.root, self.artifact, self.version = root, artifact, version

    def run(self, data: DocumentsPipeline = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """The documents in the order of the corpus; DataError where it is not there, or broken."""
        yield from data or ()
        place = Place(Folder(self.root), self.version)
        files = stored_files(place.folder(self.artifact).url, place.need(self.artifact))
        mine = StoredShard(rank, tuple(files[rank::world_size]))
        for batch in StoredBase(mine, _columns(mine.files)).batches():
            for row in batch.to_pylist():
                self.stat_update("documents")
                yield _document(row, {})


class Stages(PipelineStep):  # type: ignore[misc]
    """Documents through stages of ours, fused to one pass. Dropped ones leave; the statistics count their reasons.

    Columns that the stages read are taken from the metadata, but for shard and row: in here a document lives at (its
    rank, its number there), for two of one home may come from two corpora. It leaves with its own, if it had them, and
    with the source "datatrove" unless its metadata names one.
    """

    type = "MILLSTREAM"
    name = "stages"

    def __init__(self, stages: Sequence[Stage]) -> None:
        super().__init__()
        self.stages = tuple(stages)
        self.schema = _read_by(self.stages)

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """The documents that stay, as the stages left them."""
        step, _ = fuse(self.stages, self.schema)
        first = 0
        for documents in _chunks(data, BATCH_ROWS):
            for out in step(_batch(documents, self.schema, rank, first)):
                yield from self._kept(out, documents, first)
            first += len(documents)

    def _kept(self, batch: pa.RecordBatch, documents: Sequence[Document], first: int) -> Iterator[Document]:
        for row in batch.to_pylist():
            self.stat_update(StatHints.total)
            if row["drop_reason"] is None:
                self.stat_update(StatHints.forwarded)
                del row["shard"]
                yield _document(row, documents[row.pop("row") - first].metadata)
            else:
                self.stat_update(StatHints.dropped, f"{StatHints.dropped}_{row['drop_reason']}")


class CorpusWriter(PipelineStep):  # type: ignore[misc]
    """Writes what comes in as a corpus, one shard a rank, whole or not at all; `finish` makes the manifest.

    `made_by` is plain data that says what decides the rows, in your words: another one, or another number of ranks, is
    another build, and no file of the old one is mixed into it. `columns` come from the metadata, beside those that
    every document has. The last step of a pipeline. Making one takes the artifact over from any older run.
    """

    type = "WRITER"
    name = "millstream corpus"

    def __init__(
        self,
        root: str,
        artifact: str,
        made_by: Mapping[str, Any],
        version: str = DEV,
        columns: pa.Schema = pa.schema([]),  # noqa: B008  immutable
    ) -> None:
        super().__init__()
        self.place, self.artifact, self.made_by = Place(Folder(root), version), artifact, dict(made_by)
        self.schema = joined(DOCUMENT, columns)
        holding = ExitStack()
        self.lease = holding.enter_context(
            held(self.place.folder(artifact) / "run", f"{artifact}@{version}", Policy(), print)
        )
        self.let_go = weakref.finalize(self, holding.close)  # copies, which ranks get, let go of nothing

    def identity(self, world_size: int) -> dict[str, Any]:
        """All that decides what is written."""
        columns = {field.name: str(field.type) for field in self.schema}
        recipe = {"made_by": self.made_by, "ranks": world_size, "columns": columns}
        return {"kind": "corpus", "recipe": recipe, "inputs": {}, "plan": None}

    def shards(self, world_size: int) -> ShardWriter:
        """Where the ranks write."""
        return ShardWriter(self.place.folder(self.artifact), fingerprint(self.identity(world_size)), self.lease)

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> None:
        """Writes and commits the rank's shard, unless that is done already."""
        shards = self.shards(world_size)
        if shards.commits.found(f"{rank:05d}.json") is None:  # one request: all ranks ask
            shards.write(rank, self._batches(data, rank), self.schema)

    def _batches(self, data: Iterable[Document], rank: int) -> Iterator[pa.RecordBatch]:
        first = 0
        for documents in _chunks(data, BATCH_ROWS):
            yield _batch(documents, self.schema, rank, first)
            first += len(documents)
            self.stat_update("documents", value=len(documents))


def finish(writer: CorpusWriter, world_size: int) -> Manifest:
    """The manifest of what all ranks have written, now in its place.

    DataError when a shard is not there yet, DriftError when the version is released and was made otherwise.
    """
    wanted, shards = writer.identity(world_size), writer.shards(world_size)
    writer.lease.check()
    found = writer.place.manifest(writer.artifact)
    if found is not None and writer.place.version != DEV and found.fingerprint != shards.fingerprint:
        raise DriftError(
            f"{writer.artifact}@{writer.place.version} is released and was made otherwise; write under another version"
        )
    records = list(shards.records(range(world_size)))
    manifest = Manifest(
        name=writer.artifact,
        version=writer.place.version,
        fingerprint=shards.fingerprint,
        **wanted,
        tally=summed(tally for record in records for tally in record.tally),
        shards=tuple(record.info for record in records),
        measures=added_up(record.measures for record in records),
    )
    writer.lease.check()
    shards.folder.write(MANIFEST, manifest.to_json())
    tidy(leftovers(shards.folder, manifest), writer.lease)
    writer.let_go()
    return manifest


def _columns(files: Sequence[StoredFile]) -> pa.Schema:
    """The columns of a corpus, which are the same in all its files."""
    batches = (batch for file in files for batch in read_batches(file.path, size=file.size))
    return next((batch.schema for batch in batches), DOCUMENT)


def _read_by(stages: Sequence[Stage]) -> pa.Schema:
    """The columns that documents must bring to the stages; SchemaError where what comes out are no documents."""
    needed = schema = DOCUMENT
    for stage in stages:
        if stage.rows == "project":
            raise SchemaError(f'stage "{stage.name}" makes other rows than documents; here only documents can go on')
        missing = pa.schema([field for field in stage.reads if field.name not in schema.names])
        needed, schema = joined(needed, missing), written(joined(schema, missing), stage)
    return needed


def _chunks(documents: Iterable[Document] | None, n: int) -> Iterator[list[Document]]:
    rest = iter(documents or ())
    while chunk := list(islice(rest, n)):
        yield chunk


def _batch(documents: Sequence[Document], schema: pa.Schema, rank: int, first: int) -> pa.RecordBatch:
    """The documents as rows, at home at (rank, number there)."""
    rows = []
    for number, document in enumerate(documents, first):
        given = {"source": "datatrove", "origin": document.id, **document.metadata}
        own = {"id": document.id, "shard": rank, "row": number, "text": document.text}
        rows.append(given | own | dict.fromkeys(MARKS.names))
    try:
        return pa.RecordBatch.from_pylist(rows, schema=schema)
    except pa.ArrowException as error:
        raise SchemaError(
            f"the metadata of a document from {documents[0].id} on fit no column here: {error}"
        ) from error


def _document(row: Mapping[str, Any], metadata: Mapping[str, Any]) -> Document:
    """A row as a document of datatrove's."""
    columns = {name: value for name, value in row.items() if name not in _OWN}
    return Document(text=row["text"], id=row["id"], metadata={**metadata, **columns})
