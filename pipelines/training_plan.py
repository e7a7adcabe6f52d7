"""What a recipe's training section asks for, put together before any work; no torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from corpus.errors import ConfigError
from pipelines.sections import Tokenizer, Training
from tokenizer.specials import NATURAL, SPECIALS, Specials
from training.config import TrainingConfig
from training.objective import Objective
from training.objectives import check_options
from training.run_config import RunConfig
from training.spec import ModelSpec, model, preset
from training.stretches import Phase


class Trains(Protocol):
    """A recipe, as far as a model is trained by it."""

    @property
    def seed(self) -> int: ...
    @property
    def tokenizer(self) -> Tokenizer | None: ...
    @property
    def training(self) -> Training | None: ...


def training_config(recipe: Trains, vocab_size: int) -> TrainingConfig:
    """The trainer's configuration; ConfigError for what does not fit together."""
    asked = recipe.training
    assert asked is not None
    fields = asked.model_dump(exclude={"model", "objective", "context", "curriculum", "run"}, exclude_none=True)
    name, options = _objective(asked)
    spec = model_spec(asked, vocab_size)
    with _at("training.objective"):
        check_options(name, options)
    with _at("training"):
        phases = tuple(Phase(**phase.model_dump()) for phase in asked.curriculum or ())
        run = RunConfig(**asked.run.model_dump(exclude_none=True))
        return TrainingConfig(
            model=spec,
            objective=name,
            objective_options=options,
            seed=recipe.seed,
            curriculum=phases,
            run=run,
            **fields,
        )


def model_spec(asked: Training, vocab_size: int) -> ModelSpec:
    """The shape of the model."""
    options: dict[str, Any] = {"preset": asked.model} if isinstance(asked.model, str) else dict(asked.model)
    for name, said in {"vocab": "tokenizer.vocab_size", "context": "training.context"}.items():
        if name in options:
            raise ConfigError(f"training.model: {name} is that of {said}; leave it out")
    fields = {**options, "vocab": vocab_size, "context": asked.context}
    with _at("training.model"):
        return preset(fields.pop("preset"), **fields) if "preset" in fields else model(**fields)


def model_told(recipe: Trains) -> str:
    """`bert, 5,842,178 parameters`: the model as `millstream plan` tells it."""
    assert recipe.training is not None
    assert recipe.tokenizer is not None
    spec = model_spec(recipe.training, recipe.tokenizer.vocab_size)
    return f"{spec.family}, {spec.n_params():,} parameters"


def rows_told(recipe: Trains) -> str:
    """`256 of 128 tokens, 900,000 steps; 256 of 512 tokens, 100,000 steps`: the rows of a step."""
    assert recipe.tokenizer is not None
    return "; ".join(
        f"{stretch.batch_rows:,} of {stretch.context:,} tokens, {stretch.stop_step - stretch.first_step:,} steps"
        for stretch in training_config(recipe, recipe.tokenizer.vocab_size).stretches
    )


def planned_objective(recipe: Trains) -> Objective:
    """The objective as it will be with the vocabulary that the recipe asks for, asked for its features: it says there
    what it cannot do."""
    assert recipe.tokenizer is not None
    config = training_config(recipe, recipe.tokenizer.vocab_size)
    with _at("training.objective"):
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


@contextmanager
def _at(path: str) -> Iterator[None]:
    """A ConfigError inside begins with the place in the recipe."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
