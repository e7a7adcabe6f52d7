import gzip
import io
import resource
import tracemalloc
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from build_archives import contents, faults, http, packed, page, read, warc
from fastwarc.warc import ArchiveIterator
from hypothesis import assume, given
from hypothesis import strategies as st

from corpus.archive.members import boundary
from corpus.archive.records import LEAD_BYTES, Broken, Record, read_records

WAYS = ["plain", "members", "single"]
PAGES = [page(number, 300 * number) for number in range(6)]


def archives(folder: Path) -> Iterator[Path]:
    texts = ("PROVENANCE", "MANIFEST", "LICENSE", "NOTICE")
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(texts))


def assert_tiles(items: list[Record | Broken], n_bytes: int) -> None:
    assert sum(item.n_bytes for item in items) == n_bytes
    places = [(item.offset, item.number) for item in items]
    assert places == sorted(set(places))


@pytest.mark.parametrize("how", WAYS)
def test_good_archives_are_read_whole(how: str) -> None:
    data, starts = packed(PAGES, how)
    items = read(data)
    assert faults(items) == []
    assert contents(items) == [record.partition(b"\r\n\r\n")[2][:-4] for record in PAGES]
    assert sorted({item.offset for item in items}) == starts
    assert_tiles(items, len(data))


def test_every_byte_of_real_archives_is_accounted_for(shared_data: Path) -> None:
    paths = list(archives(shared_data / "warc"))
    assert len(paths) > 100
    for path in paths:
        data = path.read_bytes()
        items = read(data, max_bytes=2**24)
        assert items, path
        assert_tiles(items, len(data))


def test_real_archives_read_as_fastwarc_reads_them(shared_data: Path) -> None:
    agreeing = 0
    for path in archives(shared_data / "warc"):
        items = read(path.read_bytes(), max_bytes=2**24)
        if faults(items) or "jhove" in path.parts:
            continue
        try:
            # its strict mode takes what follows a line feed alone for the same record
            theirs = [record.reader.read() for record in ArchiveIterator(str(path), parse_http=False, quirks_mode=True)]
        except OSError:
            continue
        assert contents(items) == theirs, path
        agreeing += 1
    assert agreeing >= 60


@pytest.mark.parametrize("how", WAYS)
def test_a_truncated_file_keeps_what_comes_before(how: str) -> None:
    data, starts = packed(PAGES, how)
    whole = contents(read(data))
    for cut in range(1, len(data), 41):
        items = read(data[:cut])
        assert_tiles(items, cut)
        assert contents(items) == whole[: len(contents(items))]
        if how != "single":
            n_whole = sum(start <= cut for start in [*starts[1:], len(data)])
            # a record that lacks nothing but its last line ends is whole
            assert len(contents(items)) in ({n_whole, n_whole + 1} if how == "plain" else {n_whole})


