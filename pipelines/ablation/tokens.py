"""Vocabularies and token shards of an ablation: one vocabulary for all arms of a model, or one for each."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from corpus.errors import ConfigError
from corpus.manifest import Manifest
from pipelines.ablation.corpora import manifests, parts
from pipelines.ablation.sections import Ablation
from pipelines.artifact import Built, Place, Workshop
from pipelines.tokens_step import local_folder, measures, part
from pipelines.training_plan import planned_objective, training_config
from pipelines.vocab_step import decides, trained
from tokenizer import vocab
from tokenizer.shard import TokenShard
from training.config import TrainingConfig
from training.objective import Objective


def vocabulary_name(ablation: Ablation, model: str, arm: str) -> str:
    """The artifact that holds a model's vocabulary for an arm."""
    return f"vocab/{model}/{arm}" if ablation.vocabulary == "each" else f"vocab/{model}"


def tokens_name(model: str, arm: str) -> str:
    """The artifact that holds an arm's tokens for a model."""
    return f"tokens/{model}/{arm}"


@dataclass(frozen=True)
class VocabularyStep:
    """A model's vocabulary, trained on the training documents of some arms, one after the other."""

    ablation: Ablation
    place: Place
    model: str
    name: str
    arms: tuple[str, ...]
    kind: ClassVar[str] = "vocabulary"
    inputs: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int] = 1

    def raw_inputs(self) -> Mapping[str, Any]:
        """The arms' corpora."""
        return {arm: _fingerprints(self.ablation, self.place, arm) for arm in self.arms}

    def recipe(self) -> Mapping[str, Any]:
        """The tokenizer section, as far as it decides entries, and which documents are held out."""
        asked = self.ablation.models[self.model].tokenizer
        return {
            "tokenizer": decides(asked),
            "documents": documents_identity(self.ablation),
            "step_version": self.version,
        }

    def plan(self, inputs: Mapping[str, Manifest]) -> None:
        """None: it is no corpus."""

    def build(self, shop: Workshop) -> Built:
        """Trains and saves."""
        where = ", ".join(self.arms)
        info, made = trained(shop, self.ablation.models[self.model].tokenizer, self._texts(), where)
        return Built(shards=(info,), measures={"vocab_size": made.size, "digest": made.digest})

    def _texts(self) -> Iterator[str]:
        for arm in self.arms:
            for rows in parts(self.ablation, self.place, arm):
                for batch in rows():
                    yield from batch["text"].to_pylist()


@dataclass(frozen=True)
class ArmTokensStep:
    """An arm's training documents as token shards of a model's vocabulary."""

    ablation: Ablation
    place: Place
    model: str
    arm: str
    kind: ClassVar[str] = "tokens"
    version: ClassVar[int] = 1

    @property
    def name(self) -> str:
        return tokens_name(self.model, self.arm)

    @property
    def inputs(self) -> tuple[str, ...]:
        return (vocabulary_name(self.ablation, self.model, self.arm),)

    def raw_inputs(self) -> Mapping[str, Any]:
        """The corpora that the documents come from."""
        return _fingerprints(self.ablation, self.place, self.arm)

    def recipe(self) -> Mapping[str, Any]:
        """Which documents, what is put back, the row length for the packing record, and whether there are marks."""
        back = self.ablation.arms[self.arm].put_back
        return {
            "documents": documents_identity(self.ablation),
            "put_back": None if back is None else back.model_dump(),
            "row_len": self._row_len,
            "marks": self._marks,
            "step_version": self.version,
        }

    @property
    def _row_len(self) -> int:
        return self.ablation.models[self.model].training.context

    @property
    def _marks(self) -> bool:
        asked = self.ablation.trains(self.model, self.ablation.seed)
        return asked.tokenizer.marks or planned_objective(asked).marks

    def plan(self, inputs: Mapping[str, Manifest]) -> None:
        """None: it is no corpus."""

    def build(self, shop: Workshop) -> Built:
        """Encodes part after part."""
        made = vocab.load(shop.place.folder(self.inputs[0]))
        found = parts(self.ablation, self.place, self.arm)
        infos = []
        for number, rows in enumerate(found):
            shop.progress(f"tokens {self.arm}", number, len(found), 0)
            infos.append(part(shop, made, number, rows(), marks=self._marks))
        shards = [TokenShard.open(local_folder(shop.folder), number, made.size) for number in range(len(found))]
        return Built(shards=tuple(infos), measures=measures(shop.folder, shards, made, self._row_len))


def documents_identity(ablation: Ablation) -> dict[str, Any]:
    """What decides which documents of a corpus are trained on."""
    holdout = ablation.corpus.holdout
    return {"seed": ablation.seed, "holdout": None if holdout is None else holdout.model_dump()}


def _fingerprints(ablation: Ablation, place: Place, arm: str) -> dict[str, str]:
    return {f"corpora/{name}": made.fingerprint for name, made in manifests(ablation, place, arm).items()}


def opened(place: Place, name: str, vocab_size: int) -> list[TokenShard]:
    """The token shards of an artifact, memory-mapped."""
    folder = local_folder(place.folder(name))
    return [TokenShard.open(folder, info.shard, vocab_size) for info in place.need(name).shards]


def check_budget(ablation: Ablation, place: Place, model: str, arms: Sequence[str]) -> None:
    """ConfigError where an arm has too few tokens for what a model is to read, or is to read them too often."""
    asked = ablation.trains(model, ablation.seed)
    config = training_config(asked, asked.tokenizer.vocab_size)
    for arm in arms:
        has = int(place.need(tokens_name(model, arm)).measures["n_tokens"])
        words = vocab.load(place.folder(vocabulary_name(ablation, model, arm)))
        times = epochs(config, config.task(words.specials), opened(place, tokens_name(model, arm), words.size))
        if times > ablation.max_epochs:
            steps = int(config.steps * ablation.max_epochs / times)
            raise ConfigError(
                f"arm {arm} has {has:,} tokens, which model {model} would read {times:.2f} times over, more than "
                f"max_epochs {ablation.max_epochs:g} allows; read more pages, take models.{model}.training.steps of "
                f"{steps:,} for all arms, or raise max_epochs"
            )


def epochs(config: TrainingConfig, task: Objective, shards: Sequence[TokenShard]) -> float:
    """How often a training reads its rows; infinite where there is none."""
    total = 0.0
    for stretch in config.stretches:
        n_rows = len(task.rows(shards, stretch.context, config.seed))
        wanted = (stretch.stop_step - stretch.first_step) * stretch.batch_rows
        total += wanted / n_rows if n_rows else math.inf
    return total
