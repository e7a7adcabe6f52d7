"""Inputs are cut into splits once: a file, or a byte range of one between record boundaries. A split becomes a shard.

Splits are numbered through the recipe's sources in order, files by name, ranges by position; the listing does not
depend on workers, engines or where the files lie.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from typing import Any, BinaryIO

import fsspec
import pyarrow as pa

from corpus.errors import ConfigError

SPLIT = pa.schema(
    [
        ("source", pa.string()),
        ("url", pa.string()),
        ("file", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("shard", pa.int32()),
        ("max_rows", pa.int64()),
    ]
)
"""url is what fsspec.open takes; file is relative to the source's base; max_rows null reads all."""


@dataclass(frozen=True)
class InputFile:
    """One file of a source: where it is (url), what it is called (file), how large it is."""

    source: str
    url: str
    file: str
    size: int


@dataclass(frozen=True)
class Split:
    """A row of SPLIT."""

    source: str
    url: str
    file: str
    start: int
    end: int
    shard: int
    max_rows: int | None = None

    def batch(self) -> pa.RecordBatch:
        """The split as a one-row batch, the input of a reader stage."""
        return pa.RecordBatch.from_pylist([asdict(self)], schema=SPLIT)

    def listed(self) -> dict[str, Any]:
        """What a manifest says of it: everything but the place."""
        return {key: value for key, value in asdict(self).items() if key != "url"}


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
    literal = fs.exists(path)  # a name may hold the signs of a pattern, and a signed URL a question mark
    end = len(path) if literal else min((path.find(c) for c in "*?[" if c in path), default=len(path))
    base = path[:end].partition("?")[0].rpartition("/")[0]
    for name in [path] if literal else sorted(fs.glob(path)):
        info = fs.info(name)
        if info["type"] == "file":
            relative = name[len(base) :].lstrip("/")
            relative = relative.partition("?")[0] if "://" in name else relative  # a signature is no part of a name
            if not relative.isprintable():
                raise ConfigError(f"sources.{source}.paths: {relative!r} has no printable name; rename the file")
            yield InputFile(source, fs.unstrip_protocol(name), relative, int(info["size"]))


def cut(files: Iterable[InputFile], split_bytes: int, boundary: Callable[[BinaryIO, int, int], int]) -> Iterator[Split]:
    """The splits of about `split_bytes` each; `boundary(file, position, size)` is the first record from position on."""
    numbers = count()
    for item in files:
        starts = [0]
        if item.size > split_bytes:
            with fsspec.open(item.url, "rb") as file:
                while (next_start := boundary(file, starts[-1] + split_bytes, item.size)) < item.size:
                    starts.append(next_start)
        for start, end in zip(starts, [*starts[1:], item.size], strict=True):
            yield Split(item.source, item.url, item.file, start, end, next(numbers))


def limited(splits: Iterable[Split], n_rows: int, rows_of: Callable[[Split], int]) -> list[Split]:
    """The splits that hold the first `n_rows` rows; `rows_of` says how many rows a split has (up to its max_rows)."""
    kept: list[Split] = []
    for split in splits:
        if n_rows <= 0:
            break
        kept.append(replace(split, max_rows=n_rows))
        n_rows -= rows_of(kept[-1])
    return kept
