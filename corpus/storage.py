"""Folders whose files are whole or absent, on a local disk or any fsspec store, which may have no rename.

A file gets its final name only with its full content; `create` succeeds for one writer only. Data files carry their
content's hash in the name, so that equal work has equal names and nothing is overwritten.
"""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import fsspec

from corpus.errors import DataError, MillstreamError

TEMPORARY = ".tmp-"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
REFUSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.ENOENT})


@dataclass(frozen=True)
class Folder:
    """A place by path or fsspec URL; it need not exist."""

    url: str

    def __truediv__(self, name: str) -> "Folder":
        return Folder(f"{self.url.rstrip('/')}/{name}")

    @property
    def local(self) -> Path | None:
        """The folder on a local disk, or None."""
        path = self.url.removeprefix("file://")
        return None if "://" in path or "::" in path else Path(path)

    def path(self, name: str) -> str:
        """What fsspec.open takes for a file of this folder."""
        return f"{self.url.rstrip('/')}/{name}"

    def exists(self, name: str) -> bool:
        """Whether the file is there, whole."""
        if self.local is not None:
            return (self.local / name).is_file()
        fs, path = fsspec.core.url_to_fs(self.path(name))
        return bool(fs.exists(path))

    def read(self, name: str) -> bytes:
        """The file's bytes; DataError when it is absent."""
        try:
            with fsspec.open(self.path(name), "rb") as file:
                return bytes(file.read())
        except FileNotFoundError as error:
            raise DataError(f"{self.path(name)} is missing; run again to make it, or restore it") from error

    def write(self, name: str, data: bytes) -> None:
        """Puts the file there whole, replacing what was there."""
        with self.scratch() as path:
            path.write_bytes(data)
            self.adopt(path, name)

    def create(self, name: str, data: bytes) -> bool:
        """Puts the file there whole unless it is there already; whether it was this call that did."""
        if self.local is None:
            fs, path = fsspec.core.url_to_fs(self.path(name))
            try:
                fs.pipe_file(path, data, mode="create")
            except FileExistsError:
                return False
            return True
        with self.scratch() as staged:
            staged.write_bytes(data)
            _sync(staged)
            try:
                os.link(staged, self.local / name)  # unlike rename, refuses to replace
            except FileExistsError:
                return False
        return True

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A local path to write to, under a name that no reader takes for a file; gone once the block ends."""
        if self.local is not None:
            with _staging(self.local) as staged:
                yield staged
        else:
            with tempfile.TemporaryDirectory() as folder, explained(folder, FULL):
                yield Path(folder) / "staged"

    def adopt(self, path: Path, name: str) -> None:
        """Gives what was written in a scratch its name in this folder, whole."""
        if self.local is not None:
            _sync(path)
            path.replace(self.local / name)
        else:
            fs, target = fsspec.core.url_to_fs(self.path(name))
            fs.put_file(str(path), target)

    @contextmanager
    def local_copy(self, name: str) -> Iterator[Path | None]:
        """The file as a local path for as long as the block lasts: itself where it is local; None if absent."""
        if not self.exists(name):
            yield None
        elif self.local is not None:
            yield self.local / name
        else:
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder) / "copy"
                copy.write_bytes(self.read(name))
                yield copy

    def names(self, kind: Literal["file", "directory"] = "file") -> list[str]:
        """The names of the files (or folders) in it, sorted: for tidying up and checking, never for reading data."""
        fs, path = fsspec.core.url_to_fs(self.url)
        if not fs.exists(path):
            return []
        return sorted(Path(info["name"]).name for info in fs.ls(path, detail=True) if info["type"] == kind)

    def remove(self, name: str) -> None:
        """Takes the file away if it is there."""
        if self.local is not None:
            (self.local / name).unlink(missing_ok=True)
            return
        fs, path = fsspec.core.url_to_fs(self.path(name))
        if fs.exists(path):
            fs.rm_file(path)

    def discard(self) -> None:
        """Takes the folder away with all that is in it."""
        fs, path = fsspec.core.url_to_fs(self.url)
        if fs.exists(path):
            fs.rm(path, recursive=True)


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """A path in the folder under a name that no reader takes for a file; gone afterwards, whatever happens."""
    with explained(str(folder), FULL | REFUSED):
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, dir=folder)
        os.close(handle)
    try:
        with explained(str(folder), FULL):
            Path(name).chmod(0o644)
            yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def explained(place: str, numbers: frozenset[int]) -> Iterator[None]:
    """Turns the system's errors of these numbers into one that says that the place cannot take a file; all else passes,
    for what is written is read from somewhere."""
    try:
        yield
    except OSError as error:
        if error.errno not in numbers:
            raise
        raise MillstreamError(
            f"cannot write in {place}: {os.strerror(error.errno)}; nothing half-written was left under a final name. "
            f"Make room or choose another --root, then run again: finished work is kept"
        ) from error


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sha256_of(path: Path) -> str:
    """The file's sha256, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
