"""The line that schedulers ask for is that of the steps."""

import pytest

from corpus.storage import Folder
from pipelines.line import line_of, made_from
from pipelines.recipe import load, shipped
from pipelines.steps import steps_of


@pytest.mark.parametrize("name", shipped())
def test_as_the_steps_have_it(name: str) -> None:
    recipe = load(name)
    steps = steps_of(recipe, None, Folder("memory://line"))
    assert dict(line_of(recipe)) == {step.name: step.inputs for step in steps}


def test_made_from_what_it_needs_and_nothing_else() -> None:
    line = line_of(load("demo"))
    assert made_from(line, "corpus/heldout") == ["corpus/extracted", "corpus/pages", "corpus/deduped", "corpus/heldout"]
    assert made_from(line, "checkpoint/main") == list(line)


def test_a_vocabulary_of_another_run_needs_no_mixture() -> None:
    assert line_of(load("demo", ["tokenizer.reuse={root: runs/other}"]))["vocab/main"] == ()
