"""Prompts that show a task by examples, from a file (Brown et al. 2020, GPT-3, section 2: few-shot).

template: "Q: {prompt}\\nA: {completion}\\n\\n"       # YAML; a .jsonl file holds only lines of examples
examples:
  - {prompt: "What is two and two?", completion: four}
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from corpus.errors import ConfigError

PROMPT, COMPLETION = "{prompt}", "{completion}"
TEMPLATE = f"{PROMPT}\n{COMPLETION}\n\n"


class Example(NamedTuple):
    """One solved task."""

    prompt: str
    completion: str


@dataclass(frozen=True, kw_only=True)
class Shots:
    """Examples in a template; `template` has {prompt} once, and {completion} once after it."""

    examples: tuple[Example, ...] = ()
    template: str = TEMPLATE

    def __post_init__(self) -> None:
        before, found, after = self.template.partition(COMPLETION)
        if not found or before.count(PROMPT) != 1 or PROMPT in after or COMPLETION in after:
            raise ConfigError(
                f"template {self.template!r} must have {PROMPT} once, and {COMPLETION} once after it, as {TEMPLATE!r}"
            )

    def before(self, prompt: str) -> str:
        """The examples, then `prompt` up to where its completion is to begin; without blanks at the end, as
        vocabularies have them at the beginning of the next word."""
        solved = "".join(_filled(self.template, example) for example in self.examples)
        return (solved + self.template.partition(COMPLETION)[0].replace(PROMPT, prompt)).rstrip(" ")

    def answer(self, text: str) -> str:
        """Of what a model wrote, the part that is the completion: up to what follows one in the template."""
        end = self.template.partition(COMPLETION)[2]
        return (text.partition(end)[0] if end else text).strip()


def _filled(template: str, example: Example) -> str:
    """Cut first, so that braces in an example are only text."""
    before, _, after = template.partition(COMPLETION)
    return before.replace(PROMPT, example.prompt) + example.completion + after


def read(path: Path) -> Shots:
    """The shots of a YAML file, or of a .jsonl file under the usual template; ConfigError for what is none."""
    try:
        text = path.read_text(encoding="utf-8")
        said = _lines(text) if path.suffix == ".jsonl" else YAML(typ="safe", pure=True).load(text)
    except (OSError, ValueError, YAMLError) as error:
        raise ConfigError(f"no examples can be read from {path}: {error}") from error
    if not isinstance(said, dict) or not said.keys() <= {"template", "examples"}:
        raise ConfigError(f"{path} must hold `examples` and, if you like, `template`, and nothing else")
    examples, template = said.get("examples") or [], said.get("template", TEMPLATE)
    if not isinstance(examples, list) or not isinstance(template, str):
        raise ConfigError(f"{path}: `examples` must be a list, and `template` a text")
    return Shots(examples=tuple(_example(path, n, entry) for n, entry in enumerate(examples, 1)), template=template)


def _lines(text: str) -> Mapping[str, Any]:
    return {"examples": [json.loads(line) for line in text.splitlines() if line.strip()]}


def _example(path: Path, n: int, entry: object) -> Example:
    if isinstance(entry, dict) and entry.keys() == {"prompt", "completion"}:
        prompt, completion = entry["prompt"], entry["completion"]
        if isinstance(prompt, str) and isinstance(completion, str):
            return Example(prompt, completion)
    raise ConfigError(f"{path}: example {n} is {entry!r}; it must have a `prompt` and a `completion`, both texts")
