import gzip
import io

import pytest
from build_archives import packed, page, read
from hypothesis import given
from hypothesis import strategies as st

from corpus.archive.members import SEARCH_BYTES, boundary, kind_of

PAGES = [page(number, 300 * number) for number in range(6)]


def cut(data: bytes, position: int) -> int:
    return boundary(io.BytesIO(data), position, len(data))


@pytest.mark.parametrize("how", ["plain", "members", "single"])
def test_a_cut_falls_at_the_next_record(how: str) -> None:
    data, starts = packed(PAGES, how)
    for position in range(len(data) + 2):
        assert cut(data, position) == min((start for start in starts if start >= position), default=len(data))


def test_stored_members_are_cut_at_members() -> None:
    # level 0 leaves the records readable inside their member
    data = gzip.compress(b"".join(PAGES), 0)
    assert PAGES[3] in data
    assert {cut(data, position) for position in range(len(data))} == {0, len(data)}


def test_a_header_in_a_text_is_no_record() -> None:
    quoted = page(1).replace(b"page 1", PAGES[2][:200])
    data = quoted + PAGES[3]
    assert cut(data, 1) == len(quoted)


@pytest.mark.parametrize("how", ["plain", "members"])
@pytest.mark.parametrize("lead", [b"", b"\0" * 10**6, b"WARC/1.0\r\n", b"\x1f\x8b\x08\0", b"PK\x03\x04"])
def test_the_kind_is_that_of_the_first_record(how: str, lead: bytes) -> None:
    data, _ = packed(PAGES, how)
    assert kind_of(io.BytesIO(lead + data)) == ("gzip" if how == "members" else "plain")


def test_the_search_is_bounded() -> None:
    class Zeros(io.RawIOBase):
        """A gigabyte that takes no memory."""

        size, n_read, at = 2**30, 0, 0

        def seek(self, offset: int, whence: int = 0, /) -> int:
            self.at = (offset, self.at + offset, self.size + offset)[whence]
            return self.at

        def read(self, size: int = -1, /) -> bytes:
            head = PAGES[0][: max(0, size)] if self.at == 0 else b""
            size = min(size, self.size - self.at)
            self.at += size
            self.n_read += size
            return head + bytes(size - len(head))

    file = Zeros()
    assert boundary(file, 100, file.size) == file.size  # type: ignore[arg-type]
    assert file.n_read <= SEARCH_BYTES + 2**22


@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_bytes_can_be_cut(data: bytes, position: int) -> None:
    at = cut(data, position)
    assert position <= at <= len(data) or at == len(data)
    assert read(data)
