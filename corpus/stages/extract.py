"""Payload bytes to text: the one stage that reads HTML."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import pyarrow as pa

from corpus.errors import ConfigError
from corpus.guard import watched
from corpus.resources import Resource
from corpus.schema import MARKS, TEXT, mark, with_columns
from corpus.stage import Opened
from corpus.text.charset import decode
from corpus.text.html import MIN_MAIN_CHARS, all_text, main_text

Tier = Literal["resiliparse", "text"]


@dataclass(frozen=True, kw_only=True)
class Extract:
    """Writes `text` and `charset` from `payload` and `content_type`, which it consumes.

    Drops `bad_charset` (no text that can be read: binary data, an unknown charset), `no_text` (a page with nothing
    to read) and `too_large` (more than `max_text_chars` came out). A text/plain payload is taken as it is.

    Tier `resiliparse` gives the main text, or all text of a page that has less than `min_main_chars` of it; tier
    `text` gives all text, as a WET file has it, from which C4 was made (Raffel et al. 2020, section 2.2).
    """

    tier: Tier = "resiliparse"
    min_main_chars: int = MIN_MAIN_CHARS
    max_text_chars: int = 10_000_000  # three times War and Peace; bounds what one row costs later stages

    name: ClassVar[str] = "extract"
    version: ClassVar[int] = 1
    reads: ClassVar[pa.Schema] = pa.schema([pa.field("payload", pa.binary()), pa.field("content_type", pa.string())])
    writes: ClassVar[pa.Schema] = pa.schema([*TEXT, pa.field("charset", pa.string()), *MARKS])
    drops: ClassVar[frozenset[str]] = frozenset({"payload", "content_type"})
    reasons: ClassVar[frozenset[str]] = frozenset({"bad_charset", "no_text", "too_large"})
    rows: ClassVar[Literal["same"]] = "same"
    guarded: ClassVar[bool] = True
    resources: ClassVar[tuple[Resource, ...]] = ()

    def __post_init__(self) -> None:
        if self.tier not in get_args(Tier):
            raise ConfigError(f'stage "extract": tier "{self.tier}" is not known; tiers: {", ".join(get_args(Tier))}')
        if self.min_main_chars < 0 or self.max_text_chars < 1:
            raise ConfigError(
                f'stage "extract": min_main_chars is {self.min_main_chars} and max_text_chars is '
                f"{self.max_text_chars}; they must be at least 0 and 1"
            )

    def open(self) -> Opened:
        def extract(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            pages = zip(batch.column("payload").to_pylist(), batch.column("content_type").to_pylist(), strict=True)
            found = [self._found(payload or b"", content_type) for payload, content_type in watched(pages)]
            texts, charsets, reasons = zip(*found, strict=True) if found else ((), (), ())
            columns = {"text": pa.array(texts, pa.string()), "charset": pa.array(charsets, pa.string())}
            left = batch.drop_columns(list(self.drops))
            yield mark(with_columns(left, columns), self.name, list(reasons))

        return extract

    def _found(self, payload: bytes, content_type: str | None) -> tuple[str | None, str | None, str | None]:
        """Text, charset and drop reason of one page."""
        decoded = decode(payload, content_type)
        if decoded is None:
            return None, None, "bad_charset"
        page, charset = decoded
        text = page if _is_plain(content_type) else self._read(page)
        if not text or text.isspace():
            return None, charset, "no_text"
        if len(text) > self.max_text_chars:
            return None, charset, "too_large"
        return text, charset, None

    def _read(self, page: str) -> str:
        return all_text(page) if self.tier == "text" else main_text(page, min_main_chars=self.min_main_chars)


def _is_plain(content_type: str | None) -> bool:
    return (content_type or "").partition(";")[0].strip().lower() == "text/plain"
