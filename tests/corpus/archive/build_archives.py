"""Small archives made by hand, so that a test knows every byte of them."""

import gzip
import io
import zlib
from collections.abc import Sequence

from corpus.archive.records import Broken, Record, read_records

HTML = b"<!doctype html><html><body><p>%s</p></body></html>"


def warc(kind: str, content: bytes, *, n_content: int | None = None, **fields: str) -> bytes:
    """One record; `n_content` states another Content-Length than the content's."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    lines = {
        "WARC-Type": kind,
        "WARC-Target-URI": "http://a.example/",
        "WARC-Date": "2024-05-17T23:31:26Z",
        "Content-Type": "application/http; msgtype=response",
        "Content-Length": str(len(content) if n_content is None else n_content),
    } | named
    head = "WARC/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
    return head.encode("latin-1") + content + b"\r\n\r\n"


def http(body: bytes, *fields: str, status: str = "200 OK", content_type: str | None = "text/html") -> bytes:
    """One HTTP response."""
    lines = [f"HTTP/1.1 {status}", *([f"Content-Type: {content_type}"] if content_type else []), *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def page(number: int, n_bytes: int = 0) -> bytes:
    """A response record whose page says its number; filler that deflate cannot shrink away."""
    filler = "".join(f"{zlib.crc32(b'%d %d' % (number, at)):08x} " for at in range(n_bytes // 9))
    return warc("response", http(HTML % b"page %d %s" % (number, filler.encode())))


def packed(records: Sequence[bytes], how: str) -> tuple[bytes, list[int]]:
    """An archive of the records and the offset at which each (in "single": all) begins."""
    if how == "single":
        return gzip.compress(b"".join(records), mtime=0), [0]
    parts = [gzip.compress(record, mtime=0) if how == "members" else record for record in records]
    return b"".join(parts), [sum(map(len, parts[:number])) for number in range(len(parts))]


def read(data: bytes, start: int = 0, end: int | None = None, max_bytes: int = 2**20) -> list[Record | Broken]:
    """What the reader says of these bytes."""
    return list(read_records(io.BytesIO(data), start, len(data) if end is None else end, max_bytes=max_bytes))


def contents(items: Sequence[Record | Broken]) -> list[bytes]:
    """The contents of the good records."""
    return [item.content for item in items if isinstance(item, Record)]


def faults(items: Sequence[Record | Broken]) -> list[str]:
    """What the faults say."""
    return [item.what for item in items if isinstance(item, Broken)]
