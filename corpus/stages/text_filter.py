"""Lifts a rule on texts to a stage."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa

from corpus.errors import ConfigError
from corpus.guard import watched
from corpus.resources import BADWORDS, Resource
from corpus.schema import MARKS, TEXT, joined, mark, with_columns
from corpus.stage import Opened
from corpus.text.badwords import NeedsWordLists
from corpus.text.verdict import Drop, Judge, Keep, Rule, Verdict


@dataclass(frozen=True, kw_only=True)
class TextFilter:
    """Writes the text that the rule keeps; marks what it drops, whose text stays as it came in, to be looked at.

    A null text is judged as an empty one. ConfigError for a rule that is not a value (has no hash).
    """

    name: str
    rule: Rule

    reads: ClassVar[pa.Schema] = TEXT
    writes: ClassVar[pa.Schema] = joined(TEXT, MARKS)
    drops: ClassVar[frozenset[str]] = frozenset()
    rows: ClassVar[Literal["same"]] = "same"
    guarded: ClassVar[bool] = True  # a user's rule may hang, and regular expressions are good at it

    def __post_init__(self) -> None:
        if type(self.rule).__hash__ is None:
            raise ConfigError(
                f'stage "{self.name}": {type(self.rule).__name__} cannot be hashed; '
                f"make the rule a dataclass with frozen=True, its fields tuples and plain values"
            )

    @property
    def version(self) -> int:
        return self.rule.version

    @property
    def reasons(self) -> frozenset[str]:
        return self.rule.reasons

    @property
    def resources(self) -> tuple[Resource, ...]:
        """The pinned files that `open` loads."""
        return (BADWORDS,) if isinstance(self.rule, NeedsWordLists) and self.rule.word_lists else ()

    def open(self) -> Opened:
        rule = self._bound()

        def judge(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            texts = batch.column("text").to_pylist()
            verdicts = [self._checked(rule(text or "")) for text in watched(texts)]
            kept = [
                text if isinstance(verdict, Drop) else verdict.text
                for text, verdict in zip(texts, verdicts, strict=True)
            ]
            reasons = [verdict.reason if isinstance(verdict, Drop) else None for verdict in verdicts]
            yield mark(with_columns(batch, {"text": pa.array(kept, pa.string())}), self.name, reasons)

        return judge

    def _checked(self, verdict: Verdict) -> Verdict:
        """The verdict; TypeError, which makes a `stage_error` of the row, for what is none."""
        if isinstance(verdict, Drop) or (isinstance(verdict, Keep) and isinstance(verdict.text, str)):
            return verdict
        raise TypeError(f"rule {self.name} must give Keep with a text or Drop with a reason, not {verdict!r}")

    def _bound(self) -> Judge:
        if self.resources and isinstance(self.rule, NeedsWordLists):
            return self.rule.bind(json.loads(BADWORDS.path().read_bytes()))
        return self.rule


def text_filter(name: str, rule: Rule) -> TextFilter:
    """The stage that applies the rule; `name` stands in `dropped_by`."""
    return TextFilter(name=name, rule=rule)
