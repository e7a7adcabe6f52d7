"""What an ablation's recipe may say: corpora that differ in one thing, models that differ in nothing else.

    Ablation = name, seed, seeds, sources, corpus, arms, baseline, models, evaluation, finetuning, gate

`corpus` is what the arms have in common; an arm is that with some values set over it, or another arm with documents
put back. Each model is trained on each arm once a seed, on as many tokens. Nothing heavy is imported here.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, ValidationError, model_validator

from corpus.errors import ConfigError
from pipelines.ablation.gate import Gate
from pipelines.places import Places
from pipelines.recipe import build_rules, laid_over, path_of
from pipelines.sections import (
    Corpus,
    Count,
    Name,
    Positive,
    Recipe,
    Section,
    Share,
    Sourced,
    Tokenizer,
    Training,
    Weight,
)
from pipelines.wording import fault, unknown
from pipelines.yaml12 import Plain

TUNED_ARMS = ("finetuning", "arms")


class PutBack(Section):
    """Some of the documents that arm `among` has and this one has not, chosen by a hash of their ids: a larger share
    puts back every document that a smaller one does."""

    among: Name
    share: Share


class Arm(Section):
    """A corpus to train on."""

    says: str = ""  # what it is, for the report
    set: Mapping[str, Any] = Field(default_factory=dict)  # dotted path under `corpus` -> value: extract.tier: text
    like: Name | None = None  # an arm whose documents it has, in place of a corpus of its own
    put_back: PutBack | None = None

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        if (self.like is None) != (self.put_back is None):
            raise fault("puts documents back into an arm: give both `like` and `put_back`, or neither")
        if self.like is not None and self.set:
            raise fault("has a corpus of its own, with `set`, or that of another arm, with `like`; leave one out")
        return self


class Model(Section):
    """One architecture: how it reads and how it learns."""

    tokenizer: Tokenizer
    training: Training

    @model_validator(mode="after")
    def _own_vocabulary(self) -> Self:
        if self.tokenizer.reuse is not None:
            raise fault(
                "belongs to recipes of `millstream run`; an ablation trains its vocabulary on the arms that "
                "`vocabulary` names, to favour none: leave it out",
                *("tokenizer", "reuse"),
            )
        return self


class Pretraining(NamedTuple):
    """What trains a model, as training_plan.py takes it."""

    seed: int
    tokenizer: Tokenizer
    training: Training


class Evaluation(Section):
    """What the models are asked. Sets of which too much stands in some arm's training text are an error."""

    data: str | None = None  # a folder with GLUE, SuperGLUE, BLiMP, LAMBADA, ...: docs/evaluation_data.md
    held_out: Mapping[Name, Name] = Field(default_factory=dict)  # name of a set -> the arm whose held-out pages it is
    neutral: Mapping[Name, tuple[str, ...]] = Field(default_factory=dict)  # set -> text files that no arm was made from
    set_bytes: Count = 200_000  # of text in each of these sets
    document_chars: Count = 2000  # of each text, from its beginning: many texts tell more than a few long ones
    points: Count = 4  # measurements of these sets on the way, evenly spaced, the last one included
    minimal_pairs: Annotated[int, Field(strict=True, ge=0)] | None = None  # of BLiMP; all of them where left out
    items: Count | None = None  # of each other set
    choices: tuple[str, ...] = ()  # arc-easy, piqa, boolq, copa, ...
    completions: tuple[Literal["lambada"], ...] = ()
    max_overlap: Share = 0.2  # of an item's words in n-grams of the training text; above it the item is left out
    max_left_out: Share = 0.5  # of a set's items; above it the set has leaked


class FineTuning(Section):
    """Learning tasks from examples, from each pretrained model."""

    tasks: tuple[str, ...]
    models: tuple[Name, ...] | None = None  # all of them
    arms: tuple[Name, ...] | None = None  # all of them
    seeds: Count = 3  # the first so many of the pretrainings, each fine-tuned once
    epochs: Positive = 3.0
    batch: Count = 32
    max_examples: Count | None = None
    learning_rate: Mapping[Name, Positive] = Field(default_factory=dict)  # by model; as published where left out


