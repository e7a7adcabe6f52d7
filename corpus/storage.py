"""Folders whose files are whole or absent, on a local disk or any fsspec store, which may have no rename.

A file gets its final name only with its full content; `create` succeeds for one writer only. Data files carry their
content's hash in the name, so that equal work has equal names and nothing is overwritten.
"""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import fsspec

from corpus.errors import DataError, MillstreamError
from corpus.patience import patiently

TEMPORARY = ".tmp-"
AT_ONCE = 32
"""Requests to an object store that are under way together: with 50 ms each, 600 a second."""
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
        return bool(patiently(self.path(name), lambda: fs.exists(path)))

    def found(self, name: str) -> bytes | None:
        """The file's bytes, or None where it is absent: one request."""
        if self.local is not None:
            path = self.local / name
            return path.read_bytes() if path.is_file() else None
        fs, place = fsspec.core.url_to_fs(self.path(name))
        try:
            # with a start s3fs does not ask for the size first
            return bytes(patiently(self.path(name), lambda: fs.cat_file(place, start=0)))
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes:
        """The file's bytes; DataError when it is absent."""
        data = self.found(name)
        if data is None:
            raise DataError(f"{self.path(name)} is missing; run again to make it, or restore it")
        return data

    def read_all(self, names: Sequence[str]) -> Iterator[bytes]:
        """The bytes of every file, in order, many requests at a time; DataError when one is absent."""
        with ThreadPoolExecutor(1 if self.local is not None else AT_ONCE) as threads:
            for first in range(0, len(names), 16 * AT_ONCE):  # so that no more answers wait than are soon used
                yield from threads.map(self.read, names[first : first + 16 * AT_ONCE])

    def write(self, name: str, data: bytes) -> None:
        """Puts the file there whole, replacing what was there."""
        with self.scratch() as path:
            path.write_bytes(data)
            self.adopt(path, name)

    def mark(self, name: str, data: bytes) -> None:
        """Puts a few bytes there in place: whoever reads meanwhile may find none. No staged file lies beside it, which
        would look like what a killed run has left."""
        if self.local is None:
            self.write(name, data)
        else:
            (self.local / name).write_bytes(data)

    def create(self, name: str, data: bytes) -> bool:
        """Puts the file there whole unless it is there already; whether it was this call that did."""
        if self.local is None:
            fs, path = fsspec.core.url_to_fs(self.path(name))
            try:
                patiently(self.path(name), lambda: fs.pipe_file(path, data, mode="create"))
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
            patiently(self.path(name), lambda: fs.put_file(str(path), target))

    @contextmanager
    def local_copy(self, name: str) -> Iterator[Path | None]:
        """The file as a local path for as long as the block lasts: itself where it is local; None if absent."""
        if self.local is not None:
            yield self.local / name if self.exists(name) else None
        elif (data := self.found(name)) is None:
            yield None
        else:
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder) / "copy"
                copy.write_bytes(data)
                yield copy

    def names(self, kind: Literal["file", "directory"] = "file") -> list[str]:
        """The names of the files (or folders) in it, sorted: for tidying up and checking, never for reading data."""
        fs, path = fsspec.core.url_to_fs(self.url)
        fs.invalidate_cache(path)  # other processes write here too
        # `find` asks for this folder alone; where there is none s3fs' `ls` goes on to list the folder above
        listed = fs.find if kind == "file" and self.local is None else fs.ls
        try:
            found = patiently(self.url, lambda: listed(path, detail=True))
        except FileNotFoundError:
            return []
        infos = found.values() if isinstance(found, dict) else found
        here = [Path(info["name"]) for info in infos if info["type"] == kind]
        return sorted(place.name for place in here if place.parent == Path(path))

    def remove(self, *names: str) -> None:
        """Takes files away if they are there, on an object store by few requests."""
        if self.local is not None:
            for name in names:
                (self.local / name).unlink(missing_ok=True)
            return
        fs, _ = fsspec.core.url_to_fs(self.url)
        places = [fsspec.core.url_to_fs(self.path(name))[1] for name in names]
        with suppress(FileNotFoundError):
            patiently(self.url, lambda: fs.rm(places))

    def discard(self) -> None:
        """Takes the folder away with all that is in it."""
        fs, path = fsspec.core.url_to_fs(self.url)
        fs.invalidate_cache(path)
        with suppress(FileNotFoundError):
            patiently(self.url, lambda: fs.rm(path, recursive=True))


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
