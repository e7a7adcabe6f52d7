"""What trains a model again: every field of its objective, defaults too, and its version."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.recipe import load
from pipelines.training_plan import planned_objective
from pipelines.training_step import TrainingStep, objective_identity
from training.objectives.masked import Masked


def recipe_of(*changes: str) -> dict[str, object]:
    return dict(TrainingStep(load("tiny_bert", list(changes))).recipe())


def test_the_recipe_holds_the_objective_s_fields(tmp_path: Path) -> None:
    said = recipe_of("training.objective=masked")["objective"]
    assert said == {
        "name": "masked", "version": 1, "density": 0.15, "max_predictions": None, "whole_words": False,
        "static_copies": 10, "document_mask": False,
    }  # fmt: skip
    assert recipe_of("training.objective={name: masked, density: 0.15}")["objective"] == said
    assert recipe_of("training.objective={name: masked, density: 0.4}")["objective"] != said


def test_a_raised_version_and_a_changed_default_make_another_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    task = planned_objective(load("tiny_bert", ["training.objective=masked"]))
    assert isinstance(task, Masked)
    before = objective_identity(task)
    assert objective_identity(replace(task, static_copies=5)) == before | {"static_copies": 5}
    monkeypatch.setattr(Masked, "version", 2)
    assert recipe_of("training.objective=masked")["objective"] == before | {"version": 2}
