"""Rows of evaluation data, from files that somebody else wrote.

    FOLDER/<task>/<split>.jsonl or .tsv, either also with .gz or .zst

A folder may be spelled as the task's authors spell it (SST-2, sst2), and a file as well: a word of its name says which
split it is (valid.jsonl, in_domain_train.tsv, dev_matched.tsv). A benchmark must be whole, so a bad line is an error
and never skipped. What one line and one file may hold is bounded, unpacked bytes included.
"""

import gzip
import io
import json
import math
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from corpus.errors import ConfigError, DataError
from training.fields import nearest

MAX_LINE_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 30
SHOWN = 30  # names in an error
FORMS = (".jsonl", ".tsv")
PACKINGS = ("", ".gz", ".zst")
SPLITS = {
    "train": {"train", "training"},
    "dev": {"dev", "val", "valid", "validation"},
    "test": {"test"},
}
ASIDE = {"mismatched", "out", "ids"}
"""Words of files beside a split: MNLI's dev_mismatched, CoLA's out_of_domain_dev, MRPC's dev_ids."""


@dataclass(frozen=True)
class Row:
    """One line: its columns, and where they stand. Whatever is asked of it and is not there is a DataError."""

    file: Path
    line: int
    values: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Unlike that of any other row of the folder: `dev:17`."""
        return f"{_stem(self.file)}:{self.line}"

    def error(self, what: str) -> DataError:
        return DataError(f"{self.file}:{self.line}: {what}")

    def recast(self, **values: object) -> "Row":
        """Other columns in the same place."""
        return Row(self.file, self.line, values)

    def value(self, *names: str) -> Any:
        """The first of these columns that is there."""
        for name in names:
            if name in self.values:
                return self.values[name]
        raise self.error(f"no column {' or '.join(names)}; columns here: {_shown(self.values)}")

    def text(self, *names: str) -> str:
        value = self.value(*names)
        if not isinstance(value, str) or not _encodable(value):
            raise self.error(f"column {' or '.join(names)} is {_cut(value)}; it must be text")
        return value

    def texts(self, *names: str) -> list[str]:
        """Two texts or more."""
        values = self.value(*names)
        if not isinstance(values, list) or len(values) < 2:
            raise self.error(f"column {' or '.join(names)} is {_cut(values)}; it must be a list of two texts or more")
        return [self.recast(**{names[0]: value}).text(names[0]) for value in values]

    def index(self, known: Mapping[str, int], *names: str) -> int:
        """What `known` has for the value; true and false are 1 and 0."""
        value = self.value(*names)
        found = (
            known.get(str(int(value)) if isinstance(value, int) else value) if isinstance(value, int | str) else None
        )
        if found is None:
            raise self.error(f"column {' or '.join(names)} is {_cut(value)}; it must be one of {_shown(known)}")
        return found

    def number(self, low: float, high: float, *names: str) -> float:
        value = self.value(*names)
        try:
            found = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            found = math.nan
        if not low <= found <= high:
            raise self.error(f"column {' or '.join(names)} is {_cut(value)}; it must be a number, {low:g} to {high:g}")
        return found


def task_folder(folder: Path, names: Sequence[str]) -> Path:
    """The folder of a task, under one of its names in any spelling."""
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; it should hold one folder of evaluation data a task")
    there = sorted(path.name for path in folder.iterdir() if path.is_dir())
    found = [name for name in there if plain(name) in map(plain, names)]
    if len(found) > 1:
        raise ConfigError(f"{folder} has {' and '.join(found)}, which are one task; leave one of them there")
    if not found:
        raise ConfigError(f"{folder} has no folder {names[0]}{nearest(names[0], there)} folders here: {_shown(there)}")
    return folder / found[0]


def plain(name: str) -> str:
    """The letters and digits: SST-2 and sst2 are one name."""
    return re.sub("[^a-z0-9]", "", name.lower())


def data_files(folder: Path) -> list[Path]:
    """Every file with rows, by name."""
    endings = tuple(form + packing for form in FORMS for packing in PACKINGS)
    files = sorted(path for path in folder.iterdir() if path.name.endswith(endings) and path.is_file())
    if not files:
        raise ConfigError(f"{folder} has no file with evaluation data; its name should end in {', '.join(endings)}")
    by_stem: dict[str, Path] = {}
    for path in files:
        if by_stem.setdefault(_stem(path), path) != path:
            raise ConfigError(f"{folder} has {by_stem[_stem(path)].name} and {path.name}; leave one of them there")
    return files


def split_files(folder: Path) -> dict[str, Path]:
    """File of each of train, dev and test that is there; where none is, the one file as "all"."""
    found: dict[str, list[Path]] = {}
    for path in data_files(folder):
        words = set(re.findall("[a-z]+", _stem(path).lower()))
        if not words & ASIDE:
            split = next((split for split, said in SPLITS.items() if words & said), "all")
            found.setdefault(split, []).append(path)
    if len(found) > 1:
        found.pop("all", None)
    for split, paths in found.items():
        if len(paths) > 1:
            names = " and ".join(path.name for path in paths)
            raise ConfigError(f"{folder}: which of {names} is {split}? leave one of them there")
    return {split: paths[0] for split, paths in found.items()}


def rows(path: Path, head: Sequence[str] = (), *, torn: bool = False) -> Iterator[Row]:
    """The rows of a file in its order. Of .tsv files: `head` names the columns of one that has no line of names, and of
    a `torn` one the lines with too few columns are left out."""
    read = _table(path, head, torn) if re.search(r"\.tsv(\.gz|\.zst)?$", path.name) else _objects(path)
    empty = True
    for row in read:
        empty = False
        yield row
    if empty:
        raise DataError(f"{path}: no rows; the file is empty or was cut short")


def _objects(path: Path) -> Iterator[Row]:
    for number, line in _lines(path):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}:{number}: broken JSON ({error})") from error
        if not isinstance(values, dict):
            raise DataError(f"{path}:{number}: {_cut(values)} is no JSON object, {{...}}")
        yield Row(path, number, values)


def _table(path: Path, head: Sequence[str], torn: bool) -> Iterator[Row]:
    """Quotation marks are text: GLUE's files have unpaired ones."""
    for number, line in _lines(path):
        cells = line.split("\t")
        if not head:
            head = cells
        elif len(cells) == len(head):
            yield Row(path, number, dict(zip(head, cells, strict=True)))
        elif len(cells) > len(head) or not torn:
            should = f"{len(head)} should be ({_shown(head)})"
            raise DataError(f"{path}:{number}: {len(cells)} columns where {should}; a line end or a tab within a text?")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not empty, with their numbers."""
    number = n_bytes = 0
    try:
        with _opened(path) as file:
            while raw := file.readline(MAX_LINE_BYTES + 1):
                number, n_bytes = number + 1, n_bytes + len(raw)
                if len(raw) > MAX_LINE_BYTES:
                    raise DataError(
                        f"{path}:{number}: a line of more than {MAX_LINE_BYTES:,} bytes; is it the right file?"
                    )
                if n_bytes > MAX_FILE_BYTES:
                    raise DataError(f"{path}: more than {MAX_FILE_BYTES:,} bytes; is it the right file?")
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").removesuffix("\n").removesuffix("\r")
                if line:
                    yield number, line
    except UnicodeDecodeError as error:
        raise DataError(f"{path}:{number}: not UTF-8 ({error.reason}); convert the file") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read after line {number} ({error}); get the file again") from error


def _opened(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path))
    if path.suffix == ".zst":
        return io.BufferedReader(pa.CompressedInputStream(str(path), "zstd"))
    return path.open("rb")


def _stem(path: Path) -> str:
    return re.sub(r"(\.jsonl|\.tsv)(\.gz|\.zst)?$", "", path.name)


def _encodable(text: str) -> bool:
    """JSON can spell half of a surrogate pair, which is no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _cut(value: object) -> str:
    said = ascii(value)
    return said if len(said) <= 80 else said[:77] + "..."


def _shown(names: Sequence[str] | Mapping[str, Any]) -> str:
    said = [name if name.isprintable() and len(name) <= 80 else _cut(name) for name in list(names)[:SHOWN]]
    return ", ".join(said) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "") or "none"
