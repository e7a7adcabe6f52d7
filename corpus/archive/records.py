"""The records and the faults of an archive, or of a byte range of one, in the order in which they stand.

Every byte is accounted for: the ranges of the records and faults tile what was read. After damage, reading goes on at
the next good record: in a plain file (and inside a member that still inflates) at the next good header, in a gzip file
at the next member that inflates to a record.

Limit: in a gzip file whose members hold many records, what a record of more than `max_bytes` with a wrong
Content-Length swallowed is not searched again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from corpus.archive.head import MARK, Head, content_fault, head_at, next_head
from corpus.archive.inflate import Blocks, Member
from corpus.archive.members import kind_of, next_member
from corpus.archive.window import Window, file_window

LEAD_BYTES = 2**13
"""What is kept of a content that is too large, to see what it is: an HTTP header of 8 kB is the most that nginx lets
through (proxy_buffer_size)."""

MAX_OVERLAPS = 64
"""Damaged members that begin inside one another (only made on purpose) are each inflated, up to this many in a row."""

_FOREIGN = {
    b"filedesc:": "an ARC file",
    b"\x04\x22\x4d\x18": "lz4 data, unpack it first",
    b"\x28\xb5\x2f\xfd": "zstd data, unpack it first",
    b"PK\x03\x04": "a zip file, unpack it first",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A whole record.

    offset of its gzip member, or of its header in a plain file; number within the member; n_bytes of the file that it
    accounts for (line ends around it included); fields by lower-case name; n_content as its Content-Length says;
    content, or the first LEAD_BYTES of it where it has more than `max_bytes`.
    """

    offset: int
    number: int
    n_bytes: int
    fields: dict[str, str]
    n_content: int
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Bytes that hold no good record; `what` says why, `reason` is the drop reason they count under."""

    offset: int
    number: int
    n_bytes: int
    what: str
    reason: str = "broken_record"


@dataclass(frozen=True, slots=True)
class _Gap:
    """A fault within a stream, and whether it reaches to the stream's end."""

    what: str
    note: str
    last: bool


@dataclass(frozen=True, slots=True)
class _Span:
    """[start, end) of a stream and what it holds: a fault, or a header and its content."""

    start: int
    end: int
    holds: _Gap | tuple[Head, bytes]


def read_records(file: BinaryIO, start: int, end: int, *, max_bytes: int) -> Iterator[Record | Broken]:
    """Every record, and every fault, that begins at an offset in [start, end) of a seekable buffered file.

    `start` is 0 or what `boundary` gave. Memory: twice `max_bytes`, the most that is kept of one record, and 35 MB.
    """
    size = file.seek(0, 2)
    end = min(end, size)
    if size == start == 0:
        yield Broken(offset=0, number=0, n_bytes=0, what="empty file")
    elif start < end and kind_of(file) == "gzip":
        yield from _gzip_records(Blocks(file), start, end, max_bytes)
    elif start < end:
        yield from _plain_records(file_window(file, start, size), start, end, max_bytes)


def _plain_records(window: Window, start: int, end: int, max_bytes: int) -> Iterator[Record | Broken]:
    done = start
    for span in _spans(window, max_bytes):
        if span.start >= end:
            break
        yield _item(span.holds, span.start, 0, span.end - done, window)
        done = span.end


def _gzip_records(blocks: Blocks, start: int, end: int, max_bytes: int) -> Iterator[Record | Broken]:
    at, reached, overlaps = start, 0, 0
    while at < end:
        overlaps = overlaps + 1 if at < reached else 0
        member, done = Member(blocks, at), at
        window = Window(member.more, extend=member.extend)
        for number, span in enumerate(_spans(window, max_bytes)):
            until = _until(span, window, member, done)
            if isinstance(span.holds, _Gap) and span.holds.last:
                # what failed may have run on into the members after it
                inside = window.damage and overlaps < MAX_OVERLAPS
                until = next_member(blocks, max(done if inside else until, at + 1))
            yield _item(span.holds, at, number, until - done, window)
            done = until
        reached = max(reached, member.position)
        at = done


def _until(span: _Span, window: Window, member: Member, done: int) -> int:
    """The file offset at which a span of a member ends, or one shortly before where it ends within."""
    at_end = window.ended and span.end == window.end
    return member.position if at_end else max(done, member.place(span.end))


def _item(holds: _Gap | tuple[Head, bytes], offset: int, number: int, n_bytes: int, window: Window) -> Record | Broken:
    if isinstance(holds, _Gap):
        what = f"{holds.what} in {n_bytes:,} bytes{holds.note}"
        reason = window.damage.reason if window.damage and holds.last else "broken_record"
        return Broken(offset=offset, number=number, n_bytes=n_bytes, what=what, reason=reason)
    head, content = holds
    return Record(
        offset=offset,
        number=number,
        n_bytes=n_bytes,
        fields=head.fields,
        n_content=head.n_content,
        content=content,
    )


def _spans(window: Window, max_bytes: int) -> Iterator[_Span]:
    """A stream from the window's place to its end; at least one span, the last a gap where the stream is damaged."""
    at = start = window.base
    span = None
    while (at := window.skip_newlines(at)) < window.end:
        span = _span(window, at, max_bytes)
        at = span.end
        yield span
    told = span is not None and (window.damage is None or (isinstance(span.holds, _Gap) and span.holds.last))
    if not told:
        what = window.damage.what if window.damage else "no WARC record"
        yield _Span(start if span is None else at, at, _Gap(what, "", last=True))


def _span(window: Window, at: int, max_bytes: int) -> _Span:
    head = head_at(window, at)
    if not isinstance(head, Head):
        note = "".join(f": {name}" for magic, name in _FOREIGN.items() if window.cut(at, at + 9).startswith(magic))
        return _gap(window, at, head.until, head.what, note)
    too_large = head.n_content > max_bytes
    lead = _lead(window, head) if too_large else b""
    fault = content_fault(window, head)
    if fault:
        return _gap(window, at, at + len(MARK), fault, "")
    end = head.content + head.n_content
    content = lead if too_large else window.cut(head.content, end)
    return _Span(at, window.skip_newlines(end), (head, content))


def _lead(window: Window, head: Head) -> bytes:
    """The first bytes of a content that is not kept; the window is moved to its end."""
    window.fill(head.content + LEAD_BYTES)
    lead = window.cut(head.content, head.content + LEAD_BYTES)
    window.go(head.content + head.n_content)
    return lead


def _gap(window: Window, start: int, search: int, what: str, note: str) -> _Span:
    end = next_head(window, search if window.stop is not None else max(search, window.base))
    last = end == window.end and window.ended
    return _Span(start, end, _Gap(window.damage.what if last and window.damage else what, note, last))
