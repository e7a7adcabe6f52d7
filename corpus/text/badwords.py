"""Whether a text holds a word of a list of obscene words: C4's last rule, and the one that removes most text.

The published code (tensorflow/datasets, text/c4_utils.py, 3.x) lower-cases the text and searches each escaped word
between non-word characters, or anywhere for the languages that write no spaces. `plain_matcher` is that search;
`matcher` decides the same about five times faster. The words are not lower-cased, so one with a capital never hits.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from corpus.text.verdict import Drop, Judge, Keep, Verdict

LANGUAGES = frozenset(
    [
        "ar",
        "cs",
        "da",
        "de",
        "en",
        "eo",
        "es",
        "fa",
        "fi",
        "fil",
        "fr",
        "hi",
        "hu",
        "it",
        "ja",
        "kab",
        "ko",
        "nl",
        "no",
        "pl",
        "pt",
        "ru",
        "sv",
        "th",
        "tlh",
        "tr",
        "zh",
    ]
)  # the files of LDNOOBW, List-of-Dirty-Naughty-Obscene-and-Otherwise-Bad-Words, commit 5faf2ba
UNSPACED = frozenset({"ja", "th", "zh"})  # the published code's three languages without word separation

_RUN = re.compile(r"\w+")
Matcher = Callable[[str], bool]
"""Whether a lower-cased text holds one of the words."""


@runtime_checkable
class NeedsWordLists(Protocol):
    """A rule that cannot judge before it has the bad words of some languages."""

    @property
    def word_lists(self) -> tuple[str, ...]:
        """The languages; none when the rule, as configured, needs no list."""

    def bind(self, word_lists: Mapping[str, Sequence[str]]) -> Judge:
        """The rule with the words of its languages."""


@dataclass(frozen=True, kw_only=True)
class BadWords:
    """Drops a page that holds a bad word of any of the languages; C4's rule 10 where it stands in the published
    order, after line dedup and language. C4 as a text rule can carry it too."""

    languages: tuple[str, ...] = ("en",)  # C4 `en`

    version: ClassVar[int] = 1
    reasons: ClassVar[frozenset[str]] = frozenset({"bad_word"})

    def __post_init__(self) -> None:
        check_languages("BadWords.languages", self.languages)

    @property
    def word_lists(self) -> tuple[str, ...]:
        return self.languages

    def bind(self, word_lists: Mapping[str, Sequence[str]]) -> Judge:
        return without_bad_words(Keep, self.languages, word_lists)

    def __call__(self, text: str) -> Verdict:
        """Keep where no language is named; raises ValueError where one is: its words are in no text."""
        if self.languages:
            raise ValueError(unbound("BadWords", "languages"))
        return Keep(text)


def without_bad_words(rule: Judge, languages: Sequence[str], word_lists: Mapping[str, Sequence[str]]) -> Judge:
    """The rule, and after it Drop("bad_word") for a text it keeps that holds a word of the languages."""
    matchers = [matcher(word_lists[language], spaced=language not in UNSPACED) for language in languages]

    def judge(text: str) -> Verdict:
        verdict = rule(text)
        if isinstance(verdict, Drop):
            return verdict
        lowered = verdict.text.lower()
        return Drop("bad_word") if any(hits(lowered) for hits in matchers) else verdict

    return judge


def plain_matcher(words: Collection[str], *, spaced: bool) -> Matcher:
    """The search as published; no words, no hit."""
    either = "|".join(re.escape(word) for word in words)
    pattern = re.compile(rf"(?:\W|^)({either})(?:\W|$)" if spaced else either)
    return lambda lowered: bool(words) and pattern.search(lowered) is not None


def matcher(words: Collection[str], *, spaced: bool) -> Matcher:
    """The same decisions as `plain_matcher`, without a regular expression over every text.

    A word that is one run of word characters hits exactly when it is a whole run of the text, so a set knows. Any
    other ("s&m", "how to kill") can hit only if its first run is a run of the text and it stands there in full.
    """
    if not spaced:
        return lambda lowered: any(word in lowered for word in words)
    whole = {word for word in words if _RUN.fullmatch(word)}
    odd: dict[str, list[tuple[str, Matcher]]] = {}
    for word in sorted(set(words) - whole):
        first = next(iter(_RUN.findall(word)), "")  # "🖕" has none, and "" is looked at always
        odd.setdefault(first, []).append((word, plain_matcher([word], spaced=True)))

    def hits(lowered: str) -> bool:
        runs = {"", *_RUN.findall(lowered)}
        return not whole.isdisjoint(runs) or any(
            word in lowered and search(lowered) for first in odd.keys() & runs for word, search in odd[first]
        )

    return hits


def check_languages(field: str, languages: Sequence[str]) -> None:
    """Raises ValueError, with the known codes, when there is no list for a language."""
    if unknown := sorted(set(languages) - LANGUAGES):
        raise ValueError(f"{field}: no bad-word list for {', '.join(unknown)}; there are {' '.join(sorted(LANGUAGES))}")


def unbound(rule: str, field: str) -> str:
    """What to say when a rule is called that has no words yet."""
    return f"{rule} has no words yet: call {rule}(...).bind(word_lists) and use what it returns, or set {field}=()"
