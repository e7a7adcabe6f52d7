"""Payload bytes to text: the one stage that reads HTML."""

from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from typing import ClassVar, Literal, NamedTuple, get_args

import pyarrow as pa

from corpus.errors import ConfigError
from corpus.guard import watched
from corpus.html.metadata import metadata
from corpus.html.tiers import LEARNED, TIERS, Tier
from corpus.html.wanted import Wanted
from corpus.resources import EXTRACTOR, Resource
from corpus.schema import MARKS, TEXT, mark, with_columns
from corpus.stage import Opened
from corpus.text.charset import as_utf8

FOUND = pa.schema(
    [
        *TEXT,
        pa.field("charset", pa.string()),
        pa.field("replaced", pa.float32()),
        pa.field("cut", pa.bool_()),
        pa.field("title", pa.string()),
        pa.field("language_hint", pa.string()),
        pa.field("author", pa.string()),
        pa.field("published", pa.string()),
    ]
)
"""What is found in a page: its text and charset, the share of U+FFFD (what could not be decoded) in the text, whether
some of it was beyond a bound and is left out, and what the page says of itself, null where it does not: its title, its
language (ISO 639), its author and its day of publication (YYYY-MM-DD)."""

_PAGE = b"<html lang=en><title>a</title><main><h1>a</h1><p>b &amp; c</p><table><tr><td>1</table></main>"


class Found(NamedTuple):
    """A row of FOUND, and why it is dropped."""

    text: str | None = None
    charset: str | None = None
    replaced: float | None = None
    cut: bool | None = None
    title: str | None = None
    language_hint: str | None = None
    author: str | None = None
    published: str | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Extract(Wanted):
    """Writes the columns of FOUND from `payload` and `content_type`, which it consumes.

    Drops `bad_charset` (no text that can be read: binary data, an unknown charset), `no_text` (a page with nothing
    to read) and `too_large` (more than `max_text_chars` came out). A text/plain payload is taken as it is.

    Tiers (corpus.html.tiers): `fast`, the learned extractor; `best`, which asks trafilatura too where it is not sure;
    `resiliparse`, its main content, or all text of a page that has less than 250 characters of it; `text`, all text, as
    a WET file has it, from which C4 was made (Raffel et al. 2020, section 2.2). `Wanted` has the other fields.
    """

    tier: Tier = "fast"
    max_text_chars: int = 10_000_000  # three times War and Peace; bounds what one row costs later stages

    name: ClassVar[str] = "extract"
    version: ClassVar[int] = 3
    reads: ClassVar[pa.Schema] = pa.schema([pa.field("payload", pa.binary()), pa.field("content_type", pa.string())])
    writes: ClassVar[pa.Schema] = pa.schema([*FOUND, *MARKS])
    drops: ClassVar[frozenset[str]] = frozenset({"payload", "content_type"})
    reasons: ClassVar[frozenset[str]] = frozenset({"bad_charset", "no_text", "too_large"})
    rows: ClassVar[Literal["same"]] = "same"
    guarded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.tier not in get_args(Tier):
            raise ConfigError(f'stage "extract": tier "{self.tier}" is not known; tiers: {", ".join(get_args(Tier))}')
        if self.max_text_chars < 1:
            raise ConfigError(f'stage "extract": max_text_chars is {self.max_text_chars}; it must be at least 1')
        switched = [field.name for field in fields(Wanted) if getattr(self, field.name) != field.default]
        if self.tier == "resiliparse" and set(switched) - {"title"}:
            raise ConfigError(
                'stage "extract": tier "resiliparse" gives plain text and has no switch but title; take another tier '
                "for Markdown, or to leave out parts"
            )

    @property
    def resources(self) -> tuple[Resource, ...]:
        """The learned tiers' model."""
        return (EXTRACTOR,) if self.tier in LEARNED else ()

    def open(self) -> Opened:
        self._found(_PAGE, None)  # loads kernels and models here, and not in every child of the guard

        def extract(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            payloads = (value.as_py() for value in batch.column("payload"))  # one by one, in memory used again
            pages = zip(payloads, batch.column("content_type").to_pylist(), strict=True)
            found = [self._found(payload or b"", content_type) for payload, content_type in watched(pages)]
            *columns, reasons = zip(*found, strict=True) if found else [()] * len(Found._fields)
            arrays = {field.name: pa.array(column, field.type) for field, column in zip(FOUND, columns, strict=True)}
            left = batch.drop_columns(list(self.drops))
            yield mark(with_columns(left, arrays), self.name, list(reasons))

        return extract

    def _found(self, payload: bytes, content_type: str | None) -> Found:
        decoded = as_utf8(payload, content_type)
        if decoded is None:
            return Found(reason="bad_charset")
        html, charset = decoded
        if _is_plain(content_type):
            return self._judged(Found(html.decode(), charset))
        extracted = TIERS[self.tier](html, self)
        told = metadata(extracted.page.source, extracted.page.tokens)
        return self._judged(Found(extracted.text, charset, None, extracted.cut, *astuple(told)))

    def _judged(self, found: Found) -> Found:
        text = found.text or ""
        if not text or text.isspace():
            return found._replace(text=None, reason="no_text")
        if len(text) > self.max_text_chars:
            return found._replace(text=None, reason="too_large")
        return found._replace(replaced=text.count("\ufffd") / len(text))


def _is_plain(content_type: str | None) -> bool:
    return (content_type or "").partition(";")[0].strip().lower() == "text/plain"
