"""Puts a family's special tokens into a tokenizer, and finds which family's it has."""

import json

from tokenizers import AddedToken, Tokenizer, processors

from corpus.errors import ConfigError
from tokenizer.specials import SPECIALS, Names


def with_specials(tokenizer: Tokenizer, names: Names) -> Tokenizer:
    """The tokenizer itself: the first special tokens declared, the last ones added, and the family's template for what
    other programs put around a text. ConfigError where a first one is no entry."""
    absent = [name for name in names.first if tokenizer.token_to_id(name) is None]
    if absent:
        raise ConfigError(_lacking(names, absent))
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in names.all])
    if names.single:
        ids = [(name, tokenizer.token_to_id(name)) for name in names.first]
        template = processors.TemplateProcessing(single=names.single, pair=names.pair, special_tokens=ids)
        tokenizer.post_processor = template
    return tokenizer


def names_of(tokenizer: Tokenizer, asked: str | None = None) -> str:
    """The key in SPECIALS of the first family all of whose tokens are special ones here. ConfigError for none, or where
    it is asked to be another one's and lacks tokens."""
    declared = {token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special}
    for key in SPECIALS if asked is None else (asked,):
        if declared.issuperset(SPECIALS[key].all):
            return key
    if asked is not None:
        raise ConfigError(_lacking(SPECIALS[asked], [name for name in SPECIALS[asked].all if name not in declared]))
    known = "; ".join(f"{key}: {' '.join(names.first)}" for key, names in SPECIALS.items())
    raise ConfigError(
        f"the vocabulary has no family's special tokens, only {sorted(declared)}; "
        f"declare those of one with tokenizer.special_tokens.with_specials ({known})"
    )


def check_unforgeable(tokenizer: Tokenizer, names: Names) -> None:
    """ConfigError where a text that names a special token becomes it; the tokenizer's own look-out must be off."""
    ids = {tokenizer.token_to_id(name) for name in names.all if name != names.roles.get("unk_token")}
    forged = [name for name in names.all if ids & set(tokenizer.encode(name, add_special_tokens=False).ids)]
    if forged:
        raise ConfigError(
            f'a text that reads "{forged[0]}" would become that special token; let the pre-tokenizer part it, '
            f"as tokenizer/unigram.py does: {json.loads(tokenizer.to_str())['pre_tokenizer']}"
        )


def _lacking(names: Names, absent: list[str]) -> str:
    return (
        f"the vocabulary lacks the special token{'s' if len(absent) > 1 else ''} {' '.join(absent[:5])}"
        f"{' ...' if len(absent) > 5 else ''} of {' '.join(names.first)}; add to its entries what is missing, "
        f"declare them as special with tokenizer.special_tokens.with_specials, or name the family that it has"
    )
