"""C4's rules for one page: which lines stay, and whether enough of them do.

The dialect "tfds-3" is the published code (tensorflow/datasets, text/c4_utils.py, 3.x), rule by rule in its order; the
numbers 2, 7a to 7i and 10 are those of the project's table of C4 rules. The order shows where a line rule guards a
page rule: `{` and "lorem ipsum" drop a page only from a line that the rules before them kept. What needs the url, the
language or other pages (URL and line dedup, language, the validation split) are stages, not here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from corpus.text.badwords import check_languages, unbound, without_bad_words
from corpus.text.segment import n_sentences, words
from corpus.text.verdict import Drop, Judge, Keep, Verdict

END_MARKS = (".", "?", "!", '"')
POLICIES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
PARTS = {
    "too_long": "2",
    "long_word": "7a",
    "citation": "7b",
    "end_mark": "7c, first half",
    "ellipsis": "7c, second half",
    "few_words": "7d",
    "lorem_ipsum": "7e",
    "javascript": "7f",
    "curly_bracket": "7g",
    "policy": "7h",
    "too_few_sentences": "7i",
    "bad_word": "10",
}
"""The names by which `without` leaves single rules out, and their numbers."""
_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
_SUSPECTS = ("lorem ipsum", "javascript", "{", "terms of use", " policy", " cookies")  # the last three: POLICIES


@dataclass(frozen=True, kw_only=True)
class C4:
    """Keep(the lines that read like sentences, joined by newlines) or Drop; every default is the published code's.

    A page of which nothing is left is dropped for too_few_sentences, whatever the thresholds.
    The paper has neither `max_chars`, `max_word_chars` nor the ellipsis rule. datatrove reads it as 5 sentences and
    3 words, the published code has 3 and 5, and so have we.
    """

    dialect: Literal["tfds-3"] = "tfds-3"
    max_chars: int = 190_000  # 2: characters of the page before cleaning; longer pages go
    max_word_chars: int = 1000  # 7a: a line with a longer word goes
    min_words: int = 5  # 7d: a line with fewer words, citations not counted, goes
    min_sentences: int = 3  # 7i: a page with fewer sentences in its kept lines goes
    badwords: tuple[str, ...] = ("en",)  # 10: languages whose bad words drop the page
    without: frozenset[str] = frozenset()  # rules left out, by their names in PARTS: for ablations

    version: ClassVar[int] = 1
    reasons: ClassVar[frozenset[str]] = frozenset(
        {"too_long", "lorem_ipsum", "curly_bracket", "too_few_sentences", "bad_word"}
    )

    def __post_init__(self) -> None:
        if self.dialect != "tfds-3":
            raise ValueError(f'C4.dialect: "{self.dialect}" is not known; there is tfds-3')
        for field in ("max_chars", "max_word_chars", "min_words", "min_sentences"):
            if getattr(self, field) < 0:
                raise ValueError(
                    f"C4.{field}: {getattr(self, field)} is negative; it counts something, so give 0 or more"
                )
        if unknown := sorted(self.without - PARTS.keys()):
            raise ValueError(f"C4.without: no rule {', '.join(unknown)}; there are {' '.join(PARTS)}")
        check_languages("C4.badwords", self.badwords)

    @property
    def word_lists(self) -> tuple[str, ...]:
        """The languages whose bad words it needs."""
        return () if "bad_word" in self.without else self.badwords

    def bind(self, word_lists: Mapping[str, Sequence[str]]) -> Judge:
        """The whole rule, with the bad words of its languages."""
        return without_bad_words(self.clean, self.word_lists, word_lists)

    def __call__(self, text: str) -> Verdict:
        """The verdict where no bad words are asked for; raises ValueError where they are and are not bound."""
        if self.word_lists:
            raise ValueError(unbound("C4", "badwords"))
        return self.clean(text)

    def clean(self, text: str) -> Verdict:
        """Rules 2 and 7a to 7i."""
        if len(text) > self.max_chars and "too_long" not in self.without:
            return Drop("too_long")
        lines = self._without_bad_contents(list(self._sentence_lines(text)))
        if isinstance(lines, Drop):
            return lines
        kept = "\n".join(lines).strip()
        return Keep(kept) if kept and self._enough_sentences(lines) else Drop("too_few_sentences")

    def _sentence_lines(self, text: str) -> Iterator[str]:
        """Rules 7a to 7d: the lines that end as a sentence does and are long enough."""
        uses = PARTS.keys() - self.without
        end_marks = END_MARKS if "end_mark" in uses else ""  # which every line ends in
        min_words = max(1, self.min_words if "few_words" in uses else 1)
        for whole_line in text.splitlines():
            line = whole_line.strip()
            if not line.endswith(end_marks) and "[" not in line:
                continue  # most lines; the rules before this one only drop lines, but that of citations
            if len(line) > self.max_word_chars and "long_word" in uses and self._has_long_word(line):
                continue
            if "[" in line and "citation" in uses:
                line = _CITATION.sub("", line)  # not stripped again: a line that ended in "[1]" may end in a space
            if not line.endswith(end_marks):
                continue
            if line.endswith("...") and "ellipsis" in uses:
                continue
            if len(words(line, min_words)) >= min_words:
                yield line

    def _has_long_word(self, line: str) -> bool:
        return any(len(word) > self.max_word_chars for word in words(line))

    def _without_bad_contents(self, lines: list[str]) -> list[str] | Drop:
        """Rules 7e to 7h on the lines in order: what is left of them, or why the page goes."""
        page = "\n".join(lines).lower()
        if not any(suspect in page for suspect in _SUSPECTS):
            return lines  # most pages; exact, as no suspect holds a newline
        uses = PARTS.keys() - self.without
        kept = []
        for line in lines:
            lowered = line.lower()
            if "lorem ipsum" in lowered and "lorem_ipsum" in uses:
                return Drop("lorem_ipsum")
            if "javascript" in lowered and "javascript" in uses:
                continue
            if "{" in line and "curly_bracket" in uses:
                return Drop("curly_bracket")
            if "policy" in uses and any(policy in lowered for policy in POLICIES):
                continue
            kept.append(line)
        return kept

    def _enough_sentences(self, lines: list[str]) -> bool:
        """Rule 7i. Every line holds at least one sentence, so that most pages need no counting."""
        if len(lines) >= self.min_sentences or "too_few_sentences" in self.without:
            return True
        return sum(map(n_sentences, lines)) >= self.min_sentences
