"""Numbers and names as people read them."""

import json
from typing import Any

from pipelines.wording import printable

LONG = 20_000
"""Characters of JSON that the page shows of one value; a crawl's list of archives can have a million lines."""


def count(value: float | None) -> str:
    """# 1234567 -> 1,234,567; None -> –"""
    return "–" if value is None else f"{value:,.0f}"


def size(n_bytes: float | None) -> str:
    """# 1_234_567 -> 1.23 MB (powers of 1000)"""
    if n_bytes is None:
        return "–"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(n_bytes) < 999.5 or unit == "TB":
            break
        n_bytes /= 1000
    digits = 0 if unit == "B" or n_bytes >= 100 else 1 if n_bytes >= 10 else 2
    return f"{n_bytes:,.{digits}f} {unit}"


def share(part: float | None, whole: float | None = 1) -> str:
    """# 1, 3 -> 33.3 %"""
    return "–" if part is None or not whole else f"{100 * part / whole:.1f} %"


def seconds(value: float) -> str:
    """# 75.4 -> 1 min 15 s; 3.14159 -> 3.1 s"""
    if round(value, 1) < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min {rest} s"


def times(value: float | None) -> str:
    """# 2.5 -> 2.50 ×"""
    return "–" if value is None else f"{value:.2f} ×"


def power(bits: int) -> str:
    """A power of two of bytes. # 11 -> 2 KiB"""
    unit = min(bits // 10, 4)
    return f"{2 ** (bits - 10 * unit):,} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[unit]}"


def label(text: str, limit: int = 34) -> str:
    """The text as a chart can hold it: no invisible or directional signs, its middle cut where it is long."""
    plain = printable(text)
    return plain if len(plain) <= limit else f"{plain[: limit - 11]}…{plain[-10:]}"


def words(name: str) -> str:
    """A name of ours as words. # too_few_sentences -> too few sentences"""
    return name.replace("_", " ")


def value(item: Any, name: str = "") -> str:
    """A measure, whatever it is: whole numbers with separators, shares in percent, others to four digits."""
    if name.endswith("share") and isinstance(item, float):
        return f"{100 * item:.3g} %"
    match item:
        case None:
            return "–"
        case bool() | str():
            return str(item)
        case int():
            return f"{item:,}"
        case float():
            return f"{item:,.0f}" if item.is_integer() or abs(item) >= 10_000 else f"{item:.4g}"
    return json.dumps(item, ensure_ascii=False)


def pretty(item: Any) -> str:
    """Indented JSON, cut where it is long."""
    text = json.dumps(item, ensure_ascii=False, indent=2)
    return text if len(text) <= LONG else f"{text[:LONG]}\n… {len(text) - LONG:,} more characters, in manifest.json"
