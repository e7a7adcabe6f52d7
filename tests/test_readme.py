"""What the README shows can be done: its command lines run, its YAML loads, its links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest
from engine_runs import require
from small_run import Finished, millstream

from pipelines.engines.datatrove.settings import DatatroveSettings
from pipelines.engines.spark.settings import SparkSettings
from pipelines.recipe import load, shipped

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
MAIN_PAGES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
PAGES = (
    *MAIN_PAGES,
    "docs/ablation.md",
    "docs/extraction.md",
    "docs/airflow.md",
    "docs/snapshots.md",
    "docs/evaluation_data.md",
    "docs/broken-archives.md",
    "docs/scale.md",
    "docs/budget.md",
    "docs/models.md",
    "docs/mixtures.md",
    "docs/nodes.md",
    "docs/training.md",
    "docs/attention.md",
    "docs/tokens.md",
    "samples/README.md",
)
BLOCKS = re.findall(r"^    (?:\.venv/bin/)?(millstream .*)$", README, re.MULTILINE)
COMMANDS = sorted({line.split("#")[0].strip() for line in BLOCKS})


def test_the_readme_shows_every_command() -> None:
    assert {line.split()[1] for line in COMMANDS} == {
        *("init", "plan", "run", "show", "explain", "verify", "report", "generate", "export", "budget", "train")
    }


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_line_of_the_readme(
    line: str, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run as it stands, beside a small recipe under the name that the README uses and the run that was made from it."""
    require("spark" if "--engine spark" in line else "local")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "small").symlink_to(finished.root)
    (tmp_path / "web").symlink_to(finished.recipe.parent / "web")
    (tmp_path / "my_corpus.yaml").write_text(finished.recipe.read_text())
    words = shlex.split(line.replace("URL", "http://planted.example/first"))[1:]
    redirected = words.index(">") if ">" in words else len(words)
    if words[:2] == ["train", "demo"]:  # minutes
        words = ["train", "my_corpus.yaml", "--root", "runs/small"]
    words = [word if word != "runs/try" else str(tmp_path / "try") for word in words[:redirected]]
    said = millstream(*words)
    assert (said.code, said.err) == (0, "")
    assert said.out


def test_settings_of_engines_that_the_readme_shows_are_known() -> None:
    """Those of clusters, which cannot be run here as they stand."""
    lines = "".join(re.findall(r"```bash\n(.*?)```", README, re.DOTALL)).replace("\\\n", " ").splitlines()
    known = {"spark": SparkSettings.of, "datatrove": DatatroveSettings.parsed}
    shown = [(re.findall(r"--engine (\w+)", line), re.findall(r"--engine-set (\S+)", line)) for line in lines]
    for engines, settings in shown:
        for engine in engines:
            known[engine](settings)
    assert sum(bool(settings) for _, settings in shown) == 4


def test_the_yaml_of_the_readme_loads(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    recipe = tmp_path / "my_corpus.yaml"
    recipe.write_text(text.replace(', {rule: "mypackage.rules:Mine", threshold: 3}', ""))
    assert load(str(recipe)).name == "my_corpus"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text())
    files = [link for link in links if "://" not in link]
    assert [link for link in files if not (ROOT / page).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("page", MAIN_PAGES)
def test_files_that_are_named_exist(page: str) -> None:
    """`pipelines/steps.py` is a file; `engines/pool.py`, in a sentence on pipelines, is one there."""
    names = re.findall(r"`([\w/]+/\w+\.(?:py|yaml|md|toml))`", (ROOT / page).read_text())
    assert [name for name in names if not (ROOT / name).exists() and not (ROOT / "pipelines" / name).exists()] == []


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_recipe_is_planned(name: str, tmp_path: Path) -> None:
    said = millstream("plan", name, "--root", tmp_path / "root")
    assert (said.code, said.err) == (0, "")
    assert "corpus/deduped@dev" in said.out
