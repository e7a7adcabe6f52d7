"""Character references of HTML, as tables that kernels read (13.5; html.entities holds the standard's list)."""

from html.entities import html5
from typing import Final

import numpy as np

from corpus.html.lookup import table


def _code_points(text: str) -> tuple[int, int]:
    return ord(text[0]), ord(text[1]) if len(text) > 1 else 0


CODE_POINTS: Final = np.array([_code_points(html5[name]) for name in html5], np.int32)
"""Shape (names, 2): what each name stands for; the second is 0 for most."""
NAMED: Final = table({name[:-1].encode(): number for number, name in enumerate(html5) if name.endswith(";")})
"""Names that a semicolon ends."""
BARE: Final = table({name.encode(): number for number, name in enumerate(html5) if not name.endswith(";")})
"""Names that stand without one too (`&nbsp`, `&copy`)."""
LONGEST: Final = max(map(len, html5))
LONGEST_BARE: Final = max(len(name) for name in html5 if not name.endswith(";"))


def _windows() -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array([ord(bytes([byte]).decode("cp1252", "replace")) for byte in range(0x80, 0xA0)], np.int32)


WINDOWS_1252: Final = _windows()
"""What the numbers 0x80 to 0x9F mean: the standard takes them for Windows-1252 (13.2.5.80)."""
