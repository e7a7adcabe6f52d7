"""Reading an object of a store while the next ranges of it are on their way.

A file is told which spans of it will be read, in order: all of it, a split of an archive, the columns of a Parquet
file that are wanted. These are fetched in ranges, a few at a time, by threads; whatever else is read is fetched as it
is asked for, and never more than that.

Memory: the range being read, the one before it and those on their way, 20 MiB a file; with files in turn, one range
more for each of the next. Threads: one for each range on its way, ended by `close`. A forked child may hold such a
file, but not use it.
"""

import errno
import io
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any, BinaryIO, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from corpus.errors import DataError
from corpus.patience import patiently

RANGE_BYTES = 2**22
"""One request: at 100 MB/s its answer takes about as long as its wait (40 ms of 50)."""

N_AHEAD = 3
"""Ranges on their way while one is read: with it 16 MiB, at least three seconds of a worker's extraction."""

GAP_BYTES = 2**20
"""Spans that are nearer to one another are fetched as one: 10 ms of transfer against another request."""

Span = tuple[int, int]


def opened(url: str, size: int | None = None, spans: Iterable[Span] | None = None) -> BinaryIO:
    """The file behind a URL for reading on and moving about; a local one directly. `size` where it is known saves a
    request; `spans` are those that will be read, all of it if None."""
    fs, path = fsspec.core.url_to_fs(url)
    if isinstance(fs, LocalFileSystem):
        return open(path, "rb")  # noqa: PTH123  (the caller closes it)
    size = int(patiently(url, lambda: fs.info(path))["size"]) if size is None else size
    return cast(BinaryIO, ReadAhead(fs, path, size, [(0, size)] if spans is None else spans))


def in_turn(wanted: Iterable[tuple[str, int | None, Iterable[Span] | None]]) -> Iterator[BinaryIO]:
    """The files of these arguments of `opened`, one after the other; each is closed as the next is asked for. Of those
    after it that are not local the first ranges are on their way."""
    left = iter(wanted)
    held: deque[tuple[str, BinaryIO | None]] = deque()
    try:
        while True:
            for url, size, spans in islice(left, 1 + N_AHEAD - len(held)):
                held.append((url, None if _is_local(url) else opened(url, size, spans)))
            if not held:
                return
            url, begun = held.popleft()
            with begun or opened(url) as file:
                yield file
    finally:
        for _, unread in held:
            if unread is not None:
                unread.close()


def _is_local(url: str) -> bool:
    return isinstance(fsspec.core.url_to_fs(url)[0], LocalFileSystem)


class ReadAhead(io.RawIOBase):
    """An object of `size` bytes; one that is no larger than a range is fetched by one request, whatever is read."""

    def __init__(self, fs: Any, path: str, size: int, spans: Iterable[Span]) -> None:
        self.size = size
        self._fetched = partial(fetched, fs, path)  # no method: what a thread holds of the file would keep it open
        self._at = 0
        self._ranges: list[Span] = []
        self._held: dict[int, Future[bytes]] = {}
        self._threads = ThreadPoolExecutor(1 + N_AHEAD, thread_name_prefix="readahead")
        self.expect(spans)

    def expect(self, spans: Iterable[Span]) -> None:
        """From now on these spans will be read, in order; the first range sets out at once."""
        whole = [(0, self.size)] if self.size <= RANGE_BYTES else spans
        ranges = cut(whole, self.size)
        if ranges != self._ranges:
            self._drop(self._held)
            self._ranges = ranges
            self._send(range(min(1, len(ranges))))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + (0, self._at, self.size)[whence]
        if at < 0:
            raise OSError(errno.EINVAL, f"position {at}")
        self._at = at
        return at

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes, fewer only at the object's end."""
        if self.closed:
            raise ValueError("read of a closed file")
        stop = self.size if size is None or size < 0 else min(self._at + size, self.size)
        parts: list[bytes] = []
        while self._at < stop:
            parts.append(self._some(self._at, stop))
            self._at += len(parts[-1])
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Ends the threads; what is on its way is awaited."""
        if not self.closed:
            self._threads.shutdown(cancel_futures=True)
            self._held.clear()
        super().close()

    def _some(self, at: int, stop: int) -> bytes:
        """The bytes from `at` on, as far as they are in one range or between two."""
        number = bisect_right(self._ranges, at, key=lambda span: span[0]) - 1
        if number >= 0 and at < self._ranges[number][1]:
            start, end = self._ranges[number]
            return self._range(number)[at - start : min(stop, end) - start]
        after = self._ranges[number + 1][0] if number + 1 < len(self._ranges) else stop
        return self._fetched(at, min(stop, after))

    def _range(self, number: int) -> bytes:
        """The range, with those after it set on their way and those long behind let go."""
        near = range(number, min(number + 1 + N_AHEAD, len(self._ranges)))
        # readers go back a little: a member's first bytes are looked at twice
        self._drop(set(self._held) - {number - 1, *near})
        self._send(near)
        return self._held[number].result()

    def _send(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if number not in self._held:
                self._held[number] = self._threads.submit(self._fetched, *self._ranges[number])

    def _drop(self, numbers: Iterable[int]) -> None:
        for number in list(numbers):
            self._held.pop(number).cancel()


def fetched(fs: Any, path: str, start: int, end: int) -> bytes:
    """These bytes of an object, by one request that is made again while the store fails; DataError when it has not so
    many."""
    url = fs.unstrip_protocol(path)
    try:
        data: bytes = patiently(url, lambda: fs.cat_file(path, start=start, end=end))
    except OSError as error:
        if error.errno != errno.EINVAL:  # a range past the object's end
            raise
        data = b""
    if len(data) != end - start:
        raise DataError(
            f"{url}: bytes {start:,} to {end:,} were asked for, {len(data):,} bytes came: it has changed since it was "
            f"listed, or its server knows no ranges. Restore it, or copy it elsewhere, and run again"
        )
    return data


def cut(spans: Iterable[Span], size: int) -> list[Span]:
    """The ranges that cover the spans, in order: (0, 9 MiB) -> (0, 4), (4, 8), (8, 9) MiB."""
    joined: list[Span] = []
    for start, end in sorted((start, min(end, size)) for start, end in spans if start < min(end, size)):
        if joined and start - joined[-1][1] <= GAP_BYTES:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return [(at, min(at + RANGE_BYTES, end)) for start, end in joined for at in range(start, end, RANGE_BYTES)]
