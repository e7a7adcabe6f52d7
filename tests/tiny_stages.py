"""Small real stages, in a module that worker processes can import."""

import faulthandler
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa

from corpus import guard
from corpus.guard import watched
from corpus.schema import DOCUMENT, MARKS, TEXT, document_id, mark, with_columns
from corpus.splits import SPLIT, Part, Split
from corpus.stage import Opened


def documents(
    texts: Sequence[str | None], *, shard: int = 0, first: int = 0, **columns: Sequence[Any]
) -> pa.RecordBatch:
    """One document a text, in order; further columns by name."""
    numbers = range(first, first + len(texts))
    rows = {
        "id": [document_id("web", f"{shard}:{n}") for n in numbers],
        "shard": [shard] * len(texts),
        "row": list(numbers),
        "source": ["web"] * len(texts),
        "origin": [f"f:{n}:0" for n in numbers],
        "text": list(texts),
    } | columns
    arrays = [pa.array(rows.get(field.name, [None] * len(texts)), field.type) for field in DOCUMENT]
    return pa.RecordBatch.from_arrays(arrays, schema=DOCUMENT)


def split(shard: int, *ranges: tuple[int, int], max_rows: int | None = None, url: str = "u") -> Split:
    """A split of a source "web": a file f0, f1, ... for each range of bytes (or, for `Counting`, of numbers)."""
    parts = [Part("web", url, f"f{n}", end, start, end) for n, (start, end) in enumerate(ranges)]
    return Split(shard, tuple(parts), max_rows)


def cut(batch: pa.RecordBatch, sizes: Sequence[int]) -> list[pa.RecordBatch]:
    """The batch in pieces of the given sizes, over and over; all of it when there are none."""
    pieces: list[pa.RecordBatch] = []
    at = 0
    while at < batch.num_rows:
        n = sizes[len(pieces) % len(sizes)] if sizes else batch.num_rows
        pieces.append(batch.slice(at, n))
        at += n
    return pieces


