from datetime import UTC, datetime

import pytest
from build_archives import HTML, http, read, warc
from hypothesis import given
from hypothesis import strategies as st

from corpus.archive.pages import REASONS, NoPage, Page, captured_ms, page_of

BODY = HTML % b"text"
LARGE = HTML % (b"text " * 1000)


def found(record: bytes) -> Page | NoPage:
    [item] = read(record, max_bytes=4000)
    return page_of(item, 2000)


@pytest.mark.parametrize(
    ("record", "content_type"),
    [
        (warc("response", http(BODY)), "text/html"),
        (warc("RESPONSE", http(BODY, content_type="Text/HTML; charset=x")), "Text/HTML; charset=x"),
        (warc("response", http(BODY, content_type="application/xhtml+xml")), "application/xhtml+xml"),
        (warc("response", http(b"plain words", content_type="text/plain")), "text/plain"),
        (warc("response", http(BODY, content_type=None)), None),
        (warc("response", http(b"\r\n " + BODY, content_type="*/*")), "*/*"),
        (warc("resource", BODY, Content_Type="text/html"), "text/html"),
        (warc("conversion", BODY, Content_Type="text/plain"), "text/plain"),
    ],
)
def test_pages(record: bytes, content_type: str | None) -> None:
    page = found(record)
    assert isinstance(page, Page)
    assert page.content_type == content_type
    assert page.payload.strip() in (BODY, b"plain words")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (warc("warcinfo", b"software: x"), "not_a_page"),
        (warc("request", b"GET / HTTP/1.1\r\n\r\n"), "not_a_page"),
        (warc("metadata", BODY, Content_Type="text/html"), "not_a_page"),
        (warc("continuation", BODY), "not_a_page"),
        (warc("something new", BODY), "not_a_page"),
        (warc("revisit", http(b"")), "revisit"),
        (warc("response", http(BODY, status="404 Not Found")), "http_status"),
        (warc("response", http(BODY, status="206 Partial Content")), "http_status"),
        (warc("response", http(b"%PDF", content_type="application/pdf")), "not_html"),
        (warc("response", http(b"%PDF", content_type=None)), "not_html"),
        (warc("resource", b"%PDF", Content_Type="application/pdf"), "not_html"),
        (warc("response", b"20240517\n1.2.3.4", Content_Type="text/dns"), "not_html"),
        (warc("response", http(b"")), "empty_page"),
        (warc("response", http(b" \r\n\t")), "empty_page"),
        (warc("response", http(LARGE)), "too_large"),
        (warc("response", http(LARGE[:3000])), "too_large"),
        (warc("response", http(LARGE, content_type=None)), "too_large"),
        (warc("response", http(LARGE, content_type="video/mp4")), "not_html"),
        (warc("resource", LARGE, Content_Type="text/html"), "too_large"),
        (warc("response", BODY), "broken_record"),
        (warc("response", http(BODY), WARC_Segment_Number="1"), "broken_record"),
        (warc("response", http(BODY), n_content=10**6), "broken_record"),
    ],
)
def test_what_is_no_page(record: bytes, reason: str) -> None:
    page = found(record)
    assert isinstance(page, NoPage)
    assert page.reason == reason
    assert reason in REASONS
    assert (page.fault is not None) == (reason in {"broken_record", "too_large"})


@pytest.mark.parametrize(
    ("date", "moment"),
    [
        ("2024-05-17T23:31:26Z", datetime(2024, 5, 17, 23, 31, 26, tzinfo=UTC)),
        ("2024-05-17T23:31:26.123456Z", datetime(2024, 5, 17, 23, 31, 26, 123000, tzinfo=UTC)),
        (" 2024-05-17T23:31:26+02:00 ", datetime(2024, 5, 17, 21, 31, 26, tzinfo=UTC)),
        ("2024-05-17 23:31:26", datetime(2024, 5, 17, 23, 31, 26, tzinfo=UTC)),
        ("20240517233126", datetime(2024, 5, 17, 23, 31, 26, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2017", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2017-02", datetime(2017, 2, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("2017-02-30", None),
        ("2024-05-17T25:00:00Z", None),
        ("0000-01-01T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates(date: str, moment: datetime | None) -> None:
    ms = captured_ms(date)
    assert ms == (None if moment is None else (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


@given(st.datetimes(timezones=st.just(UTC)))
def test_dates_are_read_as_python_reads_them(moment: datetime) -> None:
    since = moment.replace(microsecond=0) - datetime(1970, 1, 1, tzinfo=UTC)
    assert captured_ms(moment.strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20)) == since.total_seconds() * 1000


@given(st.text())
def test_no_date_crashes_it(date: str) -> None:
    assert captured_ms(date) is None or isinstance(captured_ms(date), int)
