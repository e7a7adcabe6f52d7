"""A cell: a model trained on an arm from a seed. What is asked of it later changes nothing here, so that finished cells
are not trained again when a question is added."""

import csv
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from corpus.manifest import FileInfo, Manifest, ShardInfo
from corpus.storage import sha256_of
from pipelines.ablation import evaluation
from pipelines.ablation.sections import Ablation
from pipelines.ablation.tokens import epochs, opened, tokens_name, vocabulary_name
from pipelines.artifact import Built, Place, Workshop
from pipelines.tokens_step import local_folder
from pipelines.training_plan import planned_objective, training_config
from pipelines.training_step import FINAL, RUN_ONLY, fitted, forget_other_builds, objective_identity
from tokenizer import vocab
from training.config import TrainingConfig
from training.evaluation.battery import HELD_OUT, Battery
from training.objective import Objective

if TYPE_CHECKING:
    from training.evaluation.share import Share
    from training.models import Model

CURVE = "held_out.csv"


@dataclass(frozen=True)
class CellStep:
    """The weights, and the curve of held-out measures against tokens."""

    ablation: Ablation
    place: Place
    model: str
    arm: str
    seed: int
    kind: ClassVar[str] = "cell"
    version: ClassVar[int] = 2

    @property
    def name(self) -> str:
        return f"cell/{self.model}/{self.arm}/{self.seed}"

    @property
    def words(self) -> str:
        """The vocabulary's artifact."""
        return vocabulary_name(self.ablation, self.model, self.arm)

    @property
    def tokens(self) -> str:
        """The tokens' artifact."""
        return tokens_name(self.model, self.arm)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Vocabulary and tokens."""
        return (self.words, self.tokens)

    def raw_inputs(self) -> Mapping[str, Any]:
        """The texts of the curve, by content."""
        return {"held_out": evaluation.digest(self.place, HELD_OUT)}

    @cached_property
    def task(self) -> Objective:
        """The objective, with the special tokens of the vocabulary that was planned."""
        return planned_objective(self.ablation.trains(self.model, self.seed))

    @cached_property
    def config(self) -> TrainingConfig:
        """What trains the model: measured `points` times, its end among them; on one thread unless the recipe says
        otherwise, for cells run side by side."""
        asked = self.ablation.trains(self.model, self.seed)
        config = training_config(asked, asked.tokenizer.vocab_size)
        every = -(-config.steps // self.ablation.evaluation.points)
        return replace(
            config, run=replace(config.run, evaluate_every=every, loggers=(), threads=config.run.threads or 1)
        )

    def recipe(self) -> Mapping[str, Any]:
        """What the trainer will do, and how often it is measured."""
        said = {"training": self.config.identity(), "objective": objective_identity(self.task)}
        return {**said, "points": self.ablation.evaluation.points, "step_version": self.version}

    def plan(self, inputs: Mapping[str, Manifest]) -> None:
        """None: it is no corpus."""

    def build(self, shop: Workshop) -> Built:
        """Trains, or goes on training."""
        from training.evaluation.measured import measured

        folder = local_folder(shop.folder)
        forget_other_builds(folder, shop.fingerprint)
        words = vocab.load(shop.place.folder(self.words))
        texts = Battery({HELD_OUT: evaluation.battery(shop.place).of(HELD_OUT)})
        task = self.config.task(words.specials)

        def figures(model: "Model", _: "Share") -> dict[str, float]:
            scores = measured(model, words, task, texts, self.ablation.seed)
            return {name: score.value for name, score in scores.items()}

        def told(step: int, loss: float, speed: float) -> None:
            shop.lease.check()
            n_tokens = self.config.tokens_after(step)
            shop.progress(self.name, step, self.config.steps, n_tokens, "tokens", f"loss {loss:.3f}")

        shards = opened(shop.place, self.tokens, words.size)
        found = fitted(
            self.config, shards, shop.inputs[self.tokens].fingerprint, words,
            folder, held_out=(), figures=figures, on_progress=told, before_saving=shop.lease.check,
        )  # fmt: skip
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        costs = {key: found[key] for key in RUN_ONLY if key in found}
        read = sum(int(source["tokens"]) for source in found["sources"].values())
        times = epochs(self.config, task, shards)
        kept = {key: found[key] for key in ("n_params", "steps", "tokens", "loss")}
        says = f"{found['tokens']:,} tokens, loss {found['loss']:.3f}"
        made = files(folder, (*FINAL, CURVE))
        return Built(shards=(made,), measures={**kept, "read": read, "epochs": times, "says": says}, costs=costs)

    def curve(self) -> list[tuple[int, str, float]]:
        """(tokens, measure, value) on the way."""
        path = local_folder(self.place.folder(self.name)) / CURVE
        if not path.exists():
            return []
        with path.open(encoding="utf-8") as file:
            rows = [(int(row["step"]), row["measure"], float(row["value"])) for row in csv.DictReader(file)]
        return [(self.config.tokens_after(step), measure, value) for step, measure, value in rows]


def files(folder: Path, names: Sequence[str]) -> ShardInfo:
    """What a manifest says of those files that there are."""
    there = [folder / name for name in names if (folder / name).exists()]
    infos = {path.name.partition(".")[0]: FileInfo(path.name, path.stat().st_size, sha256_of(path)) for path in there}
    return ShardInfo(0, infos)
