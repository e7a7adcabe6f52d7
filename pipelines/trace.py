"""The life of one document: where it was read, what each stage said of it, where its tokens are."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus.errors import DataError
from corpus.manifest import Manifest
from corpus.parquet import read_batches
from pipelines.artifact import Place
from pipelines.names import HELDOUT, TOKENS
from pipelines.tokens_step import local_folder

ID = re.compile(r"[0-9a-f]{32}")
SHOWN = ("id", "shard", "row", "source", "origin", "url", "timestamp", "charset", "lang", "lang_score", "n_bytes")


def life_of(place: Place, artifacts: Sequence[str], document: str) -> Iterator[str]:
    """Lines on each document of that id or URL; DataError when the run has read none."""
    column = "id" if ID.fullmatch(document) else "url"
    corpora = [name for name in artifacts if name.startswith("corpus/")]
    ids = {row["id"]: row for row in _rows(place, corpora[0], column, document)}
    if not ids:
        raise DataError(
            f"no document with {column} {document} was read into {corpora[0]}; ids and URLs stand in its files"
        )
    for name, row in ids.items():
        yield f"document {name}"
        yield from (f"  {key}: {row[key]}" for key in SHOWN if row.get(key) is not None and key != "id")
        for corpus in corpora:
            yield from (f"  {corpus}: {_verdict(corpus, row)}" for row in _rows(place, corpus, "id", name))
        if TOKENS in artifacts:
            yield from _tokens(place, name)


def _verdict(corpus: str, row: dict[str, Any]) -> str:
    if row.get("drop_reason") is None:
        copy = f", copy {row['copy']}" if row.get("copy") is not None else ""
        lang = f", {row['lang']} {row['lang_score']:.4f}" if row.get("lang") is not None else ""
        return f"{'held out' if corpus == HELDOUT else 'kept'}{copy}{lang}, {len((row['text'] or '').encode()):,} bytes"
    said = f"dropped by {row['dropped_by']}: {row['drop_reason']}"
    survivor = f", in favour of {row['duplicate_of']}" if row.get("duplicate_of") else ""
    fault = f" ({row['fault']})" if row.get("fault") else ""
    return f"{said}{survivor}{fault}"


def _rows(place: Place, corpus: str, column: str, value: str) -> Iterator[dict[str, Any]]:
    """The rows of a corpus, kept and rejected, in which the column has the value; a shard is read whole only then."""
    manifest: Manifest = place.need(corpus)
    folder = place.folder(corpus)
    for shard in manifest.shards:
        for role in ("data", "rejects"):
            path = folder.path(shard.files[role].file)
            wanted = pa.scalar(value)
            if any(pc.any(pc.equal(b.column(column), wanted)).as_py() for b in read_batches(path, [column])):
                for batch in read_batches(path):
                    yield from batch.filter(pc.fill_null(pc.equal(batch.column(column), wanted), False)).to_pylist()


def _tokens(place: Place, document: str) -> Iterator[str]:
    folder = local_folder(place.folder(TOKENS))
    for shard in place.need(TOKENS).shards:
        table = pq.read_table(folder / shard.files["documents.parquet"].file)
        first = 0
        for name, copy, n_tokens in zip(
            *(table.column(c).to_pylist() for c in ("id", "copy", "n_tokens")), strict=True
        ):
            if name == document:
                part = shard.files["bin"].file
                yield f"  {TOKENS}: {part}, tokens {first:,} to {first + n_tokens - 1:,} (copy {copy}, with its end)"
            first += n_tokens