class Ablation(Sourced):
    """A whole recipe of an ablation; see this file's head."""

    seeds: Annotated[int, Field(strict=True, ge=1, le=1000)] = 5  # pretrainings of each arm, the same in all
    arms: Mapping[Name, Arm]
    baseline: Name  # what the others are compared with
    unfiltered: Name | None = None  # the other side of T5's comparison
    vocabulary: tuple[Name, ...] | Literal["each"]  # the arms that the one vocabulary is trained on, or one for each
    max_epochs: Weight = 1.0  # how often a document of an arm may be read
    models: Mapping[Name, Model]
    evaluation: Evaluation = Evaluation()
    finetuning: FineTuning | None = None
    gate: Gate | None = None  # what the verdict must say before `millstream promote` takes the corpus

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self._check_names()
        self._check_gate()
        if self.corpus.holdout is None and self.evaluation.held_out:
            raise fault("must hold pages out for evaluation.held_out; write holdout: {share: 0.05}", "corpus")
        for name, model in self.models.items():
            asked = model.training.objective
            objective = asked if isinstance(asked, str) else asked.get("name")
            in_bytes = model.tokenizer.model == "bpe-bytes" and objective == "causal"
            if self.vocabulary == "each" and not in_bytes:
                raise fault(
                    "is each, and figures per token of different vocabularies do not compare; take one for all, or "
                    f"leave out models.{name}: only a decoder over bytes is measured in bits per byte",
                    "vocabulary",
                )
        return self

    def _check_names(self) -> None:
        if len(self.arms) < 2:
            raise fault("has fewer than two arms: there is nothing to compare", "arms")
        if not self.models:
            raise fault("is empty; name at least one model", "models")
        if not self.vocabulary:
            raise fault("is empty; name the arms that it is trained on, or write each", "vocabulary")
        for path, name in self._arms_named():
            if name not in self.arms:
                raise fault(unknown("arm", name, list(self.arms), "Arms here"), *path)
            if self.arms[name].like and path[0] not in ("baseline", "finetuning", "gate"):
                raise fault(f"is {name}, which has no corpus of its own; name an arm that has one", *path)
        for path, name in self._models_named():
            if name not in self.models:
                raise fault(unknown("model", name, list(self.models), "Models here"), *path)
        back = [(arm.like, arm.put_back) for arm in self.arms.values()]
        for name, arm in self.arms.items():
            if arm.put_back and back.count((arm.like, arm.put_back)) > 1:
                raise fault("is the same as another arm; leave one out", "arms", name)
        if twice := sorted(self.evaluation.held_out.keys() & self.evaluation.neutral.keys()):
            raise fault(f"{twice[0]} is also a set of evaluation.held_out; call one otherwise", "evaluation", "neutral")
        if self.finetuning and self.finetuning.arms and self.baseline not in self.finetuning.arms:
            raise fault(f"lacks the baseline, {self.baseline}: there would be nothing to compare with", *TUNED_ARMS)

    def _check_gate(self) -> None:
        if self.gate is None:
            return
        arm, against = self.gate.arm or self.baseline, self.gate.against or self.unfiltered
        if against is None:
            raise fault("names no arm to compare with; give `against`, or the recipe's `unfiltered`", "gate")
        if (arm == self.baseline) == (against == self.baseline):
            raise fault(
                f"compares {arm} with {against}, and the verdict compares other arms with the baseline, "
                f"{self.baseline}, alone: name it as `arm` or as `against`, once",
                "gate",
            )
        if self.arms[arm].like:
            raise fault(f"is {arm}, which has no corpus of its own to promote; name an arm that has one", "gate", "arm")
        known = self._measures()
        for field in ("better_on", "not_worse_on"):
            for at, measure in enumerate(getattr(self.gate, field)):
                if measure not in known and not measure.startswith("blimp/"):
                    raise fault(unknown("measure", measure, known, "Measures here"), "gate", field, at)

    def _measures(self) -> list[str]:
        """What some model may be measured by, as training/evaluation/measured.py calls it; parts of BLiMP set aside."""
        asked, tuning = self.evaluation, self.finetuning
        units = ("bits_per_byte", "nats_per_target")
        return [
            *(f"{unit}/{name}" for unit in units for name in (*asked.held_out, *asked.neutral)),
            "blimp",
            *(f"{name}{part}" for name in asked.choices for part in ("", "/norm")),
            *(f"{part}{name}" for name in asked.completions for part in ("", "nats_per_target/")),
            *(f"finetune/{name}" for name in (tuning.tasks if tuning else ())),
        ]

    def _arms_named(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Where a recipe names an arm, and which."""
        yield ("baseline",), self.baseline
        if self.unfiltered is not None:
            yield ("unfiltered",), self.unfiltered
        for name, arm in self.evaluation.held_out.items():
            yield ("evaluation", "held_out", name), arm
        if self.vocabulary != "each":
            yield from ((("vocabulary", n), arm) for n, arm in enumerate(self.vocabulary))
        for name, entry in self.arms.items():
            if entry.like is not None and entry.put_back is not None:
                yield ("arms", name, "like"), entry.like
                yield ("arms", name, "put_back", "among"), entry.put_back.among
        if self.finetuning is not None:
            yield from (((*TUNED_ARMS, n), arm) for n, arm in enumerate(self.finetuning.arms or ()))
        if self.gate is not None:
            yield from ((("gate", end), arm) for end in ("arm", "against") if (arm := getattr(self.gate, end)))

    def _models_named(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        if self.finetuning is not None:
            yield from ((("finetuning", "models", n), name) for n, name in enumerate(self.finetuning.models or ()))
            yield from ((("finetuning", "learning_rate", name), name) for name in self.finetuning.learning_rate)
        if self.gate is not None:
            yield from ((("gate", "models", n), name) for n, name in enumerate(self.gate.models or ()))

    @cached_property
    def built(self) -> dict[str, Recipe]:
        """The recipe of each arm that has a corpus of its own; ConfigError where a value set over it does not fit."""
        return {name: self._recipe(name) for name, arm in self.arms.items() if arm.like is None}

    def _recipe(self, name: str) -> Recipe:
        data = self.corpus.model_dump(mode="json")
        said = [f"corpus.{path} of arm {name}" for path in self.arms[name].set]
        for path, value in self.arms[name].set.items():
            if path.split(".")[0] == "holdout":
                raise ConfigError(f"arms.{name}.set.{path}: what is held out must be the same pages in all arms")
            data = laid_over(data, path_of(data, path.split("."), f"arms.{name}.set.{path}"), value)
        places = Places(file=f"arms.{name}.set ({', '.join(said)})")
        try:
            corpus = Corpus.model_validate(data)
        except ValidationError as error:
            raise places.first_error(error, data, ("corpus",)) from error
        build_rules(corpus.rules, places)
        return Recipe(name=name, seed=self.seed, sources=self.sources, corpus=corpus)

    def trains(self, model: str, seed: int) -> "Pretraining":
        """What trains a model."""
        return Pretraining(seed, self.models[model].tokenizer, self.models[model].training)

    @property
    def pretraining_seeds(self) -> list[int]:
        """One for each pretraining of an arm."""
        return [self.seed + n for n in range(self.seeds)]

    def identity(self) -> Plain:
        """All that is asked for, without where it lies."""
        plain: Plain = self.model_dump(mode="json", exclude={"name", "sources"})
        return plain

    def require_inputs(self) -> None:
        """ConfigError for a source without paths."""
        next(iter(self.built.values())).require_inputs()
