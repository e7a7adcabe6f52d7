"""What a rule says of a text, and what a rule is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Keep:
    """The text stays; it may be shorter than what came in."""

    text: str


@dataclass(frozen=True, slots=True)
class Drop:
    """The document goes, for a fixed word that is grouped and counted: "too_few_sentences", never a number."""

    reason: str


Verdict = Keep | Drop
Judge = Callable[[str], Verdict]


class Rule(Protocol):
    """A frozen dataclass of thresholds. What needs the url, the language or other pages is a stage, not a rule."""

    @property
    def version(self) -> int:
        """Raised when its verdicts change."""

    @property
    def reasons(self) -> frozenset[str]:
        """Every word it may drop for."""

    def __call__(self, text: str) -> Verdict:
        """Keep or Drop; the same for the same text."""
