"""Objectives by name. Adding one is a file here and a line in OBJECTIVES. No torch in this package."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, NamedTuple, get_type_hints

from corpus.errors import ConfigError
from tokenizer.specials import Specials
from training.fields import check, unknown
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


def check_options(name: str, options: Mapping[str, object]) -> None:
    """ConfigError for an unknown objective, a field that it does not have, or a value of another type."""
    if name not in OBJECTIVES:
        raise ConfigError(f'objective "{name}" {unknown(name, OBJECTIVES)}')
    make = OBJECTIVES[name].make
    made = get_type_hints(make).get("return", make)  # of a function what it makes
    # what has no default is not the user's to give: the vocabulary's specials, and what a function gives itself
    kinds: dict[str, Any] = {field.name: field.type for field in fields(made) if field.default is not MISSING}
    check(f'objective "{name}"', options, kinds)


def objective(name: str, *, specials: Specials, **options: Any) -> Objective:
    """The named objective over a vocabulary, with these fields; an unknown name or field is a ConfigError."""
    check_options(name, options)
    return OBJECTIVES[name].make(specials=specials, **options)


__all__ = ["OBJECTIVES", "Known", "check_options", "objective"]
