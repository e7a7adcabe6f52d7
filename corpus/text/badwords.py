"""Whether a text holds a word of a list of obscene words: C4's last rule, and the one that removes most text.

The published code (tensorflow/datasets, text/c4_utils.py, 3.x) lower-cases the text and searches each escaped word
between non-word characters, or anywhere for the languages that write no spaces. `plain_matcher` is that search;
`matcher` decides the same some twenty times faster. The words are not lower-cased, so one with a capital never hits.
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
_ASCII_RUNS = bytes(byte if byte < 0x80 and _RUN.match(chr(byte)) else ord(" ") for byte in range(0x100))
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

    A word that hits stands between non-word characters, so each of its runs of word characters is a whole run of the
    text: only words whose longest run is one of the text's are searched for.
    """
    if not spaced:
        return lambda lowered: any(word in lowered for word in words)
    # three times faster, but for words without such letters every word would have to be searched for
    runs_of = ascii_runs if all(ascii_runs(word) or not _RUN.search(word) for word in words) else _RUN.findall
    by_run: dict[str, list[str]] = {}
    for word in sorted(set(words)):
        by_run.setdefault(max(runs_of(word), key=len, default=""), []).append(word)  # "🖕" has none: looked at always
    runs = frozenset(by_run)

    def hits(lowered: str) -> bool:
        suspects = (word for run in ("", *runs.intersection(runs_of(lowered))) for word in by_run.get(run, ()))
        return any(word in lowered and plain_matcher([word], spaced=True)(lowered) for word in suspects)

    return hits


def ascii_runs(text: str) -> list[str]:
    """The runs of ASCII's word characters, in order; any other character ends one. # "naïve s&m" -> na, ve, s, m"""
    return text.encode(errors="replace").translate(_ASCII_RUNS).decode("ascii").split()


def check_languages(field: str, languages: Sequence[str]) -> None:
    """Raises ValueError, with the known codes, when there is no list for a language."""
    if unknown := sorted(set(languages) - LANGUAGES):
        raise ValueError(f"{field}: no bad-word list for {', '.join(unknown)}; there are {' '.join(sorted(LANGUAGES))}")


def unbound(rule: str, field: str) -> str:
    """What to say when a rule is called that has no words yet."""
    return f"{rule} has no words yet: call {rule}(...).bind(word_lists) and use what it returns, or set {field}=()"
