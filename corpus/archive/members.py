"""Where an archive may be cut: the starts of gzip members that hold records, or of records in a plain file.

Limit: an archive stored unpacked inside a record of another (a WARC served as a web page, or such a member that deflate
stored instead of packing) looks like the outer one from within, so a cut can fall there.
"""

import re
from typing import BinaryIO, Literal

from corpus.archive.head import MARK, Head, content_fault, head_at, next_head
from corpus.archive.inflate import GZIP_MAGIC, Blocks, opens_record
from corpus.archive.window import file_window

SEARCH_BYTES = 2**26
"""How far `boundary` looks: 64 MiB, more than any record of common size; a file without a place to cut is one split."""

FIRST_BYTES = 2**18
"""Where the first record is looked for; then in four times as much, and so on."""

# magic, deflate, no reserved flag, any time, known extra flags and system (RFC 1952, section 2.3)
_GZIP = re.compile(rb"\x1f\x8b\x08[\x00-\x1f].{4}[\x00\x02\x04][\x00-\x0d\xff]", re.DOTALL)
_N_GZIP = 10

Kind = Literal["gzip", "plain"]


def kind_of(file: BinaryIO) -> Kind:
    """How the archive is stored: as the first of its records, of either kind, that is not damaged."""
    blocks = Blocks(file)
    if opens_record(blocks, 0):
        return "gzip"
    stop = min(FIRST_BYTES, blocks.size)
    while True:
        plain = next_head(file_window(file, 0, stop), 0)
        if next_member(blocks, 0, plain) < plain:
            return "gzip"
        if plain < stop or stop == blocks.size:
            break
        stop = min(4 * stop, blocks.size)
    is_gzip = plain == blocks.size and blocks.piece(0)[:2] == GZIP_MAGIC
    return "gzip" if is_gzip else "plain"


def next_member(blocks: Blocks, at: int, stop: int | None = None) -> int:
    """Offset of the first gzip member at or after `at`, and before `stop`, that inflates to a record; else the size."""
    stop = blocks.size if stop is None else stop
    while (at := _next_magic(blocks, at, stop)) < stop:
        if opens_record(blocks, at):
            return at
        at += 1
    return blocks.size


def boundary(file: BinaryIO, position: int, size: int) -> int:
    """Offset of the first place to cut at or after `position`; `size` when none begins within SEARCH_BYTES.

    Reading [0, a) and [a, size) then gives what reading [0, size) gives. A gzip file whose one member holds all
    records can be cut at 0 alone.
    """
    if position <= 0:
        return 0
    stop = min(size, position + SEARCH_BYTES)
    if kind_of(file) == "gzip":
        return next_member(Blocks(file), position, stop)
    first = file_window(file, 0, stop).skip_newlines(0)
    # empty lines before the first record belong to it
    return _next_record(file, max(position, first + 1), stop, size)


def _next_record(file: BinaryIO, at: int, stop: int, size: int) -> int:
    """A header that stands in a page's text must not be taken for a record: its content has to end like one, too."""
    heads = file_window(file, at, stop)
    while (at := next_head(heads, at)) < stop:
        window = file_window(file, at, size)
        head = head_at(window, at)
        assert isinstance(head, Head)
        window.go(head.content + head.n_content)
        if content_fault(window, head) is None:
            return at
        at += len(MARK)
    return size


def _next_magic(blocks: Blocks, at: int, stop: int) -> int:
    while at < stop:
        blocks.load(at)
        if found := _GZIP.search(blocks.data, at - blocks.at):
            return blocks.at + found.start()
        after = blocks.at + len(blocks.data)
        # a magic number can begin in the last bytes of one block and end in the next
        at = after if after >= blocks.size else max(at + 1, after - _N_GZIP + 1)
    return blocks.size
