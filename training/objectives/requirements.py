"""What an objective asks of its settings and of the vocabulary, said before any data is read."""

from typing import Literal

from corpus.errors import ConfigError
from tokenizer.specials import NATURAL, ROLES, SPECIALS, Specials

Named = Literal["pad", "start", "separator", "mask"]


def special(objective: str, specials: Specials, name: Named) -> int:
    """The id of a special token; ConfigError where the vocabulary has none."""
    found: int | None = getattr(specials, name)
    if found is None:
        named = _with(name)
        models = [model for model, family in NATURAL.items() if family in named]
        raise ConfigError(
            f'objective "{objective}" needs a {name} token and the vocabulary has none; take '
            f"tokenizer.specials: {' or '.join(named)}, or tokenizer.model: {' or '.join(models)} with its own specials"
        )
    return found


def _with(name: Named) -> list[str]:
    """The families of special tokens that have one of this kind, the richest first."""
    found = {
        family: names
        for family, names in SPECIALS.items()
        if (names.start if name == "start" else ROLES[name] in names.roles)
    }
    return sorted(found, key=lambda family: -len(found[family].roles))


def shares(objective: str, **fields: float) -> None:
    """ConfigError for a share of tokens that is not inside (0, 1)."""
    for name, value in fields.items():
        if not 0 < value < 1:
            raise ConfigError(f'objective "{objective}": {name} is {value}; give a share above 0 and below 1')


def switches(objective: str, **fields: float) -> None:
    """ConfigError for a rate outside [0, 1]; 0 switches its noise off."""
    for name, value in fields.items():
        if not 0 <= value <= 1:
            raise ConfigError(f'objective "{objective}": {name} is {value}; give a rate from 0 (off) to 1')


def at_least(objective: str, minimum: int, **fields: float | None) -> None:
    """ConfigError for a number below its minimum; None is no number."""
    for name, value in fields.items():
        if value is not None and value < minimum:
            raise ConfigError(f'objective "{objective}": {name} is {value}; it must be at least {minimum}')
