"""Stored documents made up in any number: short, with planted clusters of near-duplicates of power-law size.

Every word is a hash of its place (the text that a document was made from, its position there), so any document can be
made alone and in any order, and the same number of documents is always the same documents.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus.parquet import RowGroups
from corpus.schema import DOCUMENT, MARKS, align, document_id, without
from corpus.text.shingles import mix64
from pipelines.engines.engine import StoredFile

SEED = 17
N_WORDS = 50_000
LETTERS = 6
LEAST_WORDS, MOST_WORDS = 60, 100
MOST_CHANGED = 4
"""Words of 60 to 100 that differ from the cluster's text: each changes 5 of 56 to 96 5-grams, which leaves a similarity
between .55 and 1."""
PLANTED_SHARE = 0.3
EXPONENT = 2.0  # of the sizes of clusters
LARGEST_SHARE = 0.05  # of all documents, as the planted set of the project's deduplication measurements has it
STORED = without(DOCUMENT, set(MARKS.names))

Numbers = NDArray[Any]


def origins(n_documents: int) -> Numbers:
    """For each document the number of the text that it was made from: equal in a cluster, its own number otherwise."""
    random = np.random.default_rng([SEED, n_documents])
    sizes: list[int] = []
    while (open_ := int(PLANTED_SHARE * n_documents) - sum(sizes)) > 1:
        size = 2 * (1 - random.random()) ** (-1 / (EXPONENT - 1))
        sizes.append(min(int(size), max(int(LARGEST_SHARE * n_documents), 2), open_))
    of = np.arange(n_documents)
    places = random.permutation(n_documents)[: sum(sizes)]
    of[places] = np.repeat(places[np.cumsum(sizes) - sizes], sizes) if sizes else places
    return of


def texts(documents: Numbers, of: Numbers) -> pa.Array:
    """The texts of these documents, made from the texts numbered `of`."""
    spellings = _spellings()
    base = _hashed(of[:, None] * MOST_WORDS + np.arange(MOST_WORDS), 1)
    lengths = LEAST_WORDS + _hashed(of, 2) % np.uint64(MOST_WORDS - LEAST_WORDS + 1)
    changes = _hashed(documents, 3) % np.uint64(MOST_CHANGED + 1)
    for change in range(MOST_CHANGED):
        rows = np.flatnonzero((changes > change) & (documents != of))
        own = _hashed(documents[rows] * MOST_CHANGED + change, 4)
        base[rows, (own % lengths[rows]).astype(np.int64)] = mix64(own)
    inside = np.arange(MOST_WORDS) < lengths[:, None]
    letters = spellings[(base[inside] % np.uint64(N_WORDS)).astype(np.int64)]
    places = np.concatenate([[0], np.cumsum(lengths.astype(np.int64))]) * (LETTERS + 1)
    buffers = [None, pa.py_buffer(places.astype(np.int32)), pa.py_buffer(letters.tobytes())]
    return pa.Array.from_buffers(pa.string(), len(documents), buffers)


def _spellings() -> Numbers:
    """The words, one a row, each with the space after it."""
    codes = _hashed(np.arange(N_WORDS * LETTERS), 5).reshape(N_WORDS, LETTERS) % np.uint64(26)
    return np.column_stack([codes.astype(np.uint8) + ord("a"), np.full(N_WORDS, ord(" "), np.uint8)])


def _hashed(numbers: Numbers, salt: int) -> Numbers:
    return np.asarray(mix64(numbers.astype(np.uint64) + (np.uint64(salt) << np.uint64(56))))


def batch(shard: int, first: int, of: Numbers) -> pa.RecordBatch:
    """A shard's documents, of which the first has this number."""
    numbers = np.arange(first, first + len(of))
    names = [f"planted.warc.gz:{number}:0" for number in numbers.tolist()]
    columns = {
        "id": [document_id("planted", name) for name in names],
        "shard": pa.array(np.full(len(of), shard, np.int32)),
        "row": pa.array(np.arange(len(of))),
        "source": ["planted"] * len(of),
        "origin": names,
        "url": [f"http://planted.example/{number}" for number in numbers.tolist()],
        "text": texts(numbers, of),
    }
    return align(pa.RecordBatch.from_pydict(columns), STORED)


def write_pages(folder: Path, n_documents: int, shard_rows: int) -> Path:
    """Writes the documents as stored shards; the path of their list (StoredFile as JSON)."""
    folder.mkdir(parents=True)
    of = origins(n_documents)
    files = [*_written(folder, [of[at : at + shard_rows] for at in range(0, n_documents, shard_rows)], shard_rows)]
    listed = folder / "files.json"
    listed.write_text(json.dumps([asdict(file) for file in files]))
    return listed


def _written(folder: Path, shards: Sequence[Numbers], shard_rows: int) -> Iterator[StoredFile]:
    for number, of in enumerate(shards):
        path = folder / f"{number:05d}.parquet"
        groups = RowGroups(path, STORED)
        groups.write(batch(number, number * shard_rows, of))
        rows, _ = groups.close()
        yield StoredFile(number, str(path), rows, path.stat().st_size)
