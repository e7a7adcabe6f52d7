"""`millstream train`: alone, as ranks that it starts itself, and what it says where it cannot."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch.distributed.run
from small_run import Finished, Said, millstream, outside
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from training.record import read_metrics

CPU = ("--set", "training.run.accelerator=cpu")


@pytest.fixture
def root(finished: Finished, tmp_path: Path) -> Path:
    """All that the model is made from."""
    return shutil.copytree(finished.root, tmp_path / "root", ignore=shutil.ignore_patterns("checkpoint", "report.html"))


def model(root: Path) -> Path:
    return root / "checkpoint" / "main" / "dev"


def losses(root: Path) -> list[float]:
    return [row["loss"] for row in read_metrics(model(root) / "metrics.csv")]


def test_two_devices_train_what_one_does(finished: Finished, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("train", finished.recipe, "--root", root, *CPU)
    done = outside(*command, "--devices", 2)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("checkpoint/main@dev: ") == done.stdout.count("report: ") == 1
    assert json.loads((model(root) / "run.json").read_text())["ranks"] == 2
    ours, theirs = (json.loads((model(some) / "manifest.json").read_text()) for some in (root, finished.root))
    for part in ("fingerprint", "recipe", "inputs"):
        assert ours[part] == theirs[part]
    assert losses(root) == pytest.approx(losses(finished.root), rel=1e-2)
    verified = millstream("verify", "--root", root)
    assert (verified.code, verified.out.count(": ok")) == (0, 8)
    as_rank(monkeypatch, 0)
    again = millstream(*command)
    assert (again.code, again.err) == (0, "")
    assert "checkpoint/main@dev: done already" in again.out
    as_rank(monkeypatch, 1)
    assert millstream(*command) == Said(0, "", "")


def test_alone_and_then_by_another_recipe(finished: Finished, root: Path) -> None:
    """Checkpoints of another learning rate, and all that was measured with it, are taken away."""
    command = (
        "train",
        finished.recipe,
        "--root",
        root,
        *CPU,
        "--set",
        "training.model={preset: tiny-decoder, layers: 1}",
    )
    first = millstream(*command, "--set", "training.run.evaluate_every=6", "--set", "training.steps=6")
    assert (first.code, first.out.count("done already")) == (0, 7), first.err
    assert (model(root) / "held_out.csv").exists()
    (model(root) / "spikes.jsonl").write_text('{"step": 1}\n')
    other = millstream(*command, "--set", "training.learning_rate=0.005")
    assert other.code == 0, other.err
    assert len(losses(root)) == 4
    assert not (model(root) / "held_out.csv").exists()
    assert not (model(root) / "spikes.jsonl").exists()
    assert [path.name for path in (model(root) / "checkpoints").iterdir()] == ["step-00000004"]
    assert millstream("verify", "checkpoint/main", "--root", root).code == 0


@pytest.fixture
def torchrun(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Not started: what it would have been given; the first item, if there is one, is how it ends."""
    asked: list[Any] = []

    def main(words: list[str]) -> None:
        end = asked[0] if asked else None
        asked[:] = words
        if end:
            raise end

    monkeypatch.setattr(torch.distributed.run, "main", main)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return asked


@pytest.mark.parametrize("how", [["--devices", "2"], ["--devices=2"]])
def test_torchrun_starts_this_very_command(how: list[str], finished: Finished, root: Path, torchrun: list[Any]) -> None:
    words = ["train", str(finished.recipe), "--root", str(root), *CPU]
    assert millstream(*words[:2], *how, *words[2:]).code == 0
    assert torchrun == ["--standalone", "--nproc-per-node", "2", "-m", "pipelines", *words]


@pytest.mark.parametrize(("exitcode", "code"), [(2, 2), (4, 4), (-signal.SIGKILL, 137)])
def test_it_ends_as_the_first_rank_that_failed(
    exitcode: int, code: int, finished: Finished, root: Path, torchrun: list[Any]
) -> None:
    failure = ProcessFailure(local_rank=0, pid=1, exitcode=exitcode, error_file="<N/A>")
    torchrun.append(ChildFailedError("pipelines", {0: failure}))
    said = millstream("train", finished.recipe, "--root", root, "--devices", 2, *CPU)
    assert (said.code, said.err) == (code, "")  # the rank has said why


def test_a_stop_by_hand_has_its_code(finished: Finished, root: Path, torchrun: list[Any]) -> None:
    torchrun.append(SignalException("stopped", signal.SIGINT))
    assert millstream("train", finished.recipe, "--root", root, "--devices", 2, *CPU).code == 130


def as_rank(monkeypatch: pytest.MonkeyPatch, rank: int = 1) -> None:
    said = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": 1}
    for name, value in {**said, "MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_RUN_ID": "x"}.items():
        monkeypatch.setenv(name, str(value))


@pytest.mark.parametrize("started", [True, False])
def test_inputs_that_are_missing_are_said_before_any_rank_waits(
    started: bool, finished: Finished, root: Path, torchrun: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By each rank, and before torchrun is started at all."""
    shutil.rmtree(root / "tokens")
    if started:
        as_rank(monkeypatch)
    devices = () if started else ("--devices", 2)
    said = millstream("train", finished.recipe, "--root", root, *devices, *CPU)
    assert said.code == 2
    assert said.err == (
        f"millstream: tokens/main must be made before several ranks train on them: `millstream run {finished.recipe} "
        f"--only tokens/main`, with the same --root and --set\n"
    )
    assert torchrun == []
    assert not model(root).exists()


def test_ranks_do_not_start_ranks(finished: Finished, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_rank(monkeypatch)
    said = millstream("train", finished.recipe, "--root", root, "--devices", 2, *CPU)
    assert (said.code, said.err) == (
        2,
        "millstream: --devices 2 starts ranks, and torchrun has started 2; leave it out\n",
    )


def test_a_recipe_that_trains_nothing(finished: Finished, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_rank(monkeypatch)
    said = millstream("train", finished.recipe, "--root", root, "--set", "training=null")
    assert said.code == 2
    assert "small has no training section; add one, or build its corpus with `millstream run`" in said.err


@pytest.mark.slow
def test_stopped_by_hand_on_two_devices(finished: Finished, root: Path) -> None:
    words = ["--devices", "2", "--set", "training.steps=3000", "--set", "training.run.checkpoint_every=5"]
    command = [sys.executable, "-m", "pipelines", "train", str(finished.recipe), "--root", str(root), *CPU, *words]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    while not list(model(root).glob("checkpoints/step-*")) and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "millstream: stopped; what was finished is kept, run again to go on" in err
    assert "Traceback" not in err
    assert not (model(root) / "manifest.json").exists()
