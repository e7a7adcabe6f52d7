"""The sample that ships with the project: what is in it, where it comes from, and that it may travel."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
ARCHIVE = SAMPLES / "web" / "debian-docs.warc.gz"
SOURCES = SAMPLES / "web" / "debian-docs.sources.tsv"
LICENCES = SAMPLES / "LICENSES"


@dataclass(frozen=True, kw_only=True)
class Page:
    url: str
    captured: str
    status: int
    kind: str
    body: bytes


def read_pages() -> Iterator[Page]:
    with ARCHIVE.open("rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response, parse_http=True):
            yield Page(
                url=record.headers["WARC-Target-URI"],
                captured=record.headers["WARC-Date"],
                status=record.http_headers.status_code,
                kind=record.http_headers.get("Content-Type", ""),
                body=record.reader.read(),
            )


@pytest.fixture(scope="module")
def pages() -> list[Page]:
    return list(read_pages())


@pytest.fixture(scope="module")
def sources() -> list[dict[str, str]]:
    with SOURCES.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_it_is_small_and_has_enough_pages(pages: list[Page]) -> None:
    assert ARCHIVE.stat().st_size <= 4_000_000
    assert sum(page.status == 200 and page.kind.startswith("text/html") for page in pages) >= 300
    assert max(len(page.body) for page in pages) <= 120_000


def test_archive_and_table_name_the_same_captures(pages: list[Page], sources: list[dict[str, str]]) -> None:
    told = [(row["url"], row["captured"], int(row["status"])) for row in sources]
    assert told == [(page.url, page.captured, page.status) for page in pages]
    assert len(set(told)) == len(told)


def test_there_are_languages_for_a_filter(sources: list[dict[str, str]]) -> None:
    by_language = Counter(row["language"] for row in sources)
    assert min(by_language[language] for language in ("en", "de", "fr", "es")) >= 80
    assert len(by_language) >= 10


def test_charsets_must_be_found_in_the_bytes(pages: list[Page]) -> None:
    html = [page for page in pages if page.kind.startswith("text/html")]
    bare = [page for page in html if "charset" not in page.kind]
    assert len(html) * 0.5 < len(bare) < len(html)
    declared = {name.lower() for page in bare for name in re.findall(rb"charset=([\w-]+)", page.body[:2000])}
    assert {b"utf-8", b"iso-8859-1", b"euc-kr"} <= declared


def test_copies_are_noted(pages: list[Page], sources: list[dict[str, str]]) -> None:
    first: dict[bytes, str] = {}
    repeats = 0
    for page, row in zip(pages, sources, strict=True):
        before = first.setdefault(page.body, page.url)
        repeated = bool(page.body) and before != page.url
        assert row["note"].startswith("exact-duplicate: ") == repeated
        repeats += repeated
    assert repeats >= 30
    assert sum(row["note"].startswith("near-duplicate: ") for row in sources) >= 30


def test_junk_is_there(pages: list[Page], sources: list[dict[str, str]]) -> None:
    assert {200, 301, 404} <= {page.status for page in pages}
    assert {"image/png", "text/css", "text/plain"} <= {page.kind for page in pages}
    assert any(not page.body for page in pages)
    assert sum(row["note"].startswith("junk: ") for row in sources) >= 0.1 * len(sources)


def test_every_licence_and_package_has_its_notice(sources: list[dict[str, str]]) -> None:
    notices = (LICENCES / "NOTICES.md").read_text(encoding="utf-8")
    for row in sources:
        for licence in row["licence"].split(" OR "):
            text = re.sub(r"(-no-invariants)?(-only|-or-later)?$", "", licence)
            assert (LICENCES / f"{text}.txt").is_file(), licence
        work = re.sub(r"-(en|de|fr|es|it|ja|pt|ru|amd64|arm64|15|17)$", "", row["package"])
        assert work in notices, row["package"]
        assert row["holder"]


def test_no_path_leads_outside_a_package(sources: list[dict[str, str]]) -> None:
    for row in sources:
        assert row["path"] == "-" or row["path"].startswith(("usr/share/", "etc/"))
        assert ".." not in row["path"]
        assert row["url"].startswith(("http://", "https://"))


def test_no_package_is_more_than_a_quarter(sources: list[dict[str, str]]) -> None:
    most = Counter(row["package"] for row in sources).most_common(1)[0][1]
    assert most <= 0.25 * len(sources)
