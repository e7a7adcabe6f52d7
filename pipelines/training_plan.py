"""What a recipe's training section asks for, put together before any work; no torch."""

from typing import Any

from corpus.errors import ConfigError
from pipelines.recipe import Recipe
from pipelines.sections import Tokenizer, Training
from tokenizer.specials import NATURAL, SPECIALS, Specials
from training.config import TrainingConfig
from training.objective import Objective
from training.spec import ModelSpec, preset


def training_config(recipe: Recipe, vocab_size: int) -> TrainingConfig:
    """The trainer's configuration; ConfigError for what does not fit together."""
    asked = recipe.training
    assert asked is not None
    fields = asked.model_dump(exclude={"model", "objective", "context"}, exclude_none=True)
    name, options = _objective(asked)
    return TrainingConfig(
        model=model_spec(asked, vocab_size), objective=name, objective_options=options, seed=recipe.seed, **fields
    )


def model_spec(asked: Training, vocab_size: int) -> ModelSpec:
    """The shape of the model."""
    options: dict[str, Any] = {"preset": asked.model} if isinstance(asked.model, str) else dict(asked.model)
    for name, said in {"vocab": "tokenizer.vocab_size", "context": "training.context"}.items():
        if name in options:
            raise ConfigError(f"training.model: {name} is that of {said}; leave it out")
    fields = {**options, "vocab": vocab_size, "context": asked.context}
    try:
        return preset(fields.pop("preset"), **fields) if "preset" in fields else ModelSpec(**fields)
    except TypeError as error:
        said = str(error).removeprefix("ModelSpec.__init__() ")
        raise ConfigError(f"training.model: {said}; training/spec.py says what a model can have") from error


def planned_objective(recipe: Recipe) -> Objective:
    """The objective as it will be with the vocabulary that the recipe asks for, asked for its features: it says there
    what it cannot do."""
    assert recipe.tokenizer is not None
    config = training_config(recipe, recipe.tokenizer.vocab_size)
    return config.task(planned_specials(recipe.tokenizer))


def planned_specials(asked: Tokenizer) -> Specials:
    """The special tokens of a vocabulary that is yet to be trained, the last ones at its end."""
    names = SPECIALS[asked.specials or NATURAL[asked.model]]
    first_of_last = asked.vocab_size - len(names.last)
    ids = {name: i for i, name in enumerate(names.first)} | {
        name: first_of_last + i for i, name in enumerate(names.last)
    }
    return names.ids(ids, asked.vocab_size)


def _objective(asked: Training) -> tuple[str, dict[str, Any]]:
    if isinstance(asked.objective, str):
        return asked.objective, {}
    options = dict(asked.objective)
    return str(options.pop("name")), options
