"""A token shard: documents end to end, each closed by the eod id, with the page that each one came from.

    part-00012.bin                 the tokens, little-endian, uint16 or int32
    part-00012.idx                 Megatron-LM's index: "MMIDIDX\\0\\0", version, dtype, counts, lengths, offsets
    part-00012.documents.parquet   row number = document number in the shard: id, source, url, copy, n_tokens
    part-00012.marks               where asked for, a byte for each token: see tokenizer/marking.py; 0 for an eod

Megatron-LM, NeMo and `np.memmap` read the first two as they are. Each document is one sequence there, and `n_tokens`
counts its eod. Legend: T tokens, N documents.
"""

import itertools
import struct
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from corpus.errors import ConfigError, DataError
from corpus.manifest import FileInfo
from corpus.parquet import RowGroups
from corpus.schema import align, with_columns
from corpus.storage import Folder, sha256_of

MAGIC = b"MMIDIDX\x00\x00"
VERSION = 1
HEADER = struct.Struct("<9sQBQQ")  # magic, version, dtype code, sequences, length of the list of document ends
CODES = {"uint16": 8, "int32": 4}  # Megatron-LM: megatron/core/datasets/indexed_dataset.py, DType
UINT16_BELOW = 65_500  # ... and its optimal_dtype: smaller vocabularies take 2 bytes
MAX_LENGTH = 2**31 - 1  # lengths are int32 there

ORIGINS = pa.schema([("id", pa.string()), ("source", pa.string()), ("url", pa.string()), ("copy", pa.int32())])
DOCUMENTS = ORIGINS.append(pa.field("n_tokens", pa.int32()))

Tokens = npt.NDArray[Any]


class Batch(NamedTuple):
    """Rows with the ORIGINS columns, each one's tokens without eod, and their marks if the shard is to have them."""

    rows: pa.RecordBatch
    tokens: Sequence[Tokens]
    marks: Sequence[npt.NDArray[np.uint8]] | None = None


def token_dtype(vocab_size: int) -> np.dtype[Any]:
    """Megatron's choice: uint16 where the vocabulary has fewer than 65,500 entries, else int32; little-endian."""
    if not 0 < vocab_size <= MAX_LENGTH:
        raise ConfigError(f"a vocabulary of {vocab_size} entries does not fit int32 tokens")
    return np.dtype("<u2" if vocab_size < UINT16_BELOW else "<i4")


def file_names(part: int) -> tuple[str, str, str]:
    """Tokens, documents and index of a part, in the order of publishing: a part exists when its index does."""
    stem = f"part-{part:05d}"
    return f"{stem}.bin", f"{stem}.documents.parquet", f"{stem}.idx"


def marks_name(part: int) -> str:
    """The file of a part's marks."""
    return f"part-{part:05d}.marks"


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a manifest says of a shard; `n_tokens` counts the eods."""

    part: int
    files: tuple[FileInfo, ...]
    n_documents: int
    n_tokens: int


def write_shard(folder: Folder, part: int, batches: Iterable[Batch], *, vocab_size: int, eod_id: int) -> Written:
    """Writes a part from batches (tuples will do), with marks if they have them; all of its files appear or none.

    Columns that a batch lacks are null. An empty document is its eod alone. The bytes do not depend on how the
    documents are cut into batches. DataError: tokens outside the vocabulary, an eod inside a document, a document of
    2^31 - 1 tokens or more, marks for some tokens only. Limits: the lengths of all documents stay in memory until the
    end.
    """
    dtype = token_dtype(vocab_size)
    if not 0 <= eod_id < vocab_size:
        raise ConfigError(f"the eod id {eod_id} is outside the vocabulary's 0 to {vocab_size - 1}")
    lengths: list[int] = []
    bin_name, documents_name, idx_name = file_names(part)
    with ExitStack() as open_until_the_end:
        bin_path, documents_path, marks_path, idx_path = (
            open_until_the_end.enter_context(folder.scratch()) for _ in range(4)
        )
        documents_file = RowGroups(documents_path, DOCUMENTS)
        with bin_path.open("wb") as bin_file, marks_path.open("wb") as marks_file:
            for batch in itertools.starmap(Batch, batches):
                new = _append(bin_file, batch.tokens, vocab_size, eod_id, dtype)
                _append_marks(marks_file, batch)
                documents_file.write(
                    align(with_columns(batch.rows, {"n_tokens": pa.array(new, pa.int32())}), DOCUMENTS)
                )
                lengths += new
        n_rows, rows_hash = documents_file.close()
        idx_path.write_bytes(index_bytes(np.array(lengths, np.int64), dtype))
        paths = {bin_name: bin_path, marks_name(part): marks_path, documents_name: documents_path, idx_name: idx_path}
        if (n_marks := marks_path.stat().st_size) == 0:
            del paths[marks_name(part)]
        elif n_marks != sum(lengths):
            raise DataError(f"{n_marks} marks for {sum(lengths)} tokens: give marks with every batch or with none")
        files = [_described(name, path) for name, path in paths.items()]
        # the index gone first and back last: a crash in between never leaves an old file beside a new one
        folder.remove(idx_name)
        folder.remove(marks_name(part))
        for name, path in paths.items():
            folder.adopt(path, name)
    found = tuple(replace(f, rows=n_rows, rows_hash=rows_hash) if f.file == documents_name else f for f in files)
    return Written(part=part, files=found, n_documents=len(lengths), n_tokens=sum(lengths))


def _described(name: str, path: Path) -> FileInfo:
    """The file's record, taken from what stands on the disk rather than from what was meant to be written."""
    return FileInfo(file=name, size=path.stat().st_size, sha256=sha256_of(path))


