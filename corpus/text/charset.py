"""Bytes of a page to its text: what it declares, checked against the bytes, and detection where that fails.

Candidates, the first that fits wins:

    1. UTF-16 and UTF-32 by their byte order mark, or without one by where their NULs stand
    2. UTF-8: text of another charset almost never reads as UTF-8, so valid UTF-8 outranks any declaration
    3. the charset of the HTTP header, then of a `<meta>` or `<?xml` in the first 4,096 bytes
    4. what uchardet detects
    5. a declared charset that fits badly; windows-1252, the web's default, for bytes that look like accents

Labels mean what browsers take them to mean (https://encoding.spec.whatwg.org/#names-and-labels): "iso-8859-1" is
windows-1252, "gb2312" is gb18030. A declaration of UTF-16 inside the page is ignored: it could not have been read.
"""

import re
from codecs import BOM_UTF8, getincrementaldecoder, lookup
from collections.abc import Iterator

import numpy as np
from numba import njit
from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

WIDE_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
WIDE = frozenset({"utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"})
WIDER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}
"""Python codec -> the larger one that browsers use in its place."""
UNLISTED = {"x-mac-cyrillic": "mac-cyrillic", "cp932": "cp932", "cp949": "cp949", "windows-949": "cp949"}
"""Labels in use on the web that resiliparse's table lacks."""
LATIN = frozenset({"cp1250", "cp1252", "cp1254", "cp1257", "cp1258", "mac-roman"}) | frozenset(
    f"iso8859-{part}" for part in (1, 2, 3, 4, 9, 10, 13, 14, 15, 16)
)

SOUND, DAMAGED = 0.1, 0.5
"""Of the non-ASCII characters, at most so many unreadable: in any candidate, and in a declared one when no other is
left. Ours: the right charset stays under 0.1 but for heavy damage; what is not UTF-8 reads as UTF-8 with over 0.5."""
SOUND_WIDE = 0.01
"""The same for UTF-16, as which noise reads with 0.03 unreadable: its lone surrogates."""
MAX_CONTROL_SHARE = 0.02
"""Of the bytes, at most so many C0 controls. Ours: pages have none, compressed data has 27 in 256."""
MIN_HIGH_BYTES = 32
"""Below so many bytes over 0x7f nothing is concluded from how they are spread."""
SAMPLE_BYTES = 65_536
"""Read by detection, which costs 0.13 ms per 1,000 bytes."""
PRESCAN_BYTES = 4_096
"""WHATWG has 1,024; of 3,507 real pages one in ten has its declaration after those."""

