"""Where a recipe's values were written, so that an error can say it: `demo.yaml:12: corpus.language.min_scor: ...`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from corpus.errors import ConfigError
from pipelines.wording import listed, nearest, shown
from pipelines.yaml12 import Path


@dataclass(frozen=True, kw_only=True)
class Places:
    """The file, the line of each path in it, and the paths that the command line has set over it."""

    file: str
    lines: Mapping[Path, int] = field(default_factory=dict)
    overrides: tuple[tuple[Path, str], ...] = ()  # ((("corpus", "language"), "corpus.language=null"), ...)

    def overridden(self, path: Path) -> str | None:
        """The last override that set the value at the path, something around it, or something in it."""
        for at, said in reversed(self.overrides):
            n = min(len(at), len(path))
            if n and at[:n] == path[:n]:
                return said
        return None

    def of(self, path: Path) -> str:
        """`--set dotted.path=value`, or file:line of the value or of the nearest thing around it."""
        if said := self.overridden(path):
            return f"--set {said}"
        for n in range(len(path), 0, -1):
            if path[:n] in self.lines:
                return f"{self.file}:{self.lines[path[:n]]}"
        return f"{self.file}:1" if self.lines else self.file

    def error(self, path: Path, what: str) -> ConfigError:
        """One line, whatever a rule of the user's has to say: where, the dotted path, what is wrong."""
        said = [self.of(path), *([dotted(path)] if path else []), what]
        return ConfigError(" ".join(": ".join(said).split()))

    def first_error(self, invalid: ValidationError, data: Any, under: Path = ()) -> ConfigError:
        """The first thing that pydantic found, in our words; `data` is what it was given, found at `under`."""
        error = invalid.errors(include_url=False)[0]
        return self.error((*under, *_path_in(data, error)), _what(error))


def dotted(path: Path) -> str:
    return ".".join(map(str, path))


def _path_in(data: Any, error: ErrorDetails) -> Path:
    """Where the wrong value stands: the location less pydantic's own steps (a union's tag, "[key]"), and what our own
    errors add to it."""
    path: list[str | int] = []
    for step in error["loc"]:
        try:
            data = data[step]
            path.append(step)
        except (KeyError, IndexError, TypeError):
            if error["type"] == "missing" and step is error["loc"][-1]:
                path.append(step)
    ctx = error.get("ctx", {})
    tag = [str(ctx["discriminator"]).strip("'")] if "discriminator" in ctx else []
    return (*path, *tag, *ctx.get("at", ()))


def _what(error: ErrorDetails) -> str:
    ctx = error.get("ctx", {})
    match error["type"]:
        case "recipe":
            return str(ctx["what"])
        case "missing" | "union_tag_not_found":
            return "is missing; add it"
        case "union_tag_invalid":
            return _one_of(ctx["tag"], ctx["expected_tags"])
        case "literal_error":
            return _one_of(error["input"], ctx["expected"])
        case "value_error":
            return str(ctx["error"])
    should = re.sub(r"^(Input|String) should", "should", error["msg"])
    for theirs, ours in (("tuple", "list"), ("dictionary", "mapping")):
        should = should.replace(f"a valid {theirs}", f"a {ours}")
    return f"is {shown(error['input'])}, but {should}"


def _one_of(given: object, expected: str) -> str:
    """`expected` is pydantic's list: "'url', 'exact' or 'minhash'"."""
    known = re.findall(r"'([^']*)'", expected)
    return f"is {shown(given)}{nearest(str(given), known) or ';'} it can be: {listed(known)}"
