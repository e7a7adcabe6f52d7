"""A datatrove filter as a rule of ours.

    rules:
      - rule: "pipelines.engines.datatrove.filters:DatatroveFilter"
        filter: "datatrove.pipeline.filters:C4QualityFilter"
        settings: {min_num_sentences: 3}

For filters that judge a text by itself and alike each time. Not for those that draw lots (SamplerFilter) or need
metadata (URLFilter), which a rule has not. What a filter loads beyond datatrove (a tokenizer, a model) is not pinned.
"""

import ast
import hashlib
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from importlib.metadata import version as version_of
from importlib.util import find_spec
from typing import Any, ClassVar

from corpus.errors import ConfigError
from corpus.text.verdict import Drop, Keep, Verdict

OTHERWISE = "filtered"
"""The reason where a filter gives none, or one with a number in it."""
_WORD = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class DatatroveFilter:
    """Keeps what the filter keeps, with the text as the filter left it; drops for the reasons that its source names."""

    filter: str
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    made_of: tuple[str, ...] = field(init=False)
    reasons: frozenset[str] = field(init=False)
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if find_spec("datatrove") is None:
            raise ConfigError("datatrove is not here, whose filter a rule names; pip install 'millstream[datatrove]'")
        kind = _found(self.filter)
        object.__setattr__(self, "made_of", tuple(_made_of(kind)))
        object.__setattr__(self, "reasons", frozenset(_reasons(kind)) | {OTHERWISE})
        _opened(self)

    def __call__(self, text: str) -> Verdict:
        from datatrove.data import Document

        document = Document(text=text, id="")
        try:
            verdict = _opened(self).filter(document)
        except ImportError as error:  # datatrove looks for some packages no earlier
            raise ConfigError(f"rule {self.filter}: {error}") from error
        kept, reason = verdict if isinstance(verdict, tuple) else (verdict, None)
        if kept:
            return Keep(document.text)
        return Drop(reason if reason in self.reasons else OTHERWISE)


def _found(name: str) -> type:
    """The class by its import path; TypeError when it is no filter."""
    from datatrove.pipeline.filters.base_filter import BaseFilter

    module, colon, attribute = name.partition(":")
    try:
        kind = getattr(import_module(module), attribute, None) if colon else None
    except ImportError as error:
        raise ValueError(f"filter: cannot import {module} ({error})") from error
    if not (isinstance(kind, type) and issubclass(kind, BaseFilter)):
        raise TypeError(f"filter: {name} is no filter; name one as datatrove.pipeline.filters:C4QualityFilter")
    return kind


@lru_cache(maxsize=32)
def _opened(rule: DatatroveFilter) -> Any:
    """The filter itself, which does not travel; ConfigError where it would be another than where the rule was made."""
    if (here := tuple(_made_of(_found(rule.filter)))) != rule.made_of:
        raise ConfigError(f"{rule.filter} is of {here} here, but {rule.made_of} where the run was started")
    try:
        return _found(rule.filter)(**rule.settings)
    except (TypeError, ImportError) as error:
        raise ValueError(f"settings: {rule.filter} cannot be made with them: {error}") from error


def _own_classes(kind: type) -> Iterator[type]:
    """The filter's class and those it inherits from, as far as they are filters themselves."""
    from datatrove.pipeline.filters.base_filter import BaseFilter

    return (base for base in kind.__mro__ if issubclass(base, BaseFilter) and base is not BaseFilter)


def _made_of(kind: type) -> Iterator[str]:
    """What the filter's verdicts depend on beside its settings: datatrove's version, and modules of the user's own."""
    yield f"datatrove {version_of('datatrove')}"
    for module in sorted({base.__module__ for base in _own_classes(kind)}):
        if module.partition(".")[0] != "datatrove":
            source = inspect.getsource(sys.modules[module])
            yield f"{module} {hashlib.sha256(source.encode()).hexdigest()}"


def _reasons(kind: type) -> Iterator[str]:
    """The fixed words that stand behind `return False, ` in the filter's source."""
    for base in _own_classes(kind):
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(base)))):
            match node:
                case ast.Return(ast.Tuple([ast.Constant(False), ast.Constant(str(reason))])):
                    if _WORD.fullmatch(reason):
                        yield reason
