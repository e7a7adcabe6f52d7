"""A model's numbers in another library's config: what is taken over, and what must be as we have it."""

from collections.abc import Mapping
from dataclasses import fields as fields_of
from types import MappingProxyType
from typing import Any

from corpus.errors import ConfigError, DataError
from training.spec import ModelSpec

Config = dict[str, Any]

_KINDS: dict[str, Any] = {field.name: field.type for field in fields_of(ModelSpec)}


def spec_from(
    config: Mapping[str, Any],
    names: Mapping[str, str],
    *,
    fixed: Mapping[str, Any] = MappingProxyType({}),
    defaults: Mapping[str, Any] = MappingProxyType({}),
    **more: Any,
) -> ModelSpec:
    """The ModelSpec of a config; DataError for one that is not like that.

    `names` are (ours, theirs), `defaults` their values where a config leaves one out, `fixed` what our model cannot
    have otherwise, `more` further fields of ours.
    """
    for name, value in fixed.items():
        if config.get(name, value) != value:
            raise DataError(f"config {name} is {config[name]!r}; only {value!r} can be read")
    fields: dict[str, Any] = dict(more)
    for ours, theirs in names.items():
        value, kind = config.get(theirs), _KINDS[ours]
        value = defaults.get(theirs) if value is None else value
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise DataError(f"config {theirs} is {value!r}; it must be {kind.__name__}")
        fields[ours] = value
    try:
        return ModelSpec(**fields)
    except ConfigError as error:
        raise DataError(f"the config describes no model: {error}") from error
