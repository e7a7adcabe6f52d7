"""An archive several times over, every copy of a page under a URL of its own."""

import gzip
import re
from pathlib import Path

from warc_sample import members

TARGET = re.compile(rb"^(WARC-Target-URI: *<?[^>\r]*)", re.MULTILINE)


def renamed(member: bytes, copy: int) -> bytes:
    """The record with `?copy=N` behind its URL."""
    return gzip.compress(TARGET.sub(rb"\g<1>?copy=%d" % copy, gzip.decompress(member), count=1), 1, mtime=0)


def repeated(archive: Path, times: int) -> None:
    """Makes the archive so many times as long: first the records as they are, then their copies."""
    records = [*members(archive.read_bytes())] if times > 1 else []
    with archive.open("ab") as file:
        for copy in range(1, times):
            file.writelines(renamed(record, copy) for record in records)
