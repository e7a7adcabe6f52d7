"""Fields that a recipe or a caller gives, held against a dataclass: the nearest right name, types in plain words."""

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import NoneType
from typing import Any, get_args

from corpus.errors import ConfigError

WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a word", NoneType: "null"}


def nearest(word: object, known: Iterable[str]) -> str:
    """`; did you mean gpt2?`, or a semicolon when no known word is like it."""
    close = get_close_matches(str(word), known, n=1)
    return f"; did you mean {close[0]}?" if close else ";"


def unknown(word: object, known: Iterable[str]) -> str:
    """`is unknown; did you mean gpt2? known: bart, bert, ...`."""
    names = sorted(known)
    return f"is unknown{nearest(word, names)} known: {', '.join(names)}"


def check(owner: str, given: Mapping[str, object], kinds: Mapping[str, Any]) -> None:
    """ConfigError for a field that `kinds` has not, or of another type; a whole number is a number, a bool is none."""
    for name, value in given.items():
        if name not in kinds:
            raise ConfigError(f"{owner} has no field {name}{nearest(name, kinds)} its fields: {', '.join(kinds)}")
        kind = get_args(kinds[name]) or (kinds[name],)
        if type(value) not in kind and not (float in kind and type(value) is int):
            said, asked = json.dumps(value, default=repr), " or ".join(WORDS[one] for one in kind)
            raise ConfigError(f"{owner}: {name} is {said}; it must be {asked}")
