"""What cannot work is said at construction or when features are asked for, and how to mend it."""

import re
from dataclasses import replace
from typing import cast

import pytest
from objective_samples import SPECIALS

from corpus.errors import ConfigError
from tokenizer.specials import NATURAL, Specials
from tokenizer.specials import SPECIALS as FAMILIES
from training.objectives import OBJECTIVES, objective
from training.objectives.requirements import Named, special

NEEDED = {
    "masked": ("mask", "start", "separator"),
    "roberta": ("mask", "start"),
    "next_sentence": ("mask", "start", "separator", "pad"),
    "bart": ("mask", "start", "pad"),
    "span_corruption": ("pad",),
    "prefix_lm_encoder_decoder": ("pad",),
}


@pytest.mark.parametrize(("name", "token"), [(name, token) for name, tokens in NEEDED.items() for token in tokens])
def test_missing_tokens(name: str, token: str) -> None:
    with pytest.raises(ConfigError, match=f'"{name}" needs a {token} token.* tokenizer.specials: roberta or'):
        objective(name, specials=replace(SPECIALS, **{token: None}))


@pytest.mark.parametrize("name", ["span_corruption", "independent_sentinels"])
def test_too_few_sentinels(name: str) -> None:
    with pytest.raises(ConfigError, match="sentinels and the vocabulary has none"):
        objective(name, specials=replace(SPECIALS, sentinels=()))
    few = objective(name, specials=replace(SPECIALS, sentinels=SPECIALS.sentinels[:20]))
    few.features(64)
    objective(name, specials=SPECIALS).features(512)
    with pytest.raises(ConfigError, match=r"568 tokens|511 tokens") as error:
        few.features(512)
    assert "lower density" in str(error.value)


def test_ul2s_dense_spans_need_128_sentinels_at_512() -> None:
    with pytest.raises(ConfigError, match="need 128 sentinels"):
        objective("span_corruption", specials=SPECIALS, density=0.5).features(512)


@pytest.mark.parametrize("name", ["mass_style", "bert_style"])
def test_masks_need_a_mask_or_a_sentinel(name: str) -> None:
    objective(name, specials=replace(SPECIALS, mask=None))
    with pytest.raises(ConfigError, match="needs a mask token"):
        objective(name, specials=replace(SPECIALS, mask=None, sentinels=()))


@pytest.mark.parametrize("name", sorted(set(OBJECTIVES) - {"causal"}))
def test_rows_too_short(name: str) -> None:
    with pytest.raises(ConfigError, match="row_len 1 "):
        objective(name, specials=SPECIALS).features(1)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("masked", {"density": 0.0}),
        ("masked", {"static_copies": 0}),
        ("masked", {"max_predictions": 0}),
        ("roberta", {"density": 1.0}),
        ("next_sentence", {"copies": 0}),
        ("span_corruption", {"density": 1.5}),
        ("span_corruption", {"mean_span": 0.5}),
        ("bart", {"rotate": 1.2}),
        ("bart", {"infill": -0.1}),
    ],
)
def test_rates_out_of_range(name: str, fields: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f'objective "{name}": {next(iter(fields))} is'):
        objective(name, specials=SPECIALS, **fields)


def test_unknown_names_and_fields() -> None:
    with pytest.raises(ConfigError, match=r"did you mean span_corruption\? known: bart, bert_style"):
        objective("span_coruption", specials=SPECIALS)
    for name in OBJECTIVES:
        with pytest.raises(
            ConfigError, match=f'"{name}" has no field documnt_mask; did you mean document_mask'
        ) as error:
            objective(name, specials=SPECIALS, documnt_mask=True)
        listed = str(error.value).partition("its fields: ")[2].split(", ")
        assert not {"specials", "name", "noise", "inputs", "targets", "version"} & set(listed)
        made = objective(name, specials=SPECIALS)
        objective(name, specials=SPECIALS, **{field: getattr(made, field) for field in listed})


@pytest.mark.parametrize(
    ("name", "field", "value", "words"),
    [
        ("masked", "density", "0.2", 'is "0.2"; it must be a number'),
        ("masked", "density", True, "is true; it must be a number"),
        ("masked", "whole_words", 1, "is 1; it must be true or false"),
        ("masked", "max_predictions", (1, 2), r"is \[1, 2\]; it must be a whole number or null"),
        ("span_corruption", "mean_span", None, "is null; it must be a number"),
        ("next_sentence", "copies", 2.5, "is 2.5; it must be a whole number"),
    ],
)
def test_types_in_plain_words(name: str, field: str, value: object, words: str) -> None:
    with pytest.raises(ConfigError, match=f'^objective "{name}": {field} {words}$'):
        objective(name, specials=SPECIALS, **{field: value})


def test_a_whole_number_is_a_number() -> None:
    assert objective("bart", specials=SPECIALS, permute=0) == objective("bart", specials=SPECIALS, permute=0.0)


def test_the_mend_for_a_missing_token_mends_it() -> None:
    for name in sorted({token for tokens in NEEDED.values() for token in tokens}):
        with pytest.raises(ConfigError) as error:
            special("masked", Specials(size=9, eod=0), cast(Named, name))
        said = re.search(r"specials: (.*), or tokenizer.model: (.*) with its own", str(error.value))
        assert said is not None
        families, models = (part.split(" or ") for part in said.groups())
        for family in [*families, *(NATURAL[model] for model in models)]:
            ids = {token: i for i, token in enumerate(FAMILIES[family].all)}
            assert getattr(FAMILIES[family].ids(ids, len(ids)), name) is not None


def test_objectives_are_what_their_names_say() -> None:
    for name, known in OBJECTIVES.items():
        made = objective(name, specials=SPECIALS)
        assert (made.name, made.kind) == (name, known.kind)
        assert made == objective(name, specials=SPECIALS)
        hash(made)


def test_targets_fit_the_row_where_there_is_more_noise_than_text() -> None:
    features = objective("span_corruption", specials=SPECIALS, density=0.6).features(64)
    assert 62 <= features["targets_T"].length <= 64
    assert features["inputs_I"].length < 64