@pytest.mark.parametrize("how", ["plain", "members"])
def test_a_flipped_byte_costs_at_most_its_record(how: str) -> None:
    data, starts = packed(PAGES, how)
    whole = contents(read(data))
    for at in range(0, len(data), 13):
        items = read(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        assert_tiles(items, len(data))
        hit = sum(start <= at for start in starts) - 1
        kept = contents(items)
        assert [content for number, content in enumerate(whole) if number != hit] == [
            content for content in kept if content in whole[:hit] + whole[hit + 1 :]
        ]


def test_records_before_the_damage_of_a_single_member_are_kept() -> None:
    data, _ = packed([page(number, 60_000) for number in range(8)], "single")
    whole = contents(read(data))
    at = len(data) * 6 // 8
    items = read(data[:at] + b"\xff" * 40 + data[at + 40 :])
    assert contents(items)[:5] == whole[:5]
    assert faults(items)


@pytest.mark.parametrize("how", WAYS[:2])
@pytest.mark.parametrize("garbage", [b"\0" * 5000, b"no record\n" * 300, b"\x1f\x8b\x08" * 900, b"WARC/1.0\r\n" * 90])
def test_garbage_between_records_is_one_fault(how: str, garbage: bytes) -> None:
    data, starts = packed(PAGES, how)
    for at in [*starts, len(data)]:
        items = read(data[:at] + garbage + data[at:])
        assert contents(items) == contents(read(data))
        [broken] = [item for item in items if isinstance(item, Broken)]
        assert (broken.offset, broken.n_bytes) == (at, len(garbage))


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("n_content", [3, 100, 10**4, 10**9, 10**17])
def test_a_wrong_content_length_costs_one_record(how: str, n_content: int) -> None:
    wrong = warc("response", http(b"<html>" + b"x" * 3000), n_content=n_content)
    data, _ = packed([PAGES[0], wrong, *PAGES[1:]], how)
    items = read(data)
    assert_tiles(items, len(data))
    assert len(faults(items)) == 1
    expected = contents(read(packed(PAGES, how)[0]))
    # what an inflated stream passed over cannot be searched again
    assert contents(items) == (expected[:1] if how == "single" and n_content >= 10**9 else expected)


@pytest.mark.parametrize("cuts", [(300,), (20, 90), (250, 260), (len(PAGES[1]) - 3,)])
def test_a_record_that_spans_members_is_read(cuts: tuple[int, ...]) -> None:
    edges = [0, *cuts, len(PAGES[1])]
    parts = [PAGES[1][start:end] for start, end in pairwise(edges)]
    data = b"".join(gzip.compress(part) for part in [*parts, PAGES[2]])
    assert contents(read(data)) == contents(read(PAGES[1] + PAGES[2]))
    assert_tiles(read(data), len(data))


def test_very_many_members_of_one_header_are_one_fault() -> None:
    data = gzip.compress(b"WARC/1.0\r\n") + gzip.compress(b"a: b\r\n") * 5000 + gzip.compress(b"") * 5000
    assert len(faults(read(data))) == 1
    assert contents(read(data + gzip.compress(PAGES[2]))) == contents(read(PAGES[2]))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "empty file"),
        (b"\r\n", "no WARC record in 2 bytes"),
        (b"x" * 1234, "no WARC record in 1,234 bytes"),
        (b"filedesc://a.arc 0.0.0.0 20240101000000 text/plain 3\n", "no WARC record in 53 bytes: an ARC file"),
        (gzip.compress(b"filedesc://a.arc", mtime=0) * 2, "no WARC record in 72 bytes: an ARC file"),
        (b"WARC/1.0\r\nWARC-Type: response\r\n\r\n", "WARC header without Content-Length in 33 bytes"),
        (b"WARC/1.0\r\nContent-Length: 0\r\n\r\n", "WARC header without WARC-Type in 31 bytes"),
        (b"WARC/1.0\r\nWARC-Type: resp", "WARC header without an end in 25 bytes"),
        (gzip.compress(PAGES[0], mtime=0)[:-3], "gzip member cut short in 209 bytes"),
    ],
)
def test_a_file_without_a_record_is_one_plain_fault(data: bytes, what: str) -> None:
    assert faults(read(data)) == [what]


def test_a_page_in_a_page_is_no_record() -> None:
    outer = warc("response", http(b"<html>" + PAGES[0]))
    assert contents(read(outer + PAGES[1]))[0].endswith(PAGES[0])


