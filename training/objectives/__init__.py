"""Objectives by name. Adding one is a file here and a line in OBJECTIVES. No torch in this package."""

from collections.abc import Callable

from corpus.errors import ConfigError
from training.objective import Objective
from training.objectives.causal import Causal

OBJECTIVES: dict[str, Callable[..., Objective]] = {"causal": Causal}


def objective(name: str, **fields: object) -> Objective:
    """The named objective with these fields; an unknown name or field is a ConfigError."""
    if name not in OBJECTIVES:
        raise ConfigError(f'objective "{name}" is unknown; known: {", ".join(sorted(OBJECTIVES))}')
    try:
        return OBJECTIVES[name](**fields)
    except TypeError as error:
        raise ConfigError(f'objective "{name}": {error}') from error


__all__ = ["OBJECTIVES", "objective"]
