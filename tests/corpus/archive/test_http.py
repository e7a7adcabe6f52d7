import gzip
import io
import tracemalloc
import zlib
from contextlib import suppress

import pytest
from build_archives import HTML, http
from fastwarc.stream_io import BrotliWriter, ZstdWriter
from hypothesis import given
from hypothesis import strategies as st

from corpus.archive.http import MAX_HEAD_BYTES, BodyError, body_of, dechunked, response_of

PAGE = HTML % (b"some text that is long enough to be worth coding " * 400)


class Kept(io.BytesIO):
    """Can be read after its writer has closed it."""

    def close(self) -> None:
        pass


def written(writer: type, data: bytes) -> bytes:
    out = Kept()
    coder = writer(out)
    coder.write(data)
    coder.close()
    return out.getvalue()


def bare_deflate(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(data) + deflate.flush()


CODED = {
    "gzip": gzip.compress(PAGE),
    "X-GZip": gzip.compress(PAGE[:999]) + gzip.compress(PAGE[999:]),
    "deflate": zlib.compress(PAGE),
    " deflate ": bare_deflate(PAGE),
    "br": written(BrotliWriter, PAGE),
    "zstd": written(ZstdWriter, PAGE),
    "deflate, gzip": gzip.compress(zlib.compress(PAGE)),
    "identity": PAGE,
    "utf-8": PAGE,
    "": PAGE,
}


def body(content: bytes, max_bytes: int = 2**20) -> bytes:
    response = response_of(content)
    assert response is not None
    return body_of(content, response, max_bytes)


def chunked(data: bytes, size: int) -> bytes:
    parts = (data[at : at + size] for at in range(0, len(data), size))
    return b"".join(b"%X\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize("coding", CODED)
def test_codings(coding: str) -> None:
    assert body(http(CODED[coding], f"Content-Encoding: {coding}")) == PAGE
    assert body(http(chunked(CODED[coding], 300), f"content-encoding: {coding}", "Transfer-Encoding: chunked")) == PAGE


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_body_that_is_not_coded_as_it_says_is_taken_as_it_is(coding: str) -> None:
    assert body(http(PAGE, f"Content-Encoding: {coding}")) == PAGE


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_of_a_body_that_breaks_off_the_beginning_is_kept(coding: str) -> None:
    text = "".join(f"{zlib.crc32(b'%d' % number):08x}" for number in range(20_000)).encode()
    coded = {"gzip": gzip.compress(text), "deflate": zlib.compress(text), "br": written(BrotliWriter, text)}[coding]
    kept = body(http(coded[: len(coded) // 2], f"Content-Encoding: {coding}"))
    assert len(kept) > 20_000
    assert text.startswith(kept)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_bytes_that_are_neither_coded_nor_text_are_broken(coding: str) -> None:
    with pytest.raises(BodyError, match=f"a body that is no {coding}") as error:
        body(http(b"\x1f\x8b\x08\0\0\0\0\0\0\xff\xff\xff\xff\0\0\xff\xff", f"Content-Encoding: {coding}"))
    assert error.value.reason == "broken_record"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_is_too_large_and_costs_little(coding: str) -> None:
    zeros = bytes(2**24 if coding == "br" else 2**26)
    writers = {"br": BrotliWriter, "zstd": ZstdWriter}
    coders = {"gzip": lambda data: gzip.compress(data, 1), "deflate": lambda data: zlib.compress(data, 1)}
    bomb = http(
        written(writers[coding], zeros) if coding in writers else coders[coding](zeros), f"Content-Encoding: {coding}"
    )
    tracemalloc.start()
    with pytest.raises(BodyError) as error:
        body(bomb, 2**20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.value.reason == "too_large"
    assert peak < 50 * 2**20


@given(st.binary(max_size=200), st.integers(1, 30))
def test_chunks_are_put_together(data: bytes, size: int) -> None:
    assert dechunked(chunked(data, size)) == data


@pytest.mark.parametrize(
    ("sent", "data"),
    [
        (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"3;name=value\nabc\n2 \r\nde", b"abcde"),  # an extension, bare line feeds, no last chunk
        (b"3\r\nabc\r\n0\r\nTrailer: x\r\n\r\n", b"abc"),
        (gzip.compress(b"not chunked", mtime=0), gzip.compress(b"not chunked", mtime=0)),
        (b"<html>not chunked</html>", b"<html>not chunked</html>"),
        (b"0\r\n\r\n", b""),
        (b"", b""),
    ],
)
def test_odd_chunks(sent: bytes, data: bytes) -> None:
    assert dechunked(sent) == data


@pytest.mark.parametrize("sent", [b"3\r\nabc\r\nno chunk\r\n", b"ff\r\ncut short", b"zz\r\nno size\r\n"])
def test_bad_chunks_are_a_fault(sent: bytes) -> None:
    with pytest.raises(BodyError, match="chunked body that breaks off") as error:
        dechunked(sent)
    assert error.value.reason == "broken_record"


@pytest.mark.parametrize(
    ("content", "status", "n_fields"),
    [
        (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nx", 200, 1),
        (b"HTTP/1.0 404\nA: b\nC: d\n\nx", 404, 2),
        (b"HTTP/2 301 \r\n\r\nx", 301, 0),
        (b"HTTP/1.1 200 OK\r\nA: b", 200, 1),
    ],
)
def test_heads(content: bytes, status: int, n_fields: int) -> None:
    response = response_of(content)
    assert response is not None
    assert (response.status, len(response.fields)) == (status, n_fields)
    assert content[response.body_start :] in (b"x", b"")


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"HTTP/1.1 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n"]
)
def test_what_is_no_head(content: bytes) -> None:
    assert response_of(content) is None


@given(st.binary(max_size=300), st.sampled_from(sorted(CODED)), st.booleans())
def test_any_body_is_read_or_refused(data: bytes, coding: str, is_chunked: bool) -> None:
    fields = [f"Content-Encoding: {coding}", *(["Transfer-Encoding: chunked"] if is_chunked else [])]
    content = http(data, *fields)
    with suppress(BodyError):
        assert len(body(content, 1000)) <= 1000
