"""Which records of an archive are pages, and why the others are not."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from corpus.archive.http import BodyError, body_of, response_of
from corpus.archive.records import Broken, Record

REASONS = frozenset(
    {
        "not_a_page",  # a record that describes the crawl: warcinfo, request, metadata, ...
        "revisit",  # the page stands elsewhere
        "http_status",  # not 200
        "not_html",  # by its content type
        "empty_page",
        "too_large",
        "broken_record",
    }
)

_PAGE_RECORDS = frozenset({"response", "resource", "conversion"})
_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml", "text/plain"})
_NO_TYPES = frozenset({"", "*/*", "unknown/unknown", "application/unknown"})
"""Content types that say nothing (https://mimesniff.spec.whatwg.org, section 7)."""

# the standard's patterns for HTML (section 7.1), after white space and a byte order mark
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?[\t\n\x0c\r ]{0,1000}"
    rb"(?:<!--|<(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)[\s>])",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(\d{4})(?:-?(\d\d)(?:-?(\d\d)(?:[T ]?(\d\d)(?::?(\d\d)(?::?(\d\d)(\.\d+)?)?)?)?)?)?(Z|[+-]\d\d:?\d\d)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Page:
    """A page as its server sent it, decoded, and its Content-Type as found."""

    payload: bytes
    content_type: str | None


@dataclass(frozen=True, slots=True)
class NoPage:
    """A word of REASONS, for faults what is wrong, and the Content-Type where there is one."""

    reason: str
    fault: str | None = None
    content_type: str | None = None


def page_of(record: Record | Broken, max_page_bytes: int) -> Page | NoPage:
    """What a record holds."""
    if isinstance(record, Broken):
        return NoPage(record.reason, record.what)
    kind = record.fields["warc-type"].lower()
    if kind not in _PAGE_RECORDS:
        return NoPage("revisit" if kind == "revisit" else "not_a_page")
    if "warc-segment-number" in record.fields:
        return NoPage("broken_record", "the first of several segments")
    declared = record.fields.get("content-type")
    if kind == "response" and _is_http(declared, record.content):
        return _from_response(record, max_page_bytes)
    return _judged(record, record.content, declared, max_page_bytes)


def captured_ms(date: str) -> int | None:
    """A WARC-Date in milliseconds since 1970, UTC; dates of lower precision begin their year, month or day.

    # "2017-02" -> that of "2017-02-01T00:00:00Z"; "20170230" and "yesterday" -> None
    """
    match = _DATE.fullmatch(date.strip())
    if match is None:
        return None
    year, *rest = match.groups()[:6]
    month, day, hour, minute, second = (int(part or first) for part, first in zip(rest, (1, 1, 0, 0, 0), strict=True))
    sign, zone = -1 if (match[8] or "").startswith("-") else 1, (match[8] or "Z").strip("Z+-").replace(":", "")
    try:
        moment = datetime(int(year), month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None
    shift = sign * (int(zone[:2] or 0) * 60 + int(zone[2:] or 0))
    return (moment - _EPOCH) // timedelta(milliseconds=1) + int(float(match[7] or 0) * 1000) - shift * 60_000


def _is_http(declared: str | None, content: bytes) -> bool:
    return content.startswith(b"HTTP/") or (declared or "").lower().startswith("application/http")


def _from_response(record: Record, max_page_bytes: int) -> Page | NoPage:
    response = response_of(record.content)
    if response is None:
        return NoPage("broken_record", "no HTTP header")
    declared = response.fields.get("content-type")
    if response.status != 200:
        return NoPage("http_status", None, declared)
    if _essence(declared) not in _PAGE_TYPES | _NO_TYPES:
        return NoPage("not_html", None, declared)
    if len(record.content) < record.n_content:
        return _judged(record, record.content[response.body_start :], declared, max_page_bytes)
    try:
        body = body_of(record.content, response, max_page_bytes)
    except BodyError as error:
        return NoPage(error.reason, error.what, declared)
    return _judged(record, body, declared, max_page_bytes)


def _judged(record: Record, body: bytes, declared: str | None, max_page_bytes: int) -> Page | NoPage:
    essence = _essence(declared)
    if essence not in _PAGE_TYPES | _NO_TYPES:
        return NoPage("not_html", None, declared)
    is_lead = len(record.content) < record.n_content
    if not is_lead and (not body or body.isspace()):
        return NoPage("empty_page", None, declared)
    if essence in _NO_TYPES and not _HTML.match(body):
        return NoPage("not_html", None, declared)
    if is_lead or len(body) > max_page_bytes:
        return NoPage("too_large", f"a record of {record.n_content:,} bytes", declared)
    return Page(body, declared)


def _essence(declared: str | None) -> str:
    return (declared or "").partition(";")[0].strip().lower()
