"""Cells, as they are killed, gone on with, done again and added to: always the same bytes, and nothing done twice."""

import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from small_ablation import (
    MODELS,
    TUNING,
    Small,
    recipe,
    sentence,
    write_neutral,
    write_pairs,
    write_rows,
    write_world,
    written,
)
from waiting import soon

from pipelines.ablation.graph import Graph
from pipelines.runner import statuses
from pipelines.session import working

ROOT = Path(__file__).parents[2]
ARMS = ("clean", "unfiltered", "rejects_50")
CELLS, SCORES = (
    {seed: [f"{kind}/decoder/{arm}/{seed}" for arm in ARMS] for seed in (17, 18, 19)} for kind in ("cell", "scores")
)
TUNED = TUNING | {"models": ["decoder"], "arms": ["clean"]}


def kill_when(small: Small, *moments: str, workers: int = 2, sets: Sequence[str] = ()) -> None:
    """Runs the ablation in a process group of its own and kills all of it when one of these files is there."""
    words = small.words(*(word for said in sets for word in ("--set", said)), workers=workers)
    command = [sys.executable, "-m", "pipelines", *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        there = [small.root / moment for moment in moments]
        soon(lambda: process.poll() is not None or any(path.exists() for path in there), str(moments), 120)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        _, err = process.communicate()
    assert process.returncode == -signal.SIGKILL, err.decode()


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    """What was built, or built again."""
    return {name for name, said in after.items() if before.get(name) != said}


def test_there_is_a_cell_for_each_model_arm_and_seed(ablated: Small) -> None:
    for kind, made in {"cell": CELLS, "scores": SCORES}.items():
        wanted = {name.replace("decoder", model) for model in MODELS for seed in (17, 18) for name in made[seed]}
        assert set(ablated.builds(kind)) == wanted


def test_done_again_nothing_is_built(ablated: Small, tmp_path: Path) -> None:
    again = ablated.copied(tmp_path)
    said = again.ran()
    assert (said.code, said.err) == (0, "")
    assert again.builds() == ablated.builds()
    assert "trainings: 18 of 18 done already" in said.out


def test_killed_in_a_cell_it_goes_on_with_that_cell(ablated: Small, world: Path, tmp_path: Path) -> None:
    """A third seed is asked for and the cells of the second are lost: six are to be made, and the kill is in the second
    of them, after two of its steps. What was lost comes back byte for byte, by two workers where one had made it."""
    small = ablated.copied(tmp_path, recipe(world, seeds=3, finetuning=TUNED))
    first, second, _ = CELLS[18]
    for name in (*CELLS[18], *SCORES[18]):
        shutil.rmtree(small.root / name)
    left = small.builds()
    # its checkpoints are gone when it is done, which a busy machine may see too late
    moments = (f"{second}/dev/checkpoints/step-00000002", f"{second}/dev/manifest.json")
    kill_when(small, *moments, workers=1, sets=["models.decoder.training.run.checkpoint_every=1"])
    before = small.builds()
    assert first in changed(left, before) <= {first, second}
    done = small.done(workers=2)
    made = {*CELLS[18], *CELLS[19], *SCORES[18], *SCORES[19], "verdict/main"}
    assert changed(before, done.builds()) == made - changed(left, before)
    for name in (*CELLS[18], *SCORES[18]):
        assert done.results(name) == ablated.results(name)
    found = done.json("verdict/main/dev/verdict.json")
    assert found["seeds"] == [17, 18, 19]
    assert {one["seeds"] for one in found["comparisons"] if not one["measure"].startswith("finetune")} == {3}


@pytest.mark.slow
def test_from_scratch_elsewhere_it_comes_to_the_same_bytes(ablated: Small, world: Path, tmp_path: Path) -> None:
    """Killed in the corpora and in the cells, and by two workers where one did the other."""
    data = recipe(world, models=MODELS, finetuning=TUNING)
    small = Small(written(tmp_path, data), tmp_path / "root")
    kill_when(small, "corpora/unfiltered/corpus/pages/dev")
    kill_when(small, "cell/encoder/clean/17/dev/manifest.json")
    assert small.done(workers=2).results("") == ablated.results("")


def todo(ablated: Small, folder: Path, data: Mapping[str, Any]) -> set[str]:
    """The kinds of steps after the corpora that another recipe would run over the finished ablation."""
    small = ablated.copied(folder, data)
    graph = Graph(small.ablation(), small.place)
    with working(small.place, "local", 1, [], Console(file=io.StringIO())) as runner:
        runner.run([graph.evaluation])
    steps = [*graph.vocabularies(), *graph.tokens(), *graph.cells(), *graph.scores(), *graph.controls()]
    found = statuses([*steps, *graph.finetuned()], small.place)
    kinds = {status.step.kind for status in found if status.state == "would run"}
    assert kinds.isdisjoint({status.step.kind for status in found if status.state == "done"})
    return kinds


def test_another_question_trains_nothing_again(ablated: Small, tmp_path: Path) -> None:
    elsewhere = write_world(tmp_path / "world")
    write_pairs(elsewhere, [sentence(4, n) for n in range(5)])
    data = recipe(elsewhere, models=MODELS, finetuning=TUNING)
    assert todo(ablated, tmp_path, data) == {"scores", "controls"}


def test_another_text_of_the_curve_trains_again(ablated: Small, tmp_path: Path) -> None:
    elsewhere = write_world(tmp_path / "world")
    write_neutral(elsewhere / "neutral.jsonl", [sentence(3, n) for n in range(5)])
    data = recipe(elsewhere, models=MODELS, finetuning=TUNING)
    assert todo(ablated, tmp_path, data) == {"cell", "scores", "controls", "finetuned"}


def test_another_example_tunes_again(ablated: Small, tmp_path: Path) -> None:
    elsewhere = write_world(tmp_path / "world")
    rows = [{"premise": sentence(9, 7, n), "hypothesis": sentence(9, 8, n), "label": n % 2} for n in range(8)]
    write_rows(elsewhere / "sets/rte/train.jsonl", rows)
    data = recipe(elsewhere, models=MODELS, finetuning=TUNING)
    assert todo(ablated, tmp_path, data) == {"finetuned"}