def test_a_wrong_length_that_ends_at_an_empty_line_is_seen() -> None:
    head = PAGES[1].index(b"\r\n\r\n")
    data = warc("response", b"", n_content=4 + head) + PAGES[1] + PAGES[2]
    assert faults(read(data)) == [f"wrong Content-Length in {len(data) - len(PAGES[1] + PAGES[2])} bytes"]
    assert contents(read(data)) == contents(read(PAGES[1] + PAGES[2]))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An archive, cut, flipped and stuffed at a few places."""
    sizes = draw(st.lists(st.integers(0, 600), min_size=1, max_size=7))
    data, _ = packed([page(number, size) for number, size in enumerate(sizes)], draw(st.sampled_from(WAYS)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        n_lost = draw(st.integers(0, 300))
        data = (
            data[:at]
            + draw(st.sampled_from([b"", b"\n", b"\0\0", b"WARC/1.0\r\n", b"\x1f\x8b\x08\0"]))
            + data[at + n_lost :]
        )
    return data


@given(damaged(), st.data())
def test_the_answer_does_not_depend_on_how_the_file_was_cut(data: bytes, draw: st.DataObject) -> None:
    whole = read(data)
    assert_tiles(whole, len(data))
    # records that damage has put into another one's content, to the byte, are as good as a page that shows records
    assume(not any(b"WARC/1.0\r\nWARC-Type" in content for content in contents(whole)))
    at = draw.draw(st.integers(0, len(data)))
    cut = boundary(io.BytesIO(data), at, len(data))
    assert at <= cut <= len(data)
    parts = [*read(data, 0, cut), *(read(data, cut) if cut < len(data) else [])]
    if 0 < cut < len(data):
        assert parts == whole


@given(st.binary(max_size=400))
def test_no_bytes_crash_it(data: bytes) -> None:
    for lead in (
        b"",
        b"\x1f\x8b\x08\0",
        b"WARC/1.0\r\n",
        gzip.compress(b"WARC/1.0\r\nWARC-Type: a\r\nContent-Length: 9\r\n\r\n"),
    ):
        assert_tiles(read(lead + data), len(lead + data))


class Counted(io.BytesIO):
    """Counts what is read of it."""

    n_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.n_read += len(data)
        return data


HEADER = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: %d\r\n\r\n"


@pytest.mark.parametrize(
    "unit",
    [
        HEADER % 10**6,
        HEADER % 10**9,
        b"WARC/1.0\r\na: b\r\n",
        b"WARC/1.0 ",
        b"a:WARC/1.0\r\n",
        b"\x1f\x8b\x08\0\0\0\0\0\0\0",
        b"\r\n",
    ],
)
def test_searching_takes_linear_time(unit: bytes) -> None:
    n_bytes = 2**20
    file = Counted(unit * (n_bytes // len(unit)))
    seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    list(read_records(file, 0, n_bytes, max_bytes=2**20))
    seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime - seconds
    # every broken header is one jump to where its record should end
    n_jumps = n_bytes // len(unit) if unit.startswith(HEADER[:20]) else 0
    assert file.n_read <= 8 * n_bytes + n_jumps * 2**15
    assert seconds < 10


def zeros(n_bytes: int, head: bytes) -> bytes:
    """A gzip member of a head and very many zeros."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [
        deflate.compress(head),
        *(deflate.compress(b"\0" * 2**20) for _ in range(n_bytes // 2**20)),
        deflate.flush(),
    ]
    return b"".join(parts)


@pytest.mark.parametrize(
    ("data", "reason", "what"),
    [
        (zeros(200 * 2**20, HEADER % (200 * 2**20)), "too_large", "gzip member inflates more than 200-fold"),
        (zeros(100 * 2**20, b""), "too_large", "gzip member inflates more than 200-fold"),
        (gzip.compress(b"WARC/1.0\r\nX: " + b"x" * 10**6), "broken_record", "WARC header too long"),
        (b"WARC/1.0\r\nX: " + b"x" * 10**6, "broken_record", "WARC header too long"),
        (b"WARC/1.0\r\n" + b"X: y\r\n" * 10**5, "broken_record", "WARC header too long"),
    ],
)
def test_memory_is_bounded(data: bytes, reason: str, what: str) -> None:
    tail = gzip.compress(PAGES[0]) if data.startswith(b"\x1f") else PAGES[0]
    tracemalloc.start()
    items = read(data + tail)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    [broken, good] = items
    assert isinstance(broken, Broken)
    assert (broken.reason, broken.what.split(" in ")[0]) == (reason, what)
    assert contents([good]) == contents(read(PAGES[0]))
    assert peak < 80 * 2**20


@pytest.mark.parametrize("how", WAYS)
def test_of_a_large_record_only_the_lead_is_kept(how: str) -> None:
    data, _ = packed([page(0, 2_000_000), PAGES[1]], how)
    large, small = read(data, max_bytes=2**19)
    assert isinstance(large, Record)
    assert len(large.content) == LEAD_BYTES < large.n_content
    assert contents([small]) == contents(read(PAGES[1]))