class _Plain:
    """What most stages say of themselves; only for the tiny ones here."""

    version: ClassVar[int] = 1
    reads: ClassVar[pa.Schema] = TEXT
    writes: ClassVar[pa.Schema] = pa.schema([*TEXT, *MARKS])
    drops: ClassVar[frozenset[str]] = frozenset()
    reasons: ClassVar[frozenset[str]] = frozenset()
    rows: ClassVar[Literal["same", "many", "project"]] = "same"
    guarded: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class Counting(_Plain):
    """A reader: documents start..end of every part of a split, `batch_rows` at a time, each with its number in its
    text."""

    batch_rows: int = 4
    name: ClassVar[str] = "counting"
    reads: ClassVar[pa.Schema] = SPLIT
    writes: ClassVar[pa.Schema] = DOCUMENT
    drops: ClassVar[frozenset[str]] = frozenset({"file", "size", "start", "end", "max_rows"})
    rows: ClassVar[Literal["many"]] = "many"

    def open(self) -> Opened:
        def read(splits: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            done: Counter[int] = Counter()
            for part in splits.to_pylist():
                for at in range(part["start"], part["end"], self.batch_rows):
                    numbers = range(at, min(at + self.batch_rows, part["end"]))
                    texts = [f"number {n} {n % 3 * 'word '}" for n in numbers]
                    yield documents(texts, shard=part["shard"], first=done[part["shard"]])
                    done[part["shard"]] += len(texts)

        return read


@dataclass(frozen=True, kw_only=True)
class DropWord(_Plain):
    """Drops texts that have the word."""

    word: str
    reasons: ClassVar[frozenset[str]] = frozenset({"has_word"})

    @property
    def name(self) -> str:
        return f"drop_{self.word}"

    def open(self) -> Opened:
        def judge(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            texts = batch.column("text").to_pylist()
            yield mark(batch, self.name, ["has_word" if self.word in (t or "").split() else None for t in texts])

        return judge


@dataclass(frozen=True, kw_only=True)
class Append(_Plain):
    """Puts a word at the end of each text."""

    word: str
    name: ClassVar[str] = "append"
    writes: ClassVar[pa.Schema] = TEXT

    def open(self) -> Opened:
        def append(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            texts = [f"{t or ''} {self.word}" for t in batch.column("text").to_pylist()]
            yield with_columns(batch, {"text": pa.array(texts, pa.string())})

        return append


@dataclass(frozen=True, kw_only=True)
class Prefix(_Plain):
    """Puts a word before the text of one document of `Counting`."""

    number: int
    word: str
    name: ClassVar[str] = "prefix"
    writes: ClassVar[pa.Schema] = TEXT

    def open(self) -> Opened:
        def prefix(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            texts = batch.column("text").to_pylist()
            mine = [f"{self.word} {t}" if f"number {self.number} " in (t or "") else t for t in texts]
            yield with_columns(batch, {"text": pa.array(mine, pa.string())})

        return prefix


@dataclass(frozen=True, kw_only=True)
class Repeat(_Plain):
    """Every row `times` times, in batches of up to `batch_rows`."""

    times: int
    batch_rows: int = 3
    name: ClassVar[str] = "repeat"
    writes: ClassVar[pa.Schema] = TEXT
    rows: ClassVar[Literal["many"]] = "many"

    def open(self) -> Opened:
        def repeat(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            rows = [row for row in range(batch.num_rows) for _ in range(self.times)]
            for at in range(0, len(rows), self.batch_rows):
                yield batch.take(pa.array(rows[at : at + self.batch_rows], pa.int64()))

        return repeat


@dataclass(frozen=True, kw_only=True)
class Mishap(_Plain):
    """Does to its process what the first word of a text says; in a guard, unless told otherwise."""

    guarded: bool = True  # type: ignore[misc]
    watch: bool = True
    flag: str = ""
    bounds: tuple[float, float, float, int] | None = None  # for the guard of this process from now on
    name: ClassVar[str] = "mishap"

    def open(self) -> Opened:
        if self.bounds:
            guard.ROW_CPU_SECONDS, guard.BATCH_CPU_SECONDS_A_ROW, guard.IDLE_SECONDS, guard.MEMORY_BYTES = self.bounds

        def work(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            texts = batch.column("text").to_pylist()
            done = [self._met(text or "") for text in (watched(texts) if self.watch else texts)]
            yield with_columns(batch, {"text": pa.array(done, pa.string())})

        return work

    def _met(self, text: str) -> str:
        match text.partition(" ")[0]:
            case "crash":
                faulthandler.disable()  # it would print the trace, and is pytest's
                os.kill(os.getpid(), signal.SIGSEGV)
            case "crash-once" if not Path(self.flag).exists():
                Path(self.flag).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            case "spin":
                while True:
                    pass
            case "sleep":
                time.sleep(600)
            case "eat":
                return "x" * len([bytearray(2**20) for _ in range(2**14)])  # 16 GiB, if they are let
            case "leave":
                os._exit(0)
            case "exit":
                raise SystemExit(3)
            case "raise":
                raise ValueError(f"cannot take {object()}")
        return text.upper()


@dataclass(frozen=True, kw_only=True)
class Wrong(_Plain):
    """A stage that breaks its contract in the way it is told."""

    way: str
    rows: Literal["same", "many", "project"] = "same"  # type: ignore[misc]
    name: ClassVar[str] = "wrong"

    def open(self) -> Opened:
        def work(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            match self.way:
                case "loses":
                    yield batch.slice(1)
                case "turns":
                    yield batch.take(pa.array(range(batch.num_rows - 1, -1, -1)))
                case "none":
                    return
                case "reason":
                    yield mark(batch, self.name, ["never_declared"] * batch.num_rows)
                case "raises":
                    raise ValueError("project")

        return work
