"""Checks a run against its manifests: every file's bytes and rows, and the laws that tie artifacts together."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
from rich.console import Console

from corpus.errors import DataError
from corpus.manifest import FileInfo, Manifest, Tally, summed
from corpus.parquet import read_batches, rows_in
from corpus.schema import MARKS, align, joined, without
from corpus.shards import counted
from corpus.storage import Folder, sha256_of
from pipelines.artifact import Place, changed_inputs
from pipelines.names import CORPORA, MIXTURE, TOKENS, VOCAB
from pipelines.session import Run
from pipelines.tokens_step import local_folder
from tokenizer.shard import TokenShard

COUNTED = joined(pa.schema([("source", pa.string()), ("text", pa.string()), ("copy", pa.int32())]), MARKS)
"""The columns a tally is counted from."""
Key = tuple[str, str, str]
Counts = tuple[int, int, int]


def verify_all(run: Run, only: str | None, console: Console) -> None:
    """Prints a line for each artifact; DataError naming the first difference if there is any."""
    names = run.made if only is None else (run.known(only),)
    found = []
    for name in names:
        faults = list(faults_of(run.place, name))
        found += faults
        console.print(f"{name}: {_said(len(faults))}", highlight=False)
        for fault in faults:
            console.print(f"  {fault}", highlight=False, markup=False, soft_wrap=True)
    for name in () if only else run.asked:
        if name not in names:
            console.print(f"{name}: not made yet", highlight=False)
    if found:
        raise DataError(
            f"{_said(len(found))} in {run.place.root.url}, the first: {found[0]}. Run again where something is out of "
            f"date; where a file differs, remove its artifact's folder first"
        )


def _said(n_faults: int) -> str:
    return "ok" if not n_faults else f"{n_faults} difference{'s' if n_faults > 1 else ''}"


def faults_of(place: Place, name: str) -> Iterator[str]:
    """Everything about one artifact that is not as its manifest says."""
    manifest = place.need(name)
    folder = place.folder(name)
    harmed = [
        f"{name}, shard {shard.shard}, {role}: {fault}"
        for shard in manifest.shards
        for role, info in shard.files.items()
        for fault in file_faults(folder, info)
    ]
    yield from harmed
    yield from (f"{name}: {fault}" for fault in law_faults(place, manifest))
    if manifest.kind == "corpus" and not harmed:
        yield from (f"{name}: {fault}" for fault in tally_faults(folder, manifest))


def file_faults(folder: Folder, info: FileInfo) -> Iterator[str]:
    """What is wrong with one file."""
    with folder.local_copy(info.file) as path:
        if path is None:
            yield f"{info.file} is missing"
        elif path.stat().st_size != info.size:
            yield f"{info.file} has {path.stat().st_size:,} bytes instead of {info.size:,}"
        elif sha256_of(path) != info.sha256:
            yield f"{info.file} has another sha256 than the manifest says"
        elif info.rows is not None and (rows := rows_in(path)) != (info.rows, info.rows_hash):
            yield f"{info.file} has {rows[0]:,} rows of hash {rows[1]} instead of {info.rows:,} of {info.rows_hash}"


def law_faults(place: Place, manifest: Manifest) -> Iterator[str]:
    """Laws that do not hold from one artifact to the next: what was kept there is what was read here."""
    changed = changed_inputs(place, manifest)
    yield from (f"was made from another {name} than the one beside it" for name in changed)
    if manifest.kind == "corpus":
        before = CORPORA.get(manifest.name)
        if before and before not in changed and place.need(before).kept != manifest.read:
            yield f"read {manifest.read:,} documents, but {before} kept {place.need(before).kept:,}"
    if manifest.name == TOKENS and not changed:
        yield from token_faults(place, manifest)


def tally_faults(folder: Folder, manifest: Manifest) -> Iterator[str]:
    """Lines of the tally that are not what a count over the files' rows gives: kept ones in data, others in rejects."""
    held, told = _counts(_recounted(folder, manifest)), _counts(manifest.tally)
    for key in sorted(held.keys() | told):
        there, said = held.get(key), told.get(key)
        if there != said:
            yield f"{' '.join(filter(None, key))}: the files hold {_count(there)}, the tally says {_count(said)}"


def _recounted(folder: Folder, manifest: Manifest) -> Iterator[Tally]:
    for shard in manifest.shards:
        for role, schema in (("data", without(COUNTED, set(MARKS.names))), ("rejects", COUNTED)):
            for batch in read_batches(folder.path(shard.files[role].file), schema.names):
                yield from counted(align(batch, COUNTED))


def _counts(tallies: Iterable[Tally]) -> dict[Key, Counts]:
    """Documents, copies and bytes by source, stage and reason; bytes of kept text only: rejects hold samples."""
    return {
        (t.source, t.dropped_by or "", t.drop_reason or "kept"): (
            t.documents,
            t.copies,
            0 if t.drop_reason else t.text_bytes,
        )
        for t in summed(tallies)
    }


def _count(counts: Counts | None) -> str:
    return "none" if counts is None else "{:,} documents, {:,} copies, {:,} bytes".format(*counts)


def token_faults(place: Place, manifest: Manifest) -> Iterator[str]:
    """Token shards that do not hold each document of the mixture once, or tokens outside the vocabulary."""
    folder: Path = local_folder(place.folder(TOKENS))
    size = place.need(VOCAB).measures["vocab_size"]
    documents = tokens = 0
    for info in manifest.shards:
        try:
            shard = TokenShard.open(folder, info.shard, size)
            shard.check_tokens()
        except DataError as error:
            yield str(error)
            continue
        documents += shard.n_documents
        tokens += len(shard.tokens)
    if documents != place.need(MIXTURE).kept_rows:
        yield f"{documents:,} documents, but {MIXTURE} has {place.need(MIXTURE).kept_rows:,} rows"
    if tokens != manifest.measures["n_tokens"]:
        yield f"{tokens:,} tokens, the manifest says {manifest.measures['n_tokens']:,}"
