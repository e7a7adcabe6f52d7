"""Bytes of a stream in order, with a buffer to look ahead in: the one way in which records are read, from plain files
and from inflated members alike."""

import re
from collections.abc import Callable
from typing import BinaryIO

FIRST_READ_BYTES, READ_BYTES = 2**12, 2**18
"""A plain file is read in steps that double from one to the other: a jump must not cost much, for it may be vain."""

_NEWLINES = re.compile(rb"[\r\n]*")


class DamagedError(Exception):
    """Raised by a source whose bytes end before their time; says why and under which drop reason it counts."""

    def __init__(self, what: str, reason: str = "broken_record") -> None:
        super().__init__(what)
        self.what, self.reason = what, reason


class Window:
    """A buffer over a stream; positions count from the stream's own start.

    `more` gives the next bytes from a position, b"" at the end, or raises DamagedError, which ends the stream and
    stays in `damage`. A stream with a known `stop` can be moved both ways up to there, any other is asked for its
    bytes in order. The buffer holds what was filled and not yet passed by `go`: memory is the caller's longest look
    ahead and one `more`.
    """

    def __init__(
        self,
        more: Callable[[int], bytes],
        at: int = 0,
        stop: int | None = None,
        extend: Callable[[], bool] | None = None,
    ) -> None:
        self._more, self.stop, self._extend = more, stop, extend
        self.buffer, self.base = bytearray(), at
        self.ended = False
        self.damage: DamagedError | None = None

    @property
    def end(self) -> int:
        """Position after the last byte that is in the buffer; the stream's end once `ended`."""
        return self.base + len(self.buffer)

    def fill(self, upto: int) -> bool:
        """True when the buffer holds the stream up to this position; False when it ends before."""
        while self.end < upto and not self.ended:
            try:
                data = self._more(self.end)
            except DamagedError as damage:
                data, self.damage = b"", damage
            self.ended = not data
            self.buffer += data
        return self.end >= upto

    def extend(self) -> bool:
        """True when a stream that has ended goes on after all, because what was begun is not complete yet."""
        if not self.ended or self.damage or self._extend is None or not self._extend():
            return False
        self.ended = False
        return True

    def go(self, at: int) -> None:
        """Make `at` the first byte of the buffer; a stream that ends before is left at its end."""
        if self.base <= at <= self.end:
            del self.buffer[: at - self.base]
            self.base = at
        elif self.stop is not None:
            self.base, self.ended = min(at, self.stop), False
            self.buffer.clear()
        else:
            assert at > self.end, "an inflated stream cannot go back"
            self._pass_over(at)

    def _pass_over(self, at: int) -> None:
        while self.end < at and not self.ended:
            self.base = self.end
            self.buffer.clear()
            self.fill(self.base + 1)
        skipped = min(at, self.end) - self.base
        del self.buffer[:skipped]
        self.base += skipped

    def cut(self, start: int, stop: int) -> bytes:
        """What the buffer holds of [start, stop)."""
        with memoryview(self.buffer) as view:
            return bytes(view[max(0, start - self.base) : max(0, stop - self.base)])

    def find(self, mark: bytes, at: int) -> int:
        """Position of the next mark at or after `at`, -1 when there is none; what was searched is dropped."""
        self.go(at)
        while True:
            found = self.buffer.find(mark, at - self.base)
            if found >= 0:
                return self.base + found
            at = max(at, self.end - len(mark) + 1)
            self.go(at)
            if not self.fill(self.end + 1):
                return -1

    def newlines(self, at: int) -> bytes:
        """The run of line ends at a position, as far as it is in the buffer."""
        run = _NEWLINES.match(self.buffer, at - self.base)
        return run.group() if run else b""

    def skip_newlines(self, at: int) -> int:
        """Position of the first byte from here that is no line end; what lies before it is dropped."""
        while True:
            self.go(at)
            self.fill(at + 1)
            at += len(self.newlines(at))
            if at < self.end or self.ended:
                self.go(at)
                return at


def file_window(file: BinaryIO, at: int, stop: int) -> Window:
    """A plain file from `at` on, as if it ended at `stop`."""
    n_bytes, after = FIRST_READ_BYTES, -1

    def more(position: int) -> bytes:
        nonlocal n_bytes, after
        n_bytes = min(2 * n_bytes, READ_BYTES) if position == after else FIRST_READ_BYTES
        file.seek(position)
        data = file.read(min(n_bytes, stop - position))
        after = position + len(data)
        return data

    return Window(more, at, stop)
