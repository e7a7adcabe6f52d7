"""The steps of an ablation after its corpora, in the order in which they are made."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from pipelines.ablation.cell import CellStep
from pipelines.ablation.controls import ControlsStep
from pipelines.ablation.evaluation import EvaluationStep
from pipelines.ablation.finetuned import FineTunedStep
from pipelines.ablation.scores import ScoresStep
from pipelines.ablation.sections import Ablation
from pipelines.ablation.tokens import ArmTokensStep, VocabularyStep, vocabulary_name
from pipelines.artifact import Place, Step


@dataclass(frozen=True)
class Graph:
    """Groups of steps: those of a group do not need each other."""

    ablation: Ablation
    place: Place

    def vocabularies(self) -> list[Step]:
        """One for each model, or for each model and arm."""
        asked, found = self.ablation.vocabulary, {}
        for model in self.ablation.models:
            for arm in self.ablation.arms:
                name = vocabulary_name(self.ablation, model, arm)
                arms = (arm,) if asked == "each" else tuple(asked)
                found[name] = VocabularyStep(self.ablation, self.place, model, name, arms)
        return [*found.values()]

    def tokens(self) -> list[Step]:
        """Of each arm for each model."""
        return [
            ArmTokensStep(self.ablation, self.place, model, arm)
            for model in self.ablation.models
            for arm in self.ablation.arms
        ]

    @cached_property
    def evaluation(self) -> EvaluationStep:
        """What is asked; the user's files are read once."""
        return EvaluationStep(self.ablation, self.place)

    def cells(self) -> list[CellStep]:
        """Seed after seed, so that a run that is cut short has compared all arms."""
        return [
            CellStep(self.ablation, self.place, model, arm, seed)
            for seed in self.ablation.pretraining_seeds
            for model in self.ablation.models
            for arm in self.ablation.arms
        ]

    def scores(self) -> list[ScoresStep]:
        """One for each cell."""
        return [ScoresStep(cell) for cell in self.cells()]

    def controls(self) -> list[ControlsStep]:
        """One for each model."""
        first = {cell.model: cell for cell in reversed(self.cells()) if cell.arm == self.ablation.baseline}
        return [ControlsStep(first[model]) for model in self.ablation.models]

    def finetuned(self) -> list[FineTunedStep]:
        """Each task from the first pretrainings."""
        tuning = self.ablation.finetuning
        tasks = dict.fromkeys(tuning.tasks if tuning else ())
        return [FineTunedStep(cell, task) for cell in self._tuned() for task in tasks]

    def _tuned(self) -> Iterator[CellStep]:
        asked = self.ablation.finetuning
        if asked is None:
            return
        models, arms = asked.models or tuple(self.ablation.models), asked.arms or tuple(self.ablation.arms)
        seeds = self.ablation.pretraining_seeds[: asked.seeds]
        yield from (c for c in self.cells() if c.model in models and c.arm in arms and c.seed in seeds)
