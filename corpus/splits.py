"""Inputs are cut into splits once, and a split becomes a shard: a byte range of a large file, or many small files.

Cuts lie between records. Splits are numbered through the recipe's sources in order, files by name, ranges by position;
the listing does not depend on workers, engines or where the files lie.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from typing import Any, BinaryIO, TypeVar

import fsspec
import pyarrow as pa

from corpus.errors import ConfigError
from corpus.patience import patiently
from corpus.readahead import opened

SPLIT = pa.schema(
    [
        ("shard", pa.int32()),
        ("source", pa.string()),
        ("url", pa.string()),
        ("file", pa.string()),
        ("size", pa.int64()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("max_rows", pa.int64()),
    ]
)
"""A row for each part of a split; max_rows, of the whole split, null reads all."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file of a source: where it is (what fsspec.open takes), its name relative to the source's base, how large it
    is, and what its store says of its content: an etag, or times that move when it changes."""

    source: str
    url: str
    file: str
    size: int
    etag: str | None = None
    times: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from `start` to `end` of a file that has `size`."""

    source: str
    url: str
    file: str
    size: int
    start: int
    end: int

    def listed(self) -> dict[str, Any]:
        """What is told of it: everything but the place."""
        return {"source": self.source, "file": self.file, "size": self.size, "start": self.start, "end": self.end}


@dataclass(frozen=True, slots=True)
class Split:
    """What becomes one shard: parts of one source, read one after the other, up to `max_rows` rows in all."""

    shard: int
    parts: tuple[Part, ...]
    max_rows: int | None = None

    def batch(self) -> pa.RecordBatch:
        """The split as a batch of SPLIT, the input of a reader stage."""
        own = {"shard": self.shard, "max_rows": self.max_rows}
        rows = [own | {"url": part.url} | part.listed() for part in self.parts]
        return pa.RecordBatch.from_pylist(rows, schema=SPLIT)

    def listed(self) -> dict[str, Any]:
        """What is told of it: everything but the place."""
        return {"shard": self.shard, "max_rows": self.max_rows, "parts": [part.listed() for part in self.parts]}


def find_files(sources: Mapping[str, Sequence[str]]) -> list[InputFile]:
    """The files that each source's paths and globs name, sorted by name within a source; ConfigError where a pattern
    matches nothing, two files of a source would have one name, or one file two."""
    found: list[InputFile] = []
    for source, patterns in sources.items():
        files: dict[str, InputFile] = {}
        names: dict[str, str] = {}
        for match in (match for pattern in patterns for match in _matches(source, pattern)):
            other = files.setdefault(match.file, match).url
            if other != match.url:
                raise ConfigError(
                    f"sources.{source}.paths: {other} and {match.url} are both called {match.file}; make them "
                    f"two sources"
                )
            name = names.setdefault(match.url, match.file)
            if name != match.file:
                raise ConfigError(
                    f"sources.{source}.paths: {match.url} would be read twice, as {name} and as {match.file}; take one "
                    f"of the patterns that match it out"
                )
        found += [files[name] for name in sorted(files)]
    return found


def _matches(source: str, pattern: str) -> list[InputFile]:
    found = list(_globbed(source, pattern))
    if not found:
        raise ConfigError(f"sources.{source}.paths: no file matches {pattern}; correct it or put the files there")
    return found


def _globbed(source: str, pattern: str) -> Iterator[InputFile]:
    if "::" in pattern:
        raise ConfigError(f"sources.{source}.paths: {pattern} chains two stores; unpack it and name the files")
    fs, path = fsspec.core.url_to_fs(pattern)
    # a name may hold the signs of a pattern, and a signed URL a question mark
    literal = patiently(pattern, lambda: fs.exists(path))
    end = len(path) if literal else min((path.find(c) for c in "*?[" if c in path), default=len(path))
    base = path[:end].partition("?")[0].rpartition("/")[0]
    # one listing says all there is to know, save of what a link leads to, and of sizes on a web server
    found = {path: fs.info(path)} if literal else fs.glob(path, detail=True)
    found |= {name: fs.info(name) for name, info in found.items() if info.get("islink") or info.get("size") is None}
    for name, info in sorted(found.items()):
        if info["type"] == "file":
            relative = name[len(base) :].lstrip("/")
            relative = relative.partition("?")[0] if "://" in name else relative  # a signature is no part of a name
            if not relative.isprintable():
                raise ConfigError(f"sources.{source}.paths: {relative!r} has no printable name; rename the file")
            etag = str(info.get("ETag") or info.get("etag") or "").strip('"') or None
            # `created` moves on a local disk even where a copy keeps the time of change
            times = tuple(str(info[key]) for key in ("mtime", "created", "LastModified") if info.get(key) is not None)
            yield InputFile(source, fs.unstrip_protocol(name), relative, int(info["size"]), etag, times)


def cut(files: Iterable[InputFile], split_bytes: int, boundary: Callable[[BinaryIO, int, int], int]) -> Iterator[Split]:
    """Splits of about `split_bytes` each: larger files in ranges, smaller ones together, each source for itself.
    `boundary(file, position, size)` is the first record from position on."""
    by_source = groupby(files, key=lambda item: item.source)
    parts = (chain.from_iterable(_ranges(item, split_bytes, boundary) for item in group) for _, group in by_source)
    gathered = (gather(of_source, lambda part: part.end - part.start, split_bytes) for of_source in parts)
    return (Split(number, members) for number, members in enumerate(chain.from_iterable(gathered)))


def _ranges(item: InputFile, split_bytes: int, boundary: Callable[[BinaryIO, int, int], int]) -> Iterator[Part]:
    start = 0
    if item.size > split_bytes:
        with opened(item.url, item.size, spans=()) as file:
            while (end := boundary(file, start + split_bytes, item.size)) < item.size:
                yield Part(item.source, item.url, item.file, item.size, start, end)
                start = end
    yield Part(item.source, item.url, item.file, item.size, start, item.size)


def gather(items: Iterable[T], size_of: Callable[[T], int], limit: int) -> Iterator[tuple[T, ...]]:
    """Neighbours together, as many as have `limit` in all; one that is larger stands alone.

    # sizes 3 4 9 1 1 with limit 8 -> (3 4) (9) (1 1)
    """
    held: list[T] = []
    total = 0
    for item in items:
        if held and total + size_of(item) > limit:
            yield tuple(held)
            held, total = [], 0
        held.append(item)
        total += size_of(item)
    if held:
        yield tuple(held)


def limited(splits: Iterable[Split], n_rows: int, rows_of: Callable[[Split], int]) -> list[Split]:
    """The splits that hold the first `n_rows` rows; `rows_of` says how many rows a split has (up to its max_rows)."""
    kept: list[Split] = []
    for split in splits:
        if n_rows <= 0:
            break
        kept.append(replace(split, max_rows=n_rows))
        n_rows -= rows_of(kept[-1])
    return kept