_HTTP = re.compile(r"charset\s*=\s*[\"']?\s*([\w:.-]+)", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_META = re.compile(
    rb"<meta[\s/][^>]*?charset\s*=\s*[\"']?\s*([\w:.-]+)|<\?xml\s[^>]*?encoding\s*=\s*[\"']([\w:.-]+)",
    re.IGNORECASE,
)
_HIGH_RUN = re.compile(rb"[\x80-\xff]{3,}")
_HIGH_PAIR = re.compile(rb"[\x80-\xff]{2}")
_HIGH = bytes(range(0x80, 0x100))
_HIGH_BITS = np.uint64(0x8080808080808080)
_OF_ONE_BYTE = ("cp8", "cp12", "iso8859", "koi8", "mac")
"""How the names of charsets begin that have a byte for each character."""


def decode(payload: bytes, content_type: str | None = None) -> tuple[str, str] | None:
    """The text and the Python name of its charset; None when the bytes are no text that we can read.

    The text holds neither NULs nor lone surrogates nor a byte order mark; what could not be read inside an otherwise
    sound page is U+FFFD. `content_type` is the HTTP header's value.
    """
    found = as_utf8(payload, content_type)
    return None if found is None else (found[0].decode(), found[1])


def as_utf8(payload: bytes, content_type: str | None = None) -> tuple[bytes, str] | None:
    """The same text in UTF-8: the page's own bytes where it is UTF-8 already, as 49 in 50 are."""
    wide = _wide_charset(payload)
    if wide is not None:
        text = _read(payload, wide, SOUND_WIDE)
        return None if text is None or _is_binary(text) else (_clean(text), wide)
    if _is_binary(payload):
        return None
    for charset, max_bad_share in _candidates(payload, content_type):
        if charset == "utf-8" and is_utf8(payload):
            return _clean(payload), charset
        text = _read(payload, charset, max_bad_share)
        if text is not None:
            return _clean(text), charset
    return None


def codec(label: str) -> str | None:
    """The Python codec that browsers use for a charset's label; None when they know no such label."""
    label = label.strip().lower()
    name = map_encoding_to_html5(label, fallback_utf8=False) or UNLISTED.get(label)
    return None if name is None else WIDER.get(name, name)


def declared(payload: bytes, content_type: str | None) -> list[str]:
    """The codecs that the HTTP header and the page's head name, in this order; UTF-16 in the head is left out."""
    http = _HTTP.search(content_type or "")
    head = _META.finditer(_COMMENT.sub(b"", payload[:PRESCAN_BYTES]))
    labels = [http[1]] if http else []
    labels += [(match[1] or match[2]).decode("ascii", "replace") for match in head]
    return [name for name in map(codec, labels) if name is not None and name not in WIDE]


def _candidates(payload: bytes, content_type: str | None) -> Iterator[tuple[str, float]]:
    """Codecs to try in this order, each with the share of unreadable characters that it may have."""
    # the ISO-2022 charsets are ASCII bytes with escapes, so they would read as UTF-8
    if b"\x1b" not in payload or payload.startswith(BOM_UTF8):
        yield "utf-8", SOUND
    named = declared(payload, content_type)
    latin = _looks_latin(payload)
    yield from ((name, SOUND) for name in named if latin is None or latin == (name in LATIN))
    found = _detected(payload)
    if found is not None:
        # so few bytes do not tell one Latin code page from another: the web's default is the likeliest
        yield "cp1252" if latin is None and (found in LATIN or _are_accents(payload, found)) else found, SOUND
    yield from ((name, DAMAGED) for name in named)
    if latin is not False:
        yield "cp1252", SOUND


def _detected(payload: bytes) -> str | None:
    found = detect_encoding(payload, SAMPLE_BYTES, html5_compatible=False)
    try:
        return lookup(WIDER.get(found, found)).name if found else None
    except LookupError:  # uchardet knows charsets that Python does not, such as VISCII
        return None


def is_utf8(payload: bytes) -> bool:
    """Whether all of it is UTF-8, as Python reads it."""
    eights = np.frombuffer(payload, np.uint64, len(payload) // 8)
    return bool(_is_utf8(np.frombuffer(payload, np.uint8), eights))


@njit(cache=True, nogil=True)
def _is_utf8(payload, eights):  # type: ignore[no-untyped-def]
    """Whether all of it is (RFC 3629, section 4); `eights` are its bytes in eights, and ASCII is passed over so."""
    n = payload.shape[0]
    at = 0
    while at < n:
        if at & 7 == 0:
            while at + 8 <= n and eights[at >> 3] & _HIGH_BITS == 0:
                at += 8
        until = min((at + 8) & ~7, n)
        while at < until:
            byte = payload[at]
            at += 1
            if byte < 0x80:
                continue
            n_more = 1 if byte < 0xE0 else 2 if byte < 0xF0 else 3
            if byte < 0xC2 or byte > 0xF4 or at + n_more > n:
                return False
            least = 0xA0 if byte == 0xE0 else 0x90 if byte == 0xF0 else 0x80  # not in a shorter form
            most = 0x9F if byte == 0xED else 0x8F if byte == 0xF4 else 0xBF  # no surrogates; not beyond U+10FFFF
            if not least <= payload[at] <= most:
                return False
            for k in range(1, n_more):
                if payload[at + k] & 0xC0 != 0x80:
                    return False
            at += n_more
    return True


def _read(payload: bytes, charset: str, max_bad_share: float) -> bytes | None:
    """The text, or None when too much of it is unreadable; a character cut off at the end is left out."""
    decoder = getincrementaldecoder(charset)
    try:
        return decoder("strict").decode(payload).encode()
    except UnicodeDecodeError:
        text = decoder("replace").decode(payload)
    n_bad = text.count("\ufffd")
    n_foreign = len(text) - len(text.encode("ascii", "ignore"))
    return text.encode() if n_bad <= max_bad_share * n_foreign else None


def _wide_charset(payload: bytes) -> str | None:
    """UTF-16 or UTF-32, by mark or by where the NULs of ASCII markup stand; None when it is neither."""
    for mark, charset in WIDE_MARKS:
        if payload.startswith(mark):
            return charset
    head = payload[: SAMPLE_BYTES // 4 * 4]
    n_units = len(head) // 4
    nuls = [head[at::4].count(0) > n_units * 0.5 for at in range(4)] if n_units and b"\x00" in head else []
    patterns = {
        (False, True, False, True): "utf-16-le",
        (True, False, True, False): "utf-16-be",
        (False, True, True, True): "utf-32-le",
        (True, True, True, False): "utf-32-be",
    }
    return patterns.get(tuple(nuls))  # type: ignore[arg-type]


def _is_binary(payload: bytes) -> bool:
    page = np.frombuffer(payload, np.uint8)
    n_controls = int(_n_controls(page)) if _has_controls(page) else 0
    return n_controls > MAX_CONTROL_SHARE * len(payload) or payload.startswith(b"%PDF-")


@njit(cache=True, nogil=True)
def _has_controls(payload):  # type: ignore[no-untyped-def]
    """Whether `_n_controls` may count any: three least values, which a compiler finds in 64 bytes at a time."""
    low = middle = delete = np.uint8(255)
    for byte in payload:
        low = min(low, byte)
        middle = min(middle, np.uint8(byte - np.uint8(16)))
        delete = min(delete, np.uint8(byte ^ np.uint8(127)))
    return low < 9 or middle < 16 or delete == 0


@njit(cache=True, nogil=True)
def _n_controls(payload):  # type: ignore[no-untyped-def]
    """How many C0 controls there are but white space, and escape and the shifts, which are ISO-2022's."""
    n = 0
    for byte in payload:
        n += (byte < 9) | ((byte > 15) & (byte < 32) & (byte != 27)) | (byte == 127)
    return n


def _looks_latin(payload: bytes) -> bool | None:
    """Whether bytes over 0x7f stand alone, as accents do, and not in runs, as in Cyrillic or Chinese; None: too few."""
    sample = payload[:SAMPLE_BYTES]
    n_high = len(sample) - len(sample.translate(None, _HIGH))
    if n_high < MIN_HIGH_BYTES:
        return None
    return sum(map(len, _HIGH_RUN.findall(sample))) < 0.5 * n_high


def _are_accents(payload: bytes, charset: str) -> bool:
    """Whether bytes over 0x7f all stand alone where each would be a letter: other scripts' words have more of them."""
    return charset.startswith(_OF_ONE_BYTE) and _HIGH_PAIR.search(payload) is None


def _clean(text: bytes) -> bytes:
    return (text.replace(b"\x00", b"") if b"\x00" in text else text).removeprefix(BOM_UTF8)
