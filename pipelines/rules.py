"""The rules a recipe names, made: `{rule: c4, dialect: tfds-3}` -> C4(dialect="tfds-3").

A name stands in the table of corpus/text/rules.py; one of the user's own is named by import path,
`mypkg.rules:Mine`. The fields beside `rule` are the arguments of its constructor, checked against the types that it
declares.
"""

import dataclasses
import importlib
import json
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from corpus.text.rules import RULES
from corpus.text.verdict import Rule
from pipelines.places import Places
from pipelines.sections import RuleEntry
from pipelines.wording import listed, nearest, shown, unknown
from pipelines.yaml12 import Path, Plain

_OURS = ("version", "reasons")  # what a rule says of itself; a recipe does not set it


def build_rules(entries: Sequence[RuleEntry], places: Places | None = None) -> tuple[Rule, ...]:
    """The rules in their order; ConfigError, with the place in the recipe, for one that cannot be made."""
    places = places or Places(file="recipe")
    return tuple(_built(entry, ("corpus", "rules", at), places) for at, entry in enumerate(entries))


def _built(entry: RuleEntry, path: Path, places: Places) -> Rule:
    make = _found(entry.rule, (*path, "rule"), places)
    try:
        rule = _made(make, entry.fields, path, places)
    except ValidationError as error:
        raise places.first_error(error, entry.fields, under=path) from error
    except (TypeError, ValueError) as error:
        raise places.error(path, str(error)) from error
    return rule


def _made(make: Any, given: dict[str, Plain], path: Path, places: Places) -> Rule:
    known = [field.name for field in dataclasses.fields(make) if field.init and field.name not in _OURS]
    for name in given:
        if name not in known:
            raise places.error((*path, name), unknown("field", name, ["rule", *known], "Fields here"))
    adapter: TypeAdapter[Rule] = TypeAdapter(make)
    # strict JSON takes lists for tuples and sets and whole numbers for floats, and nothing else for anything else
    return adapter.validate_json(json.dumps(given), strict=True)


def _lacking(make: Any) -> list[str]:
    """What a class must have to be made into a rule, and has not. Nothing of it is called to find out: a recipe that
    names `os:system` is refused, not obeyed."""
    if not (isinstance(make, type) and dataclasses.is_dataclass(make)):
        return ["@dataclass"]
    fields = {field.name for field in dataclasses.fields(make)}
    has_call = any("__call__" in vars(base) for base in make.__mro__)
    return [*([] if has_call else ["__call__"]), *(n for n in _OURS if n not in fields and not hasattr(make, n))]


def _found(name: str, path: Path, places: Places) -> Any:
    """What makes the rule: from the table, or from the user's module."""
    module_name, colon, attribute = name.partition(":")
    if not colon:
        if name not in RULES:
            what = f"is {shown(name)}{nearest(name, list(RULES)) or ';'} rules here: {listed(list(RULES))}"
            raise places.error(path, f"{what}, or an import path, mypkg.rules:Mine")
        return RULES[name]
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever a user's module does on import
        what = f"cannot import {module_name} ({type(error).__name__}: {error})"
        raise places.error(path, f"{what}; is it installed, or on PYTHONPATH?") from error
    if not callable(make := getattr(module, attribute, None)):
        raise places.error(path, f"{module_name} has no rule {attribute}{nearest(attribute, dir(module))}")
    if lacking := _lacking(make):
        raise places.error(path, f"{name} is no rule: it has no {listed(lacking)}")
    return make
