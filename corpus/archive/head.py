"""The header of a WARC record (ISO 28500:2017, section 4), and where the next one stands."""

import re
from dataclasses import dataclass

from corpus.archive.window import Window

MAX_HEAD_BYTES = 2**16
COMMON_HEAD_BYTES = 2**12
"""A record header at most, and one of common size: those of Common Crawl have under 1 kB, a long URL 2 to 8 kB."""

MARK = b"WARC/"

# any line but an empty one and the first line of another record
_HEAD = re.compile(rb"WARC/\d\.\d{1,3}[ \t]*\r*\n((?:(?!\r*\n|WARC/\d\.\d)[^\n]*\n)*+)(\r*\n)?", re.IGNORECASE)
_FOLD = re.compile(rb"\r*\n[ \t]+")
_LENGTH = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Head:
    """Fields by lower-case name (the first of each), position of the content and its length in bytes."""

    fields: dict[str, str]
    content: int
    n_content: int


@dataclass(frozen=True, slots=True)
class NoHead:
    """What is wrong here, and up to where no other header can begin."""

    what: str
    until: int


def decoded(raw: bytes) -> str:
    """UTF-8, else Latin-1, which takes any bytes; never a lone surrogate."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def fields_of(block: bytes) -> dict[str, str]:
    """Header lines as a mapping from lower-case names; the first of a name wins, folded lines are joined.

    # b"WARC-Type:\\r\\n response\\r\\nnoise\\r\\n" -> {"warc-type": "response"}
    """
    fields: dict[str, str] = {}
    for line in _FOLD.sub(b" ", block).split(b"\n"):
        name, colon, value = line.partition(b":")
        if colon:
            fields.setdefault(decoded(name.strip()).lower(), decoded(value.strip()))
    return fields


def head_at(window: Window, at: int) -> Head | NoHead:
    """The record header at this position."""
    match = None
    for n_bytes, extending in ((COMMON_HEAD_BYTES, False), (MAX_HEAD_BYTES, False), (MAX_HEAD_BYTES, True)):
        while not window.fill(at + n_bytes) and extending and window.extend():
            pass
        start = at - window.base
        match = _HEAD.match(window.buffer, start, start + n_bytes)
        if match is None or match[2] is not None:
            break
    if match is None:
        return NoHead("no WARC record", at + 1)
    until = window.base + match.end()
    if match[2] is None:
        too_long = window.end - at >= MAX_HEAD_BYTES and window.cut(until, until + len(MARK)) != MARK
        return NoHead("WARC header too long" if too_long else "WARC header without an end", until)
    fields = fields_of(match[1])
    n_content = fields.get("content-length", "")
    if not _LENGTH.fullmatch(n_content):
        return NoHead("WARC header without Content-Length", until)
    if not fields.get("warc-type"):
        return NoHead("WARC header without WARC-Type", until)
    return Head(fields, until, int(n_content))


def next_head(window: Window, at: int) -> int:
    """Position of the next good record header at or after `at`; the stream's end when there is none. Time is linear:
    no byte is looked at twice as part of a header that failed."""
    while True:
        found = window.find(MARK, at)
        if found < 0:
            return window.end
        head = head_at(window, found)
        if isinstance(head, Head):
            return found
        at = max(head.until, found + 1)


def content_fault(window: Window, head: Head) -> str | None:
    """What is wrong with the end of a record's content, None when another record, an empty line or the end follows.

    An empty line is two line ends (the standard's CRLF CRLF, or LF LF of lax writers); what follows it may be damaged.
    """
    end = head.content + head.n_content
    while not window.fill(end) and window.extend():
        pass
    if window.end < end:
        if window.damage:
            return window.damage.what
        return f"content of {head.n_content:,} bytes cut short at {max(0, window.end - head.content):,}"
    window.fill(end + 16)
    run = window.newlines(end)
    after = end + len(run)
    if after == window.end and window.ended:
        return window.damage.what if window.damage else None
    if window.cut(after, after + len(MARK)) == MARK or (run.count(b"\n") >= 2 and not _holds_head(window, head)):
        return None
    return "wrong Content-Length"


def _holds_head(window: Window, head: Head) -> bool:
    """True when a record begins inside a content: its length then was wrong, and hit an empty line by chance."""
    at, end = max(window.base, head.content), head.content + head.n_content
    while (found := window.buffer.find(MARK, at - window.base, max(0, end - window.base))) >= 0:
        inner = head_at(window, window.base + found)
        if isinstance(inner, Head):
            return True
        at = max(inner.until, window.base + found + 1)
    return False
