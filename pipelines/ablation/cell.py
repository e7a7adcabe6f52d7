"""A cell: a model trained on an arm from a seed, and all that it was asked. Finished cells are not done again."""

import csv
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from corpus.manifest import FileInfo, Manifest, ShardInfo
from corpus.storage import sha256_of
from pipelines.ablation import evaluation
from pipelines.ablation.sections import Ablation
from pipelines.ablation.tokens import opened, tokens_name, vocabulary_name
from pipelines.artifact import Built, Place, Workshop
from pipelines.tokens_step import local_folder
from pipelines.training_plan import planned_objective, training_config
from pipelines.training_step import FINAL, RUN_ONLY, fitted, forget_other_builds, objective_identity
from tokenizer import vocab
from training.config import TrainingConfig
from training.evaluation import results
from training.evaluation.battery import Battery, measured
from training.objective import Objective

ITEMS, CURVE = "items.parquet", "held_out.csv"


def cell_name(model: str, arm: str, seed: int) -> str:
    """The artifact of a cell."""
    return f"cell/{model}/{arm}/{seed}"


@dataclass(frozen=True)
class CellStep:
    """The weights, their scores item by item, and the curve of held-out measures against tokens."""

    ablation: Ablation
    model: str
    arm: str
    seed: int
    kind: ClassVar[str] = "cell"
    version: ClassVar[int] = 1

    @property
    def name(self) -> str:
        return cell_name(self.model, self.arm, self.seed)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Vocabulary, tokens, and what is asked."""
        words = vocabulary_name(self.ablation, self.model, self.arm)
        return (words, tokens_name(self.model, self.arm), evaluation.NAME)

    def raw_inputs(self) -> Mapping[str, Any]:
        """Nothing from outside."""
        return {}

    @cached_property
    def task(self) -> Objective:
        """The objective, with the special tokens of the vocabulary that was planned."""
        return planned_objective(self.ablation.trains(self.model, self.seed))

    @cached_property
    def config(self) -> TrainingConfig:
        """What trains the model: measured `points` times on the way, on one thread, for cells run side by side."""
        asked = self.ablation.trains(self.model, self.seed)
        config = training_config(asked, asked.tokenizer.vocab_size)
        every = max(1, config.steps // self.ablation.evaluation.points)
        run = replace(config.run, evaluate_every=every, loggers=(), threads=config.run.threads or 1)
        return replace(config, run=run)

    def recipe(self) -> Mapping[str, Any]:
        """What the trainer will do, and how often it is measured."""
        said = {"training": self.config.identity(), "objective": objective_identity(self.task)}
        return {**said, "points": self.ablation.evaluation.points, "step_version": self.version}

    def plan(self, inputs: Mapping[str, Manifest]) -> None:
        """None: it is no corpus."""

    def build(self, shop: Workshop) -> Built:
        """Trains, or goes on training; then asks."""
        folder, (words, tokens, _) = local_folder(shop.folder), self.inputs
        forget_other_builds(folder, shop.fingerprint)
        trained_vocab = vocab.load(shop.place.folder(words))
        shards = opened(shop.place, tokens, trained_vocab.size)
        asked = evaluation.battery(shop.place)
        documents = [(doc.text, name) for name, docs in asked.of("held_out").items() for doc in docs]

        def told(step: int, loss: float, speed: float) -> None:
            shop.lease.check()
            n_tokens = self.config.tokens_after(step)
            shop.progress(self.name, step, self.config.steps, n_tokens, "tokens", f"loss {loss:.3f}")

        found = fitted(
            self.config, shards, shop.inputs[tokens].fingerprint, trained_vocab, folder, held_out=documents,
            at_the_end=False, on_progress=told, before_saving=shop.lease.check,
        )  # fmt: skip
        scores = self._asked(folder, trained_vocab, asked)
        shop.lease.check()
        results.write(folder / ITEMS, scores)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        costs = {key: found[key] for key in RUN_ONLY if key in found}
        kept = {key: found[key] for key in ("n_params", "steps", "tokens", "loss")}
        values = {name: score.value for name, score in scores.items()}
        few = "".join(f", {name} {value:.4f}" for name, value in list(values.items())[:3])
        says = f"{found['tokens']:,} tokens, loss {found['loss']:.3f}{few}"
        made = files(folder, (*FINAL, ITEMS, CURVE))
        return Built(shards=(made,), measures={**kept, "scores": values, "says": says}, costs=costs)

    def _asked(self, folder: Path, words: vocab.Vocab, asked: Battery) -> dict[str, results.Scores]:
        from training import weights

        model, task = weights.trained(folder).model, self.config.task(words.specials)
        return measured(model, words, task, asked, self.ablation.seed)


def files(folder: Path, names: Sequence[str]) -> ShardInfo:
    """What a manifest says of those files that there are."""
    there = [folder / name for name in names if (folder / name).exists()]
    infos = {path.name.partition(".")[0]: FileInfo(path.name, path.stat().st_size, sha256_of(path)) for path in there}
    return ShardInfo(0, infos)


def result(place: Place, name: str, config: TrainingConfig) -> results.CellResult:
    """What a cell has scored, and on its way there; its end is that of the scores."""
    folder = local_folder(place.folder(name))
    scores = results.read(folder / ITEMS)
    curve: list[tuple[int, str, float]] = []
    if (folder / CURVE).exists():
        with (folder / CURVE).open(encoding="utf-8") as file:
            rows = [(int(row["step"]), row["measure"], float(row["value"])) for row in csv.DictReader(file)]
        curve = [(config.tokens_after(step), measure, value) for step, measure, value in rows if step < config.steps]
    end = config.tokens_after(config.steps)
    ends = [(end, name, score.value) for name, score in scores.items() if name in {measure for _, measure, _ in curve}]
    return results.CellResult(scores, [*curve, *ends])
