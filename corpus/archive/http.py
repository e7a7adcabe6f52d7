"""An HTTP response as it was sent (RFC 9112): status, fields, and the body without its transfer and content codings.

Servers lie, and browsers show their pages all the same: a body that is not coded as its header says is taken as it is,
and of a coded body that breaks off, what came before is kept.
"""

import io
import re
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastwarc.stream_io import BrotliReader, ZstdReader

from corpus.archive.head import fields_of

MAX_HEAD_BYTES = 2**18
"""Chromium gives up on longer ones, too (kMaxHeaderBufSize, net/http/http_stream_parser.h)."""

MAX_CODINGS = 4
"""Codings in a row; more than two are not seen in earnest."""

_STEP_BYTES = 2**14

_SNIFF_BYTES, _BINARY = 1445, re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
"""A text has none of the "binary data bytes" in its head (https://mimesniff.spec.whatwg.org, sections 3 and 5.2)."""

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})(?!\d)")
_HEAD_END = re.compile(rb"\r*\n\r*\n")
_MAGIC_BYTES = 4  # gzip, zstd and most of brotli and deflate show in them that they are no text
_PAGE_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*<")
_CHUNK_SIZE = re.compile(rb"[ \t\r\n]{0,4}([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\n]{0,1000})?\r?\n")


class BodyError(Exception):
    """A body that cannot be had: the drop reason and what is wrong."""

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(what)
        self.reason, self.what = reason, what


@dataclass(frozen=True, slots=True)
class Response:
    """Status, fields by lower-case name, and where the body starts."""

    status: int
    fields: dict[str, str]
    body_start: int


def response_of(content: bytes) -> Response | None:
    """The head of a response; None when there is no status line, or no end within MAX_HEAD_BYTES."""
    status = _STATUS.match(content)
    if status is None:
        return None
    end = _HEAD_END.search(content, 0, MAX_HEAD_BYTES)
    if end is None and len(content) >= MAX_HEAD_BYTES:
        return None
    head = content[: end.start()] if end else content
    return Response(int(status[1]), fields_of(head.partition(b"\n")[2]), end.end() if end else len(content))


def body_of(content: bytes, response: Response, max_bytes: int) -> bytes:
    """The decoded body. BodyError where it has more than `max_bytes` (too_large) or nothing of it can be decoded."""
    body = content[response.body_start :]
    if "chunked" in _tokens(response.fields, "transfer-encoding"):
        body = dechunked(body)
    codings = [name for name in _tokens(response.fields, "content-encoding") if name in _DECODERS]
    for name in codings[::-1][:MAX_CODINGS]:
        body = _decoded(body, name, max_bytes)
    if len(body) > max_bytes:
        raise BodyError("too_large", f"a body of {len(body):,} bytes")
    return body


def dechunked(body: bytes) -> bytes:
    """The data of the chunks. Crawlers undo the chunks and keep the header, so that a body which begins as a page does,
    or as compressed data, is taken as it is. BodyError where chunks break off, or are none.

    # b"3\\r\\nabc\\r\\n0\\r\\n\\r\\n" -> b"abc"
    """
    if not _CHUNK_SIZE.match(body) and (_PAGE_START.match(body) or _BINARY.search(body, 0, _MAGIC_BYTES)):
        return body
    data, at = bytearray(), 0
    while size := _CHUNK_SIZE.match(body, at):
        start = size.end()
        at = start + int(size[1], 16)
        data += body[start:at]
        if at == start:
            return bytes(data)
    if at > len(body) or body[at:].strip():
        raise BodyError("broken_record", f"a chunked body that breaks off after {len(data):,} bytes")
    return bytes(data)


def _tokens(fields: dict[str, str], name: str) -> list[str]:
    return [token.strip() for token in fields.get(name, "").lower().split(",")]


def _decoded(body: bytes, coding: str, max_bytes: int) -> bytes:
    data = bytearray()
    try:
        for part in _DECODERS[coding](body):
            data += part
            if len(data) > max_bytes:
                raise BodyError("too_large", f"a body of more than {max_bytes:,} bytes, sent as {coding}")
    except (zlib.error, OSError) as error:
        if data:
            return bytes(data)
        if _BINARY.search(body, 0, _SNIFF_BYTES):
            raise BodyError("broken_record", f"a body that is no {coding}") from error
        return body
    return bytes(data)


def _gunzip(body: bytes) -> Iterator[bytes]:
    """All gzip members; what follows the last is ignored."""
    at = 0
    while at == 0 or body.startswith(b"\x1f\x8b", at):
        at = yield from _inflated(body, at, 16 + zlib.MAX_WBITS)


def _undeflate(body: bytes) -> Iterator[bytes]:
    """zlib's format, as the standard says, or bare deflate, as some servers send."""
    try:
        zlib.decompressobj().decompress(body[:2])
    except zlib.error:
        yield from _inflated(body, 0, -zlib.MAX_WBITS)
    else:
        yield from _inflated(body, 0, zlib.MAX_WBITS)


def _inflated(body: bytes, at: int, format_bits: int) -> Generator[bytes, None, int]:
    """What stands from `at` on, in steps; returns where it ends."""
    inflate, view = zlib.decompressobj(format_bits), memoryview(body)
    while not inflate.eof and at < len(body):
        step = view[at : at + _STEP_BYTES]
        yield inflate.decompress(step)
        at += len(step) - len(inflate.unused_data)
    return max(at, 1)


def _read(reader: Callable[[io.BytesIO], Any], body: bytes) -> Iterator[bytes]:
    source = reader(io.BytesIO(body))
    while data := source.read(_STEP_BYTES):
        yield data


_DECODERS: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _undeflate,
    "br": partial(_read, BrotliReader),
    "zstd": partial(_read, ZstdReader),
}
