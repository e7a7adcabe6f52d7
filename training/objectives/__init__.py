"""Objectives by name. Adding one is a file here and a line in OBJECTIVES. No torch in this package."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from corpus.errors import ConfigError
from training.objective import Kind, Objective
from training.objectives import t5
from training.objectives.bart import Bart
from training.objectives.causal import Causal
from training.objectives.masked import Masked
from training.objectives.next_sentence import NextSentence
from training.objectives.prefix_lm import PrefixLM
from training.objectives.roberta import Roberta


class Known(NamedTuple):
    """The kind of model that an objective is for, and what makes it of its fields."""

    kind: Kind
    make: Callable[..., Objective]


OBJECTIVES = {
    "causal": Known("decoder", Causal),
    "prefix_lm": Known("decoder", PrefixLM),
    "masked": Known("encoder", Masked),
    "next_sentence": Known("encoder", NextSentence),
    "roberta": Known("encoder", Roberta),
    "span_corruption": Known("encoder-decoder", t5.span_corruption),
    "independent_sentinels": Known("encoder-decoder", t5.independent_sentinels),
    "drop_tokens": Known("encoder-decoder", t5.drop_tokens),
    "mass_style": Known("encoder-decoder", t5.mass_style),
    "bert_style": Known("encoder-decoder", t5.bert_style),
    "deshuffle": Known("encoder-decoder", t5.deshuffle),
    "prefix_lm_encoder_decoder": Known("encoder-decoder", t5.prefix_lm_encoder_decoder),
    "bart": Known("encoder-decoder", Bart),
}


def objective(name: str, **fields: object) -> Objective:
    """The named objective with these fields; an unknown name or field is a ConfigError."""
    if name not in OBJECTIVES:
        raise ConfigError(f'objective "{name}" is unknown; known: {", ".join(sorted(OBJECTIVES))}')
    try:
        made: Any = OBJECTIVES[name].make(**fields)
    except TypeError as error:
        raise ConfigError(f'objective "{name}": {error}') from error
    for field in dataclasses.fields(made):
        kind: Any = float | int if field.type is float else field.type
        if field.name in fields and not isinstance(value := fields[field.name], kind):
            raise ConfigError(f'objective "{name}": {field.name} is {value!r}; it must be of type {kind}')
    found: Objective = made
    return found


__all__ = ["OBJECTIVES", "Known", "objective"]
