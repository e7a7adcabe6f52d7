"""Cells, as they are killed, gone on with, done again and added to: always the same bytes, and nothing done twice."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from small_ablation import MODELS, TUNING, Small, recipe, sentence, write_pairs, write_world, written
from waiting import soon

from pipelines.ablation.graph import Graph
from pipelines.runner import statuses

ROOT = Path(__file__).parents[2]
ARMS = ("clean", "unfiltered", "rejects_50")
CELLS = {seed: [f"cell/decoder/{arm}/{seed}" for arm in ARMS] for seed in (17, 18, 19)}
TUNED = TUNING | {"models": ["decoder"], "arms": ["clean"]}


def kill_when(small: Small, moment: Path, workers: int) -> None:
    """Runs the ablation in a process group of its own and kills all of it when the file is there."""
    command = [sys.executable, "-m", "pipelines", *map(str, small.words(workers=workers))]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        soon(lambda: moment.exists() or process.poll() is not None, str(moment), 120)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        _, err = process.communicate()
    assert process.returncode == -signal.SIGKILL, err.decode()


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    """What was built, or built again."""
    return {name for name, said in after.items() if before.get(name) != said}


def test_there_is_a_cell_for_each_model_arm_and_seed(ablated: Small) -> None:
    wanted = {name.replace("decoder", model) for model in MODELS for seed in (17, 18) for name in CELLS[seed]}
    assert set(ablated.builds("cell")) == wanted


def test_done_again_nothing_is_built(ablated: Small, tmp_path: Path) -> None:
    again = ablated.copied(tmp_path).done()
    assert again.builds() == ablated.builds()
    assert "trainings: 18 of 18 done already" in again.said.out


def test_killed_in_a_cell_it_goes_on_with_that_cell(ablated: Small, world: Path, tmp_path: Path) -> None:
    """A third seed is asked for and the cells of the second are lost: six are to be made, and the kill is in the second
    of them. What was lost comes back byte for byte, by two workers where one had made it."""
    small = ablated.copied(tmp_path, recipe(world, seeds=3, finetuning=TUNED))
    first, second, _ = CELLS[18]
    for name in CELLS[18]:
        shutil.rmtree(small.root / name)
    kill_when(small, small.root / second / "dev/training.fingerprint", workers=1)
    before = small.builds()
    assert changed(ablated.builds(), before) == {first}
    done = small.done(workers=2)
    assert changed(before, done.builds()) == {*CELLS[18][1:], *CELLS[19], "verdict/main"}
    for name in CELLS[18]:
        assert done.results(name) == ablated.results(name)
    found = done.json("verdict/main/dev/verdict.json")
    assert found["seeds"] == [17, 18, 19]
    assert {one["seeds"] for one in found["comparisons"]} == {3}


@pytest.mark.slow
def test_from_scratch_elsewhere_it_comes_to_the_same_bytes(ablated: Small, world: Path, tmp_path: Path) -> None:
    """Killed in the corpora and in the cells, and by two workers where one did the other."""
    data = recipe(world, models=MODELS, finetuning=TUNING)
    small = Small(written(tmp_path, data), tmp_path / "root")
    kill_when(small, small.root / "corpora/unfiltered/corpus/pages/dev", workers=2)
    kill_when(small, small.root / "cell/encoder/clean/17/dev/manifest.json", workers=2)
    assert small.done(workers=2).results("") == ablated.results("")


def test_another_item_changes_what_is_asked(ablated: Small, tmp_path: Path) -> None:
    """Vocabularies and tokens stay. A cell is whole only with its scores, so it is made again."""
    elsewhere = write_world(tmp_path / "world")
    write_pairs(elsewhere, [sentence(4, n) for n in range(5)])
    small = ablated.copied(tmp_path, recipe(elsewhere, models=MODELS, finetuning=TUNING))
    graph = Graph(small.ablation(), small.place)
    todo = statuses([*graph.vocabularies(), *graph.tokens(), graph.evaluation(), *graph.cells()], small.place)
    assert {status.step.kind for status in todo if status.state == "done"} == {"vocabulary", "tokens"}
    assert {status.step.kind for status in todo if status.state == "would run"} == {"evaluation", "cell"}
