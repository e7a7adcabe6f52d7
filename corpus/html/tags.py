"""HTML's element and attribute names as numbers, and what the scanner must know of each element.

From the HTML standard: 13.1.2 (void, raw text, escapable raw text), 13.2.4.2 (scopes), 13.2.6.4.7 (what closes a
`p`), 15.3 (what is shown as a block).
"""

from typing import Final

import numpy as np

from corpus.html.lookup import table

BLOCK: Final = 1
"""Begins and ends a block of text."""
VOID: Final = 2
"""Has no content and no end tag."""
RAW: Final = 4
"""Its content is characters, not markup."""
CLOSES_P: Final = 8
"""Its start tag ends a paragraph that is open."""
SCOPE: Final = 16
"""An end tag inside of it closes nothing outside of it."""
UNSEEN: Final = 32
"""Its content is not shown as text of the page, or is what a form is filled with."""
BREAKS_OUT: Final = 64
"""Its start tag ends a drawing or formula that was left open (13.2.6.5)."""
CLOSES_LIKE: Final = 128
"""Its start tag ends an element of its kind that is open."""

_BLOCK = (
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure "
    "footer form frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html iframe legend li listing main menu nav noscript "
    "ol optgroup option p plaintext pre search section select summary table tbody td template textarea tfoot th thead "
    "title tr ul button video audio object canvas xmp"
)
_CLOSES_P = (
    "address article aside blockquote center details dialog dir div dl fieldset figcaption figure footer form h1 h2 h3 "
    "h4 h5 h6 header hgroup hr listing main menu nav ol p plaintext pre search section table ul li dd dt summary xmp"
)
_VOID = "area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr"
_RAW = "iframe noembed noframes noscript script style textarea title xmp"
_SCOPE = "body button caption html marquee object table td template th"
_CLOSES_LIKE = "a button dd dt li optgroup option tbody td tfoot th thead tr"
_UNSEEN = (
    "audio canvas datalist iframe noembed noframes object optgroup option script select style svg template textarea "
    "title video"
)
_BREAKS_OUT = (
    "b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing menu meta "
    "nobr ol p pre ruby s small span strong strike sub sup table tt u ul var"
)
_INLINE = (
    "a abbr annotation bdi bdo big cite code data del dfn em font i ins kbd label map mark math nobr picture progress "
    "q rp rt ruby s samp small span strike strong sub sup svg time tt u var meter output desc foreignobject"
)

OTHER: Final = 0
"""The number of elements that are not named here."""
NAMES: Final = (
    "",
    *sorted({*" ".join((_BLOCK, _CLOSES_P, _VOID, _RAW, _SCOPE, _UNSEEN, _BREAKS_OUT, _INLINE)).split()}),
)
NUMBER: Final = {name: number for number, name in enumerate(NAMES)}
ELEMENTS: Final = table({name.encode(): number for name, number in NUMBER.items() if name})


def _properties() -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    found = np.zeros(len(NAMES), np.uint8)
    for bit, names in (
        (BLOCK, _BLOCK),
        (VOID, _VOID),
        (RAW, _RAW),
        (CLOSES_P, _CLOSES_P),
        (SCOPE, _SCOPE),
        (UNSEEN, _UNSEEN),
        (BREAKS_OUT, _BREAKS_OUT),
        (CLOSES_LIKE, _CLOSES_LIKE),
    ):
        for name in names.split():
            found[NUMBER[name]] |= bit
    return found


PROPERTIES: Final = _properties()
"""Shape (names,): the bits above."""


def _with_options() -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    changed = PROPERTIES.copy()
    for name in ("select", "option", "optgroup", "datalist"):
        changed[NUMBER[name]] &= ~np.uint8(UNSEEN)
    return changed


WITH_OPTIONS: Final = _with_options()
"""The same, with the options of forms as text of the page."""

CLASS, ID, ITEMPROP, ROLE, STYLE, HIDDEN, ARIA_HIDDEN = range(7)
ITEMTYPE, PROPERTY, CONTENT, NAME, TYPE, LANG, DATETIME, HTTP_EQUIV, ENCODING, ALTTEXT, START, REL = range(7, 19)
ATTRIBUTES: Final = table(
    {
        name.encode(): number
        for number, name in enumerate(
            "class id itemprop role style hidden aria-hidden itemtype property content name type lang datetime "
            "http-equiv encoding alttext start rel".split()
        )
    }
)
"""The attributes that are kept; all others are read past."""
