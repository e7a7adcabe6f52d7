"""Very many very small web archives: a page each, every second one with the record of its request too."""

import gzip
from collections.abc import Iterator

SENTENCES = 9
"""Enough words for language and C4 to keep the page."""
NOUNS = ("garden", "printer", "window", "letter", "teacher", "river", "archive", "picture", "kernel", "harbour")


def archives(n: int) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of the archives, the same ones every time."""
    for number in range(n):
        url = f"http://tiny.example/{number}"
        request = _record("request", url, b"GET / HTTP/1.1\r\nHost: tiny.example\r\n\r\n") if number % 2 else b""
        yield f"{number:07d}.warc.gz", _record("response", url, _page(number)) + request


def _page(number: int) -> bytes:
    lines = "".join(
        f"<p>In the year {number + at} the {NOUNS[(number + at) % 10]} of house number {number * 7 + at} was shown to "
        f"{number % 89 + at + 2} people who had come to see the {NOUNS[at]}.</p>\n"
        for at in range(SENTENCES)
    )
    body = f"<html><head><title>Page {number}</title></head><body>{lines}</body></html>".encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + body


def _record(kind: str, url: str, block: bytes) -> bytes:
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2025-01-01T00:00:00Z\r\n"
        f"Content-Type: application/http; msgtype={kind}\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return gzip.compress(head.encode() + block + b"\r\n\r\n", 1, mtime=0)
