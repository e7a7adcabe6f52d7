"""What the reader makes of each archive of a folder, beside fastwarc alone; prints the page docs/broken-archives.md.

python benchmarks/broken_archives.py ../shared/data/warc > docs/broken-archives.md
"""

import sys
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from fastwarc.warc import ArchiveIterator

from corpus.archive.pages import NoPage, page_of
from corpus.archive.records import Broken, read_records

MAX_PAGE_BYTES = 10 * 2**20
ABOUT_THE_FOLDER = ("PROVENANCE", "MANIFEST", "LICENSE", "NOTICE")

HEAD = f"""# Broken archives

What `corpus.archive` reads of archives from the test suites of fourteen other tools, many of them broken on purpose.
Each byte of a file is accounted for by a record or by a fault; a fault is a row with its reason, never the end of the
file. *Records* are whole WARC records, *pages* those among them that are HTML or plain text with status 200. A *fault*
is damage to the archive, or a record whose page cannot be had. The last column is what fastwarc {version("fastwarc")}
alone gives: the records until it stops, `!` where it stops with an error.

ARC files (the format before WARC), lz4 and zstd files and zip packages are not read: each is one fault that says so.

This page is printed by `python benchmarks/broken_archives.py ../shared/data/warc`.
"""


def archives(folder: Path) -> Iterator[Path]:
    """The folder's files that are archives, by name."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith(ABOUT_THE_FOLDER):
            yield path


def ours(path: Path) -> tuple[int, int, list[str]]:
    """Whole records, pages, and what each fault says."""
    with path.open("rb") as file:
        items = list(read_records(file, 0, path.stat().st_size, max_bytes=2 * MAX_PAGE_BYTES))
    found = [page_of(item, MAX_PAGE_BYTES) for item in items]
    faults = [page.fault for page in found if isinstance(page, NoPage) and page.fault]
    n_pages = sum(not isinstance(page, NoPage) for page in found)
    return sum(not isinstance(item, Broken) for item in items), n_pages, faults


def theirs(path: Path) -> str:
    """fastwarc's records, until it stops."""
    n_records = 0
    try:
        for _ in ArchiveIterator(str(path), parse_http=False):
            n_records += 1
    except OSError:
        return f"{n_records:,}!"
    return f"{n_records:,}"


def table(folder: Path) -> Iterator[str]:
    """The lines of the table, and its sum."""
    yield "| file | bytes | records | pages | faults | what was not read, and why | fastwarc |"
    yield "|---|---:|---:|---:|---:|---|---:|"
    total: Counter[str] = Counter()
    for path in archives(folder):
        n_records, n_pages, faults = ours(path)
        n_bytes, fastwarc = path.stat().st_size, theirs(path)
        why = "; ".join(f"{what} ({times} times)" if times > 1 else what for what, times in Counter(faults).items())
        name = path.relative_to(folder).as_posix()
        yield f"| {name} | {n_bytes:,} | {n_records:,} | {n_pages:,} | {len(faults):,} | {why} | {fastwarc} |"
        total += Counter(files=1, n_bytes=n_bytes, records=n_records, pages=n_pages, faults=len(faults))
        total += Counter(fastwarc=int(fastwarc.strip("!").replace(",", "")), stops=fastwarc.endswith("!"))
    sums = " | ".join(f"{total[name]:,}" for name in ("n_bytes", "records", "pages", "faults"))
    yield f"| **{total['files']} files** | {sums} | | {total['fastwarc']:,}, stops in {total['stops']} files |"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(HEAD)
    print("\n".join(table(Path(sys.argv[1]))))
