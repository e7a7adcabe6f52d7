"""Cuts the sample into two archives as if it had been crawled in two months: OUT/2026-10/ and OUT/2026-11/.

The second month sees every tenth page of the first again, as a crawl does.
"""

import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

SAMPLE = Path(__file__).resolve().parent / "web" / "debian-docs.warc.gz"
MONTHS = ("2026-10", "2026-11")
SEEN_AGAIN = 10


def members(data: bytes) -> Iterator[bytes]:
    """The archive's gzip members, each of which holds one record."""
    while data:
        reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
        reader.decompress(data)
        rest = reader.unused_data
        yield data[: len(data) - len(rest)]
        data = rest


def cut(out: Path) -> None:
    """Writes both archives."""
    head, *records = members(SAMPLE.read_bytes())
    half = len(records) // 2
    parts = (records[:half], [*records[:half:SEEN_AGAIN], *records[half:]])
    for month, part in zip(MONTHS, parts, strict=True):
        folder = out / month
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "debian-docs.warc.gz").write_bytes(b"".join((head, *part)))


if __name__ == "__main__":
    cut(Path(sys.argv[1]))
