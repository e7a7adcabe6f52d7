"""What docs/ablation.md and the README say of ablations: recipes load, commands parse, figures are as computed."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from pipelines import yaml12
from pipelines.ablation.sections import Ablation
from pipelines.recipe import load_as, shipped
from training.evaluation.statistics import Comparison

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "ablation.md").read_text()
RECIPE, *FRAGMENTS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_recipe_is_whole(tmp_path: Path) -> None:
    (tmp_path / "end_marks.yaml").write_text(RECIPE)
    ablation = load_as(Ablation, str(tmp_path / "end_marks.yaml"))
    assert [*ablation.built] == ["clean", "no_end_mark"]
    rules = [recipe.corpus.rules[0].fields for recipe in ablation.built.values()]
    assert [fields.get("without") for fields in rules] == [None, ["end_mark"]]


def test_arms_finetuning_and_gate_fit_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "end_marks.yaml").write_text(RECIPE)
    sections = {name: value for text in FRAGMENTS for name, value in yaml12.read(text).data.items()}
    assert [*sections] == ["arms", "finetuning", "gate"]
    over = [f"{name}={value!r}" for name, value in sections.items()]  # a Python literal of these is YAML
    other = ["vocabulary=[clean]", "evaluation.held_out={clean: clean, raw: unfiltered}"]
    ablation = load_as(Ablation, str(tmp_path / "end_marks.yaml"), [*over, *other])
    assert set(ablation.arms) - set(ablation.built) == {"rejects_10"}


@pytest.mark.parametrize(
    "page", ["README.md", *(f"pipelines/recipes/ablations/{name}.yaml" for name in shipped("ablations"))]
)
def test_a_command_that_is_shown_names_what_there_is(page: str) -> None:
    text = (ROOT / page).read_text().replace("\\\n#", " ").replace("\\\n", " ")
    (line,) = re.findall(r"^#? *millstream ablate (.*)$", text, re.MULTILINE)
    recipe, *words = shlex.split(line)
    sets = [value for flag, value in pairwise(words) if flag == "--set"]
    ablation = load_as(Ablation, recipe, sets)
    ablation.require_inputs()
    wants_data = ablation.gate is None  # what is shipped with a gate asks nothing but held-out text
    assert (ablation.evaluation.data == "/data/eval") is wants_data
    assert bool(ablation.evaluation.neutral) is wants_data


def test_the_smallest_effects_are_those_of_the_statistics() -> None:
    head, *rows = re.findall(r"^\| (seeds|\d+) \| (.*) \|$", PAGE[PAGE.index("| seeds | 1 ") :], re.MULTILINE)[:5]
    families = [int(re.sub(r"\D", "", cell)) for cell in head[1].split(" | ")]
    assert len(rows) == 4
    for seeds, cells in rows:
        n = int(seeds)
        one = Comparison(difference=0, error=1, low=0, high=0, p=1, effect_sd=None, seeds=n, items=1)
        effects = [one.smallest_effect(family) for family in families]
        assert cells.split(" | ") == [f"{effect:.1f} ({effect / n**0.5:.1f})" for effect in effects]


@pytest.mark.parametrize("page", ["ablation.md", "evaluation_data.md"])
def test_links_of_the_pages_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)", (ROOT / "docs" / page).read_text())
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
