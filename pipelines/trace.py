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
from pipelines.wording import printable

ID = re.compile(r"[0-9a-f]{32}")
SHOWN = (
    *("url", "source", "origin", "shard", "row", "timestamp", "charset", "lang", "lang_score"),
    *("title", "author", "published", "language_hint"),
)
WIDTH = 16
"""Of the names: the longest artifact's."""


def life_of(place: Place, artifacts: Sequence[str], document: str) -> Iterator[str]:
    """Lines on each document of that id or URL; DataError when the run has read none."""
    column = "id" if ID.fullmatch(document) else "url"
    corpora = [name for name in artifacts if name.startswith("corpus/")]
    if not corpora:
        raise DataError(f"{place.root.url} holds no corpus yet; make one with `millstream run`")
    ids = {row["id"]: row for row in _rows(place, corpora[0], column, document)}
    if not ids:
        n_read = place.need(corpora[0]).read
        raise DataError(
            f"no document has the {column} {document} among the {n_read:,} that {corpora[0]} read; give a URL as the "
            f"archive has it, or an id of 32 hex digits"
        )
    for name, row in ids.items():
        yield f"document {name}"
        yield from (_line(key, _value(row[key])) for key in SHOWN if row.get(key) is not None)
        for corpus in corpora:
            found = list(_rows(place, corpus, "id", name))
            said = [_verdict(place, corpora[0], corpus, row) for row in found]
            yield from (_line(corpus, line) for line in said)
        if TOKENS in artifacts:
            yield from (_line(TOKENS, line) for line in _tokens(place, name))


def _line(name: str, said: str) -> str:
    """The name and what it says, in two columns; further lines stand under the first. Words of the web are in it."""
    return f"  {name:<{WIDTH}}  " + f"\n{'':<{WIDTH + 4}}".join(map(printable, said.split("\n")))


def _value(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _verdict(place: Place, first: str, corpus: str, row: dict[str, Any]) -> str:
    if row.get("drop_reason") is None:
        copy = f", copy {row['copy']}" if row.get("copy") is not None else ""
        return f"{'held out' if corpus == HELDOUT else 'kept'}{copy}, {len((row['text'] or '').encode()):,} bytes"
    if corpus == HELDOUT:
        return "not held out"
    said = f"dropped by {row['dropped_by']}: {row['drop_reason']}"
    if survivor := row.get("duplicate_of"):
        (kept,) = _rows(place, first, "id", survivor)
        said += f", in favour of\n{survivor} {kept['url'] or ''}"
    if row.get("seen_as"):
        said += f", there since\n{row['seen_as']}"
    return said + (f"\n{row['fault']}" if row.get("fault") else "")


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
                yield f"copy {copy}: {part}, tokens {first:,} to {first + n_tokens - 1:,}, the last one its end"
            first += n_tokens
