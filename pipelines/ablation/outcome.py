"""The step that compares: every cell's scores in, a verdict out."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from corpus.canonical import canonical_json
from corpus.errors import DataError
from corpus.manifest import Manifest
from pipelines.ablation import evaluation
from pipelines.ablation.cell import CellStep, files
from pipelines.ablation.controls import ControlsStep
from pipelines.ablation.corpora import corpus_place, manifests
from pipelines.ablation.finetuned import FineTunedStep
from pipelines.ablation.gate import judged
from pipelines.ablation.scores import ITEMS, ScoresStep
from pipelines.ablation.sections import Ablation
from pipelines.ablation.tokens import tokens_name
from pipelines.ablation.trainings import Cell
from pipelines.ablation.verdict import verdict
from pipelines.artifact import Built, Place, Workshop
from pipelines.names import DEDUPED, EXTRACTED, PAGES, VERDICT
from pipelines.tokens_step import local_folder
from pipelines.training_plan import model_told, rows_told, training_config
from training.evaluation import results

RULE = (
    "An item is left out, for all arms alike, where {:.0%} of its words or more stand in 13-grams that are also in the "
    "training text of some arm (Touvron et al. 2023, appendix A.6; Brown et al. 2020, appendix C)."
)
FOUND, ABOUT = "verdict.json", "about.json"


@dataclass(frozen=True)
class VerdictStep:
    """verdict.json, and in about.json what was compared."""

    ablation: Ablation
    scores: tuple[ScoresStep, ...]
    finetuned: tuple[FineTunedStep, ...]
    controls: tuple[ControlsStep, ...]
    name: ClassVar[str] = VERDICT
    kind: ClassVar[str] = "verdict"
    version: ClassVar[int] = 1

    @property
    def inputs(self) -> tuple[str, ...]:
        """All that was scored, and what it was made from."""
        tokens = [tokens_name(model, arm) for model in self.ablation.models for arm in self.ablation.arms]
        cells = [step.cell.name for step in self.scores]
        names = [step.name for steps in (self.scores, self.finetuned, self.controls) for step in steps]
        return (*cells, *names, evaluation.NAME, *tokens)

    def raw_inputs(self) -> Mapping[str, Any]:
        """Nothing from outside."""
        return {}

    def recipe(self) -> Mapping[str, Any]:
        """What is compared with what, and what the gate asks for, if there is one."""
        arms = {name: arm.model_dump(mode="json", exclude={"set"}) for name, arm in self.ablation.arms.items()}
        gate = self.ablation.gate
        return {
            "arms": [[name, said] for name, said in arms.items()],
            "baseline": self.ablation.baseline,
            "unfiltered": self.ablation.unfiltered,
            "step_version": self.version,
            **({} if gate is None else {"gate": gate.model_dump(mode="json")}),
        }

    def plan(self, inputs: Mapping[str, Manifest]) -> None:
        """None: it is no corpus."""

    def build(self, shop: Workshop) -> Built:
        """Compares, and judges by the gate; DataError where trainings of one model did not read as much."""
        _check_equal([step.cell for step in self.scores], shop)
        names = {step.task for step in self.finetuned}
        suites = {f"finetune/{name}": evaluation.fine_task(shop.place, name).suite for name in names}
        said = verdict(
            {_cell(step.cell): step.result() for step in self.scores},
            self._tuned(shop.place),
            arms=list(self.ablation.arms),
            baseline=self.ablation.baseline,
            unfiltered=self.ablation.unfiltered,
            doses=self.doses,
            controls={step.cell.model: _controls(shop.inputs[step.name]) for step in self.controls},
            suites=suites,
        )
        n_found = sum(one["found"] for one in said["comparisons"])
        says = f"{n_found} differences found in {len(said['comparisons'])} comparisons"
        if self.ablation.gate is not None:
            said["gate"] = judged(self.ablation.gate, said)
            says += f", the gate {'holds' if said['gate']['holds'] else 'does not hold'}"
        shop.folder.write(FOUND, canonical_json(said))
        shop.folder.write(ABOUT, canonical_json(about(self.ablation, shop.place)))
        return Built(shards=(files(local_folder(shop.folder), (FOUND, ABOUT)),), measures={"says": says})

    @property
    def doses(self) -> dict[float, str]:
        """The arms that put documents back into the baseline, by share; all from the arm that the first puts back."""
        back = {name: arm.put_back for name, arm in self.ablation.arms.items() if arm.like == self.ablation.baseline}
        among = next((entry.among for entry in back.values() if entry), None)
        return {entry.share: name for name, entry in back.items() if entry and entry.among == among}

    def _tuned(self, place: Place) -> dict[Cell, results.CellResult]:
        found: dict[Cell, dict[str, results.Scores]] = {}
        for step in self.finetuned:
            scores = results.read(local_folder(place.folder(step.name)) / ITEMS)
            found.setdefault(_cell(step.cell), {}).update(scores)
        return {cell: results.CellResult(scores, ()) for cell, scores in found.items()}


def _cell(cell: CellStep) -> Cell:
    return cell.model, cell.arm, cell.seed


READ_WITHIN = 0.01
"""By how much the tokens that two arms read may differ: objectives that fill rows up read what fits."""


def _check_equal(cells: Sequence[CellStep], shop: Workshop) -> None:
    """DataError where trainings of one model differ in what they read or in the precision of their sums."""
    first: dict[str, tuple[str, int, str]] = {}
    for cell in cells:
        read = int(shop.inputs[cell.name].measures["read"])
        precision = str(json.loads(shop.place.folder(cell.name).read("run.json")).get("precision"))
        name, tokens, before = first.setdefault(cell.model, (cell.name, read, precision))
        if abs(read - tokens) > READ_WITHIN * tokens:
            raise DataError(
                f"{cell.name} read {read:,} tokens and {name} {tokens:,}: arms that differ in tokens do not compare; "
                f"take an objective that fills rows alike, or longer documents"
            )
        if precision != before:
            raise DataError(
                f"{cell.name} was trained in {precision} and {name} in {before}, on another machine; set "
                f"models.{cell.model}.training.precision and run again"
            )


def _controls(made: Manifest) -> dict[str, Mapping[str, float]]:
    return {kind: values for kind, values in made.measures.items() if kind != "says"}


def about(ablation: Ablation, place: Place) -> dict[str, Any]:
    """What was compared: arms, corpora, budgets, what was left out of the evaluation."""
    made = place.need(evaluation.NAME)
    return {
        "arms": {arm: _arm(ablation, place, arm) for arm in ablation.arms},
        "corpora": {arm: _corpus(ablation, place, arm) for arm in ablation.built},
        "budget": {model: _budget(ablation, model) for model in ablation.models},
        "contamination": {"sets": made.measures["sets"], "rule": RULE.format(ablation.evaluation.max_overlap)},
        "seeds": ablation.pretraining_seeds,
        "version": place.version,
    }


def _arm(ablation: Ablation, place: Place, arm: str) -> dict[str, Any]:
    entry = ablation.arms[arm]
    model = next(iter(ablation.models))
    measures = place.need(tokens_name(model, arm)).measures
    cell = place.need(f"cell/{model}/{arm}/{ablation.seed}").measures
    says = entry.says
    if not says and entry.put_back is not None:
        says = f"{entry.like} with {entry.put_back.share:.0%} of what {entry.put_back.among} has more put back"
    return {
        "says": says or ", ".join(f"{path}: {value}" for path, value in entry.set.items()),
        "corpora": list(manifests(ablation, place, arm)),
        "documents": measures["n_documents"],
        "tokens": measures["n_tokens"],
        "epochs": cell["epochs"],
    }


def _corpus(ablation: Ablation, place: Place, arm: str) -> dict[str, Any]:
    lies = corpus_place(place, arm)
    dropped: Counter[str] = Counter()
    for name in (EXTRACTED, PAGES, DEDUPED):
        dropped.update({t.drop_reason: t.documents for t in lies.need(name).tally if t.drop_reason is not None})
    kept = lies.need(DEDUPED)
    return {"read": lies.need(EXTRACTED).read, "kept": kept.kept, "kept_bytes": kept.kept_bytes, "dropped": dropped}


def _budget(ablation: Ablation, model: str) -> dict[str, Any]:
    asked = ablation.trains(model, ablation.seed)
    config = training_config(asked, asked.tokenizer.vocab_size)
    told = {"model": model_told(asked), "rows": rows_told(asked)}
    return {**told, "steps": config.steps, "tokens": config.tokens_after(config.steps)}
