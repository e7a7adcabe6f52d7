"""How errors and listings are worded: values as a recipe writes them, the nearest right name, any text made safe."""

import json
from collections.abc import Sequence
from difflib import get_close_matches

from pydantic_core import PydanticCustomError


def fault(what: str, *at: str | int) -> PydanticCustomError:
    """An error of ours; `at` leads from the model or field that raises it to the value that is wrong."""
    return PydanticCustomError("recipe", "{what}", {"what": what, "at": at})


def nearest(word: str, known: Sequence[str]) -> str:
    """ "; did you mean min_score?", or nothing when no known word is like it."""
    close = get_close_matches(str(word), known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def shown(value: object) -> str:
    """The value as a recipe would write it, cut where it is long: `null`, `[en]` as `["en"]`."""
    said = json.dumps(value, ensure_ascii=False, default=repr)
    return said if len(said) <= 80 else said[:77] + "..."


def printable(text: str) -> str:
    """The text with U+FFFD for every sign that a terminal would obey or nobody could see: escapes, line ends, turns of
    direction."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def listed(words: Sequence[str]) -> str:
    return ", ".join(words) if words else "none"


def unknown(kind: str, word: str, known: Sequence[str], heading: str) -> str:
    """`unknown field; did you mean min_score? Fields here: keep, min_score`."""
    guess = nearest(word, known)
    return f"unknown {kind}{guess or ';'} {heading}: {listed(known)}"
