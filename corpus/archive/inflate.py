"""The bytes of a gzip member, and what is wrong with it."""

from collections import deque
from typing import Any, BinaryIO

from isal import isal_zlib as zlib  # twice as fast as zlib; what it salvages of damage is part of the rows

from corpus.archive.head import MARK
from corpus.archive.window import DamagedError

PIECE_BYTES = 2**14
"""Compressed bytes inflated at a time. Deflate gives at most 1,032 bytes for one (https://zlib.net/zlib_tech.html), so
that no step makes more than 17 MB."""

BITE_BYTES = 64
"""A piece that fails is fed again in bites, so that what stands before the damage is not lost with it."""

BLOCK_BYTES = 2**20
"""One read of a compressed file."""

BOMB_BYTES, BOMB_RATIO = 2**26, 200
"""A member that has given 64 MiB, and more than 200 bytes for each of its own, is not read on: web archives give 3 to
20, and deflate's most is 1,032. What such a member costs is bounded by its own length then."""

PROBE_BYTES = 2**10
"""Compressed bytes that must give the first five of a record: more than deflate's longest code table (about 300) and a
gzip header with a file name."""

GZIP_MAGIC = b"\x1f\x8b"
_GZIP = 16 + zlib.MAX_WBITS


class Blocks:
    """A file in large reads; `piece` gives the bytes at any position without copying."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, 2)
        self.at, self.data = 0, b""

    def load(self, at: int) -> None:
        """Make `data` hold the bytes from `at` on: at least a piece, unless the file ends."""
        here = self.at <= at and min(at + PIECE_BYTES, self.size) <= self.at + len(self.data)
        if not here:
            self.at = self._file.seek(at)
            self.data = self._file.read(BLOCK_BYTES)

    def piece(self, at: int) -> memoryview:
        """Up to PIECE_BYTES from this position; how it is cut depends on the position alone."""
        self.load(at)
        return memoryview(self.data)[at - self.at :][:PIECE_BYTES]


def opens_record(blocks: Blocks, at: int) -> bool:
    """True when a gzip member begins here whose first bytes are those of a record."""
    try:
        probe = zlib.decompressobj(_GZIP)
        return bytes(probe.decompress(blocks.piece(at)[:PROBE_BYTES], len(MARK))) == MARK
    except zlib.error:
        return False


class Member:
    """Inflates the gzip member at `start`; `position` is the file offset up to which it was read.

    Some files are cut into members without regard to records: `extend` reads on in the member that follows directly,
    unless that one begins with a record.
    """

    def __init__(self, blocks: Blocks, start: int) -> None:
        self._blocks, self._inflate = blocks, zlib.decompressobj(_GZIP)
        self.start = self.position = self._begun = start
        self._given = 0
        self._steps = deque([(0, start)])
        self._failed = False

    def more(self, _: int) -> bytes:
        """The next inflated bytes, b"" after the last: a Window's source. DamagedError where it cannot be read on."""
        while not self._inflate.eof:
            piece = self._blocks.piece(self.position)
            self._check(piece)
            self._steps.append((self._given, self.position))
            data = self._feed(piece)
            if data:
                self._given += len(data)
                return data
        return b""

    def place(self, given: int) -> int:
        """A file offset at or before the one that the first `given` inflated bytes end at; `given` must not fall."""
        while len(self._steps) > 1 and self._steps[1][0] <= given:
            self._steps.popleft()
        return self._steps[0][1]

    def extend(self) -> bool:
        """True when the bytes of another member now follow."""
        is_member = self._blocks.piece(self.position)[:2] == GZIP_MAGIC
        if not is_member or opens_record(self._blocks, self.position):
            return False
        self._inflate, self._begun = zlib.decompressobj(_GZIP), self.position
        return True

    def _check(self, piece: memoryview) -> None:
        if self._failed:
            is_gzip = self._blocks.piece(self.start)[:2] == GZIP_MAGIC
            raise DamagedError("damaged gzip member" if is_gzip else "no gzip member")
        if not piece:
            raise DamagedError("gzip member cut short")
        if self._given > max(BOMB_BYTES, BOMB_RATIO * (self.position - self.start)):
            raise DamagedError(f"gzip member inflates more than {BOMB_RATIO}-fold", "too_large")

    def _feed(self, piece: memoryview) -> bytes:
        try:
            data: bytes = self._inflate.decompress(piece)
        except zlib.error:
            self._failed = True
            return self._in_bites(piece)
        self.position += len(piece) - len(self._inflate.unused_data)
        return data

    def _in_bites(self, piece: memoryview) -> bytes:
        self._inflate = self._again()
        data = bytearray()
        try:
            for at in range(0, len(piece), BITE_BYTES):
                data += self._inflate.decompress(piece[at : at + BITE_BYTES])
                self.position += BITE_BYTES
        except zlib.error:
            pass  # found before, and told by the next call
        return bytes(data)

    def _again(self) -> Any:
        """An inflater that has read what this one had before it failed."""
        inflate, at = zlib.decompressobj(_GZIP), self._begun
        while at < self.position:
            step = self._blocks.piece(at)[: self.position - at]
            inflate.decompress(step)
            at += len(step)
        return inflate
