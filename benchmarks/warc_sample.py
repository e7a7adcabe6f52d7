"""Every n-th page of web archives, as one archive."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

PAYLOAD_TYPE = b"WARC-Identified-Payload-Type: text/html\r\n"


def members(archive: bytes) -> Iterator[bytes]:
    """The gzip members of an archive, packed as they are, in order."""
    while archive:
        inflate = zlib.decompressobj(31)  # a gzip header is expected: 16 + the largest window
        inflate.decompress(archive)
        size = len(archive) - len(inflate.unused_data)
        yield archive[:size]
        archive = archive[size:]


def is_page(member: bytes) -> bool:
    """Whether the record is a response."""
    return b"\r\nWARC-Type: response\r\n" in gzip.decompress(member)[:4096]


def typed(member: bytes) -> bytes:
    """The record with the header that says that its payload was found to be HTML, as Common Crawl's records have it."""
    version, end, rest = gzip.decompress(member).partition(b"\r\n")
    return gzip.compress(version + end + PAYLOAD_TYPE + rest, mtime=0)


def sampled(folders: Iterable[Path], every: int, into: Path, as_stored: bool) -> int:
    """Writes one archive with the 1st, (1 + every)-th, ... page of each folder's pages.warc.gz, byte for byte or with
    their type; the number of pages."""
    n_pages = 0
    with into.open("wb") as archive:
        for folder in folders:
            pages = filter(is_page, members((folder / "pages.warc.gz").read_bytes()))
            for page in islice(pages, 0, None, every):
                archive.write(page if as_stored else typed(page))
                n_pages += 1
    return n_pages