def _append(
    file: IO[bytes], documents: Sequence[Tokens], vocab_size: int, eod_id: int, dtype: np.dtype[Any]
) -> list[int]:
    for tokens_T in documents:
        if len(tokens_T) >= MAX_LENGTH:
            raise DataError(f"a document of {len(tokens_T)} tokens; an index holds up to {MAX_LENGTH - 1}: split it")
    if not documents:
        return []
    eod = np.array([eod_id], np.int32)
    flat_T = np.concatenate(list(itertools.chain.from_iterable((tokens_T, eod) for tokens_T in documents)))
    if flat_T.dtype.kind not in "iu":
        raise DataError(f"tokens come as {flat_T.dtype}; give integers of up to 32 bits, or int64")
    if flat_T.min() < 0 or flat_T.max() >= vocab_size:
        raise DataError(
            f"tokens reach from {flat_T.min()} to {flat_T.max()}; the vocabulary has 0 to {vocab_size - 1}: "
            "these texts were encoded with another one"
        )
    if np.count_nonzero(flat_T == eod_id) > len(documents):
        raise DataError(f"a document holds the eod id {eod_id} inside; encode texts with special tokens off")
    file.write(flat_T.astype(dtype).data)
    return [len(tokens_T) + 1 for tokens_T in documents]


def _append_marks(file: IO[bytes], batch: Batch) -> None:
    for tokens_T, marks_T in zip(batch.tokens, batch.marks or (), strict=batch.marks is not None):
        if len(tokens_T) != len(marks_T):
            raise DataError(f"{len(marks_T)} marks for a document of {len(tokens_T)} tokens: mark what was encoded")
        file.write(marks_T.astype(np.uint8).tobytes() + b"\0")  # an eod begins no word and ends no sentence


def index_bytes(lengths_N: npt.NDArray[np.int64], dtype: np.dtype[Any]) -> bytes:
    """The `.idx` file: header, lengths (int32), byte offsets (int64), document ends (int64; Megatron counts N + 1)."""
    starts_N = np.cumsum(lengths_N) - lengths_N
    header = HEADER.pack(MAGIC, VERSION, CODES[dtype.name], len(lengths_N), len(lengths_N) + 1)
    arrays = (
        lengths_N.astype("<i4"),
        (starts_N * dtype.itemsize).astype("<i8"),
        np.arange(len(lengths_N) + 1, dtype="<i8"),
    )
    return header + b"".join(array.tobytes() for array in arrays)


