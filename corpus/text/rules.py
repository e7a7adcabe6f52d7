"""The names by which recipes choose rules; a rule of the user's own is named by its import path instead."""

from collections.abc import Callable

from corpus.text.badwords import BadWords
from corpus.text.c4 import C4
from corpus.text.verdict import Rule

RULES: dict[str, Callable[..., Rule]] = {
    "badwords": BadWords,
    "c4": C4,
}
