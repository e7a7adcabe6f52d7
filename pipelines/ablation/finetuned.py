"""What a cell's model learns from labelled examples: one artifact for each task."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from corpus.manifest import Manifest
from pipelines.ablation import evaluation
from pipelines.ablation.cell import CellStep, files
from pipelines.ablation.scores import ITEMS, ready
from pipelines.artifact import Built, Workshop
from pipelines.tokens_step import local_folder
from tokenizer import vocab
from training.adapt.settings import FineTuning
from training.evaluation import results

PREDICTIONS = "predictions.jsonl"


@dataclass(frozen=True)
class FineTunedStep:
    """Predictions for the dev items of a task, and their score."""

    cell: CellStep
    task: str
    kind: ClassVar[str] = "finetuned"
    version: ClassVar[int] = 1

    @property
    def name(self) -> str:
        return f"finetuned/{self.cell.model}/{self.cell.arm}/{self.cell.seed}/{self.task}"

    @property
    def inputs(self) -> tuple[str, ...]:
        """The cell and its vocabulary."""
        return (self.cell.name, self.cell.words)

    def raw_inputs(self) -> Mapping[str, Any]:
        """The task, by content."""
        return {"task": evaluation.task_digest(self.cell.place, self.task)}

    @property
    def how(self) -> FineTuning:
        """The settings, with the seed of the pretraining."""
        asked = self.cell.ablation.finetuning
        assert asked is not None
        return FineTuning(
            epochs=asked.epochs,
            batch=asked.batch,
            max_examples=asked.max_examples,
            learning_rate=asked.learning_rate.get(self.cell.model),
            seed=self.cell.seed,
        )

    def recipe(self) -> Mapping[str, Any]:
        """The task and the settings."""
        return {"task": self.task, "finetuning": vars(self.how), "step_version": self.version}

    def plan(self, inputs: Mapping[str, Manifest]) -> None:
        """None: it is no corpus."""

    def build(self, shop: Workshop) -> Built:
        """Fine-tunes a copy of the cell's model."""
        from training.adapt.finetune import finetune
        from training.evaluation import metrics

        words, task = vocab.load(shop.place.folder(self.cell.words)), evaluation.fine_task(shop.place, self.task)
        model, objective = ready(self.cell), self.cell.config.objective

        def told(step: int, steps: int, loss: float) -> None:
            shop.lease.check()
            shop.progress(self.name, step, steps, step * self.how.batch, "examples", f"loss {loss:.3f}")

        found = finetune(model, words, task, self.how, objective=objective, on_progress=told)
        score = metrics.score(task, found.predictions)
        folder = local_folder(shop.folder)
        folder.mkdir(parents=True, exist_ok=True)
        said = zip(found.ids, found.predictions, found.gold, strict=True)
        lines = [json.dumps({"id": i, "predicted": predicted, "gold": gold}) for i, predicted, gold in said]
        shop.folder.write(PREDICTIONS, "".join(f"{line}\n" for line in lines).encode())
        results.write(folder / ITEMS, {f"finetune/{self.task}": self._scores(task.metrics, found, score)})
        says = f"{task.name} {score:.3f} ({', '.join(task.metrics)})"
        measures = {
            **metrics.scores(task, found.predictions),
            "score": score,
            "truncated": found.truncated,
            "says": says,
        }
        return Built(shards=(files(folder, (PREDICTIONS, ITEMS)),), measures=measures, costs={"seconds": found.seconds})

    @staticmethod
    def _scores(names: tuple[str, ...], found: Any, score: float) -> results.Scores:
        """Item by item where the score is a mean over items, else the score by itself."""
        if names != ("accuracy",):
            return results.Scores(("all",), np.array([score]), np.ones(1))
        right = np.array([p == g for p, g in zip(found.predictions, found.gold, strict=True)], np.float64)
        return results.Scores(found.ids, right, np.ones(len(right)))