@dataclass(frozen=True, kw_only=True, eq=False)
class TokenShard:
    """A part, memory-mapped: `tokens` [T], `starts` [N + 1] with the first token of each document, then T, and `marked`
    [T] where the part has marks."""

    folder: Path
    part: int
    vocab_size: int
    tokens: Tokens
    starts: npt.NDArray[np.int64]
    marked: npt.NDArray[np.uint8] | None = None

    @classmethod
    def open(cls, folder: Path, part: int, vocab_size: int) -> Self:
        """The part, its index checked against its files; DataError says what is wrong. Tokens: see `check_tokens`."""
        bin_name, _, idx_name = file_names(part)
        dtype = token_dtype(vocab_size)
        lengths_N = _read_index(folder / idx_name, dtype)
        starts_N1 = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths_N, dtype=np.int64)])
        n_tokens = int(starts_N1[-1])
        tokens_T = _mapped(folder / bin_name, dtype, n_tokens)
        marked_T = _marked(folder / marks_name(part), n_tokens)
        return cls(folder=folder, part=part, vocab_size=vocab_size, tokens=tokens_T, starts=starts_N1, marked=marked_T)

    @property
    def n_documents(self) -> int:
        return len(self.starts) - 1

    @property
    def marks(self) -> npt.NDArray[np.uint8]:
        """A byte for each token; see tokenizer/marking.py. DataError where the part was written without."""
        if self.marked is None:
            raise DataError(
                f"{self.folder / marks_name(self.part)} is missing: the part was written without marks of words and "
                f"sentences; set tokenizer.marks: true in the recipe and make the tokens again"
            )
        return self.marked

    def document(self, number: int) -> Tokens:
        """The tokens of a document, its eod last; a view."""
        return self.tokens[self.starts[number] : self.starts[number + 1]]

    @cached_property
    def origins(self) -> pa.Table:
        """The documents' table, read when first asked for. DataError if its lengths are not the index's."""
        path = self.folder / file_names(self.part)[1]
        try:
            table = pq.read_table(path, schema=DOCUMENTS)
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"{path} cannot be read: {error}") from error
        if not np.array_equal(table["n_tokens"].to_numpy(), np.diff(self.starts)):
            raise DataError(f"{path} and the index beside it tell of different documents; write the part again")
        return table

    def check_tokens(self, chunk_tokens: int = 1 << 22) -> None:
        """Reads every token once; DataError for one outside the vocabulary."""
        for start in range(0, len(self.tokens), chunk_tokens):
            chunk_T = self.tokens[start : start + chunk_tokens]
            bad = np.flatnonzero((chunk_T < 0) | (chunk_T >= self.vocab_size))
            if bad.size:
                raise DataError(
                    f"{self.folder / file_names(self.part)[0]}: token {start + bad[0]} is {chunk_T[bad[0]]}, "
                    f"but the vocabulary has {self.vocab_size} entries"
                )

    def __reduce__(self) -> tuple[Any, ...]:
        # a pickled map would carry all the tokens along
        return _opened, (self.folder, self.part, self.vocab_size)


def _opened(folder: Path, part: int, vocab_size: int) -> TokenShard:
    return TokenShard.open(folder, part, vocab_size)


def _read_index(path: Path, dtype: np.dtype[Any]) -> npt.NDArray[np.int64]:
    """The lengths; the rest of the file must be the very bytes that we would write for them."""
    if not path.is_file():
        raise DataError(f"{path} is missing: the part was never finished; write it again")
    content = path.read_bytes()
    if len(content) < HEADER.size or not content.startswith(MAGIC):
        raise DataError(f"{path} is not an index of tokens: it does not begin with {MAGIC!r} and a header")
    _, version, code, n_documents, _ = HEADER.unpack_from(content)
    if version != VERSION or code != CODES[dtype.name]:
        raise DataError(
            f"{path} has version {version} and dtype code {code}; this vocabulary needs version {VERSION} "
            f"and code {CODES[dtype.name]} ({dtype.name})"
        )
    n_bytes = HEADER.size + 20 * n_documents + 8
    if len(content) != n_bytes:
        raise DataError(f"{path} has {len(content)} bytes; an index of {n_documents} documents has {n_bytes}")
    lengths_N = np.frombuffer(content, "<i4", n_documents, HEADER.size).astype(np.int64)
    if lengths_N.min(initial=1) < 1 or content != index_bytes(lengths_N, dtype):
        raise DataError(f"{path}: its offsets are not the sums of its lengths, one sequence a document")
    return lengths_N


def _marked(path: Path, n_tokens: int) -> npt.NDArray[np.uint8] | None:
    """None where there are none; no tokens have marks without a file."""
    if n_tokens == 0:
        return np.empty(0, np.uint8)
    return _mapped(path, np.dtype(np.uint8), n_tokens) if path.is_file() else None


def _mapped(path: Path, dtype: np.dtype[Any], n_tokens: int) -> Tokens:
    if not path.is_file():
        raise DataError(f"{path} is missing, though its index is there")
    size_bytes = path.stat().st_size
    if size_bytes != n_tokens * dtype.itemsize:
        raise DataError(
            f"{path} has {size_bytes} bytes; its index tells of {n_tokens} tokens, {n_tokens * dtype.itemsize} bytes: "
            f"write the part again"
        )
    if n_tokens == 0:  # an empty file cannot be mapped
        return np.empty(0, dtype)
    return np.memmap(path, dtype, mode="r").view(np.ndarray)  # a plain view: slicing a memmap object costs more
