"""Checkpoints as a running training writes and reads them: exact wherever it is killed, on any ranks, on any disk."""

import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rank_processes import ended, run_ranks, start_ranks
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from small_fits import Stopped, checkpoint, die, losses, record, varied
from torch import Tensor
from torch.distributed.tensor import DTensor

from corpus.errors import ConfigError, DataError, MillstreamError
from training import adafactor, checkpoint_files
from training.checkpoint import Checkpoints, tensors
from training.checkpoint_files import Writer
from training.fit import fit
from training.record import read_metrics

MOMENTS = ("step", "shards", "record", "rename", "half removed")


def dies(moment: str, at: int, patch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has the process killed after step `at`, or inside the writing of the first checkpoint from then on. The progress
    function that it needs."""
    now = threading.Event()

    def told(step: int, *_: float) -> None:
        if step >= at:
            now.set()
            if moment == "step":
                die()

    def then_die(of: Any, name: str) -> None:
        whole = getattr(of, name)

        def both(*args: Any, **named: Any) -> Any:
            done = whole(*args, **named)
            if now.is_set():
                die()
            return done

        patch.setattr(of, name, both)

    def half(path: Path, **named: Any) -> None:
        if not now.is_set():
            shutil.rmtree(path, **named)
        elif path.exists():
            next(path.iterdir()).unlink()
            die()

    match moment:
        case "shards":
            then_die(Writer, "write_data")
        case "record":
            then_die(checkpoint_files, "write_record")
        case "rename":
            then_die(Path, "rename")
        case "half removed":
            patch.setattr(checkpoint_files, "shutil", SimpleNamespace(rmtree=half))
    return told


def same_tensors(one: Path, other: Path, step: int) -> bool:
    """Whether two runs' checkpoints hold the same, to the last bit."""
    names = record(one, step)["files"].keys()
    assert names == record(other, step)["files"].keys()
    both = [(load_file(checkpoint(one, step) / name), load_file(checkpoint(other, step) / name)) for name in names]
    assert all(ours.keys() == theirs.keys() for ours, theirs in both)
    return all(torch.equal(ours[key], theirs[key]) for ours, theirs in both for key in ours)


@pytest.mark.parametrize(
    ("world", "asked"),
    [
        (1, {"optimizer": "muon"}),
        (1, {"optimizer": "adamw", "workers": 1, "micro_rows": 2}),
        (1, {"optimizer": "adafactor", "keep_checkpoints": 1}),
        pytest.param(2, {"optimizer": "muon", "strategy": "hsdp"}, marks=pytest.mark.slow),
        pytest.param(2, {"optimizer": "adafactor", "strategy": "fsdp", "micro_rows": 1}, marks=pytest.mark.slow),
        pytest.param(2, {"optimizer": "adamw", "strategy": "ddp", "workers": 1}, marks=pytest.mark.slow),
    ],
)
def test_killed_over_and_over_a_run_is_the_run_that_was_not(world, asked, config, shards, vocab, tmp_path, monkeypatch):
    """At any step and inside a checkpoint's writing: the same losses, weights, optimizer state, counts and history."""
    config = varied(config, checkpoint_every=3, steps=11, **asked)
    monkeypatch.setattr(adafactor, "FACTORED_FROM", 16)
    run_ranks(world, lambda: fit(config, shards, "abc", vocab, tmp_path / "whole"))
    draw, deaths = random.Random(str(asked)), 0
    for kill, moment in enumerate(draw.sample(MOMENTS, 3)):
        at = draw.randint(1 + 3 * kill, 4 + 3 * kill)

        def killed(moment: str = moment, at: int = at) -> None:
            told = dies(moment, at, pytest.MonkeyPatch())
            fit(config, shards, "abc", vocab, tmp_path / "parts", on_progress=told)

        deaths += ended(start_ranks(world, killed)) != [0] * world
    assert deaths > 1
    run_ranks(world, lambda: fit(config, shards, "abc", vocab, tmp_path / "parts"))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert losses(parts) == losses(whole)
    assert same_tensors(parts, whole, 11)
    one, other = record(parts, 11), record(whole, 11)
    assert one["callbacks"] == other["callbacks"]
    assert one.keys() == other.keys()
    assert record(whole, 11)["callbacks"]["SourceCounts"]["unknown"][1] == 11 * 4 * 16
    assert (parts / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    left = checkpoint_files.newest_first(parts / "checkpoints")
    assert config.run.keep_checkpoints <= len(left) <= config.run.keep_checkpoints + 1
    assert all(checkpoint_files.read_record(path / "checkpoint.json") for path in left)
    assert not list((parts / "checkpoints").glob("writing-*"))


def held(path: Path) -> dict[str, Tensor]:
    """A checkpoint's tensors, put together from all of its files."""
    found: dict[str, Tensor] = {}
    for shard in path.glob("*.safetensors"):
        with safe_open(shard, "pt") as file:
            where = json.loads(file.metadata()["DCP_SHARDING_INFO"])
            for name in file.keys():  # noqa: SIM118
                part, offsets = file.get_tensor(name), where[name]["saved_offsets"]
                found[name] = _with(found.get(name), part, offsets)
    return found


def _with(whole: Tensor | None, part: Tensor, offsets: list[int]) -> Tensor:
    size = [at + n for at, n in zip(offsets, part.shape, strict=True)]
    if whole is None:
        whole = torch.zeros(size, dtype=part.dtype)
    elif part.ndim and len(whole) < size[0]:
        whole = torch.cat([whole, torch.zeros(size[0] - len(whole), *whole.shape[1:], dtype=part.dtype)])
    whole[tuple(slice(at, at + n) for at, n in zip(offsets, part.shape, strict=True))] = part
    return whole


def loaded(parts: tuple[Any, ...], out: Path, to: Path) -> None:
    """Begins to go on from a checkpoint, and writes what it has read to a file."""
    resume = Checkpoints._resume

    def then_tell(self: Checkpoints, trainer: Any, module: Any, *found: Any) -> None:
        resume(self, trainer, module, *found)
        whole = {
            name: (value.full_tensor() if isinstance(value, DTensor) else value).clone()
            for name, value in tensors(module, trainer.optimizers[0]).items()
        }
        if trainer.is_global_zero:
            save_file(whole, to)
        raise Stopped

    patch = pytest.MonkeyPatch()
    patch.setattr(Checkpoints, "_resume", then_tell)
    try:
        with pytest.raises(Stopped):
            fit(*parts, out)
    finally:
        patch.undo()


@pytest.mark.parametrize("optimizer", ["adafactor", "muon"])
def test_what_two_ranks_spread_one_reads_and_back(optimizer, config, shards, vocab, tmp_path, monkeypatch):
    """Weights and optimizer state, to the last bit."""
    monkeypatch.setattr(adafactor, "FACTORED_FROM", 16)
    one = varied(config, steps=2, optimizer=optimizer)
    two = varied(one, strategy="fsdp")
    rest = (shards, "abc", vocab)
    run_ranks(2, lambda: fit(two, *rest, tmp_path / "two"))
    loaded((one, *rest), tmp_path / "two", tmp_path / "by-one")
    fit(one, *rest, tmp_path / "one")
    run_ranks(2, lambda: loaded((two, *rest), tmp_path / "one", tmp_path / "by-two"))
    for out, read in (("two", "by-one"), ("one", "by-two")):
        written, found = held(checkpoint(tmp_path / out, 2)), load_file(tmp_path / read)
        assert written.keys() == found.keys()
        kinds = {name.rsplit(".", 1)[1] for name in written if name.startswith("optimizer.")}
        assert kinds >= {"adafactor": {"exp_avg_sq_row", "exp_avg_sq_col"}, "muon": {"momentum_buffer"}}[optimizer]
        for name, value in written.items():
            assert torch.equal(value, found[name]), name
            assert "step" in name or value.count_nonzero() > 0, name


@pytest.mark.parametrize("world", [1, 2])
def test_a_slow_checkpoint_holds_its_own_step(world, config, shards, vocab, tmp_path, monkeypatch):
    """Not a later one: training goes on by three steps before anything is written."""
    config = varied(config, keep_checkpoints=4, steps=10, **({"strategy": "fsdp"} if world > 1 else {}))
    run_ranks(world, lambda: fit(config, shards, "abc", vocab, tmp_path / "quick"))
    write, late = Writer.write_data, tmp_path / "late.txt"

    def slowly(self: Writer, *args: Any) -> Any:
        step, until = self.says["step"], time.monotonic() + 30
        while step < 10 and len(losses(tmp_path / "slow")) < step + 3 and time.monotonic() < until:
            time.sleep(0.01)
        with late.open("a") as file:
            file.write(f"{step} {len(losses(tmp_path / 'slow'))}\n")
        return write(self, *args)

    monkeypatch.setattr(Writer, "write_data", slowly)
    run_ranks(world, lambda: fit(config, shards, "abc", vocab, tmp_path / "slow"))
    assert "5 8\n" in late.read_text()
    assert same_tensors(tmp_path / "slow", tmp_path / "quick", 5)
    assert record(tmp_path / "slow", 5)["callbacks"] == record(tmp_path / "quick", 5)["callbacks"]
    assert losses(tmp_path / "slow") == losses(tmp_path / "quick")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An empty disk of 2 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if os.geteuid() or not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def filling(disk: Path, step: int, leaving: int) -> Callable[..., None]:
    """A progress function after which, from a step on, a disk has so many bytes left."""

    def told(done: int, *_: float) -> None:
        if done == step:
            (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - leaving))

    return told


@pytest.mark.parametrize(("world", "run"), [(1, {}), (2, {"strategy": "fsdp"})])
def test_a_full_disk_ends_a_run_that_then_goes_on(world, run, disk, config, shards, vocab, tmp_path):
    config = varied(config, checkpoint_every=3, **run)

    def full() -> None:
        with pytest.raises(MillstreamError) as told:
            fit(config, shards, "abc", vocab, disk / "run", on_progress=filling(disk, 5, 64 * 1024))
        (tmp_path / f"said-{os.environ['RANK']}").write_text(f"{told.value.exit_code} {told.value}")

    assert ended(start_ranks(world, full)) == [0] * world
    for rank in range(world):
        said = (tmp_path / f"said-{rank}").read_text()
        assert said.startswith(f"1 no checkpoint could be written to {disk}/run/checkpoints: [Errno 28] No space left")
        assert "make room" in said
    whole = checkpoint_files.newest_whole(disk / "run" / "checkpoints")
    assert whole is not None
    assert whole[0].name == "step-00000003"
    (disk / "filler").unlink()
    begun = tmp_path / "begun"
    run_ranks(world, lambda: fit(config, shards, "abc", vocab, disk / "run", on_progress=_first(begun)))
    run_ranks(world, lambda: fit(config, shards, "abc", vocab, tmp_path / "elsewhere"))
    assert begun.read_text() == "4"
    assert losses(disk / "run") == losses(tmp_path / "elsewhere")


def _first(path: Path) -> Callable[..., None]:
    def told(step: int, *_: float) -> None:
        if not path.exists():
            path.write_text(str(step))

    return told


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # TensorBoard's
def test_a_disk_that_takes_not_even_a_row_of_figures(disk, config, shards, vocab, tmp_path):
    config = varied(config, loggers=("tensorboard",))
    parts = (varied(config, steps=2000, checkpoint_every=2000), shards, "abc", vocab, disk / "run")
    with pytest.raises(MillstreamError, match=f"cannot write in {disk}/run: No space left on device; .* Make room"):
        fit(*parts, on_progress=filling(disk, 5, 0))


def test_too_little_room_is_said_before_the_first_step(config, shards, vocab, tmp_path, monkeypatch):
    fit(varied(config, steps=1), shards, "abc", vocab, tmp_path / "one")
    size = sum(file.stat().st_size for file in checkpoint(tmp_path / "one", 1).iterdir())

    def begins(free: float, out: str, **changes: Any) -> None:
        monkeypatch.setattr("training.checkpoint.shutil.disk_usage", lambda _: SimpleNamespace(free=free))
        fit(varied(config, **changes), shards, "abc", vocab, tmp_path / out, on_progress=stop)

    def stop(*_: Any) -> None:
        raise Stopped

    three = {"steps": 40, "checkpoint_every": 4, "keep_checkpoints": 2}
    with pytest.raises(ConfigError, match=r"has 0\.\d MB free, and takes 3 more checkpoints of 0\.\d MB; make room"):
        begins(2.9 * size, "three", **three)
    assert losses(tmp_path / "three") == []
    with pytest.raises(Stopped):
        begins(3.3 * size, "three", **three)
    with pytest.raises(Stopped):  # no more than one will be there
        begins(1.3 * size, "last", steps=5)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("unpickled",)


def test_nothing_in_a_checkpoint_is_unpickled(config, shards, vocab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Stopped):
        fit(config, shards, "abc", vocab, tmp_path / "run", on_progress=stopping_at(8))
    bomb = pickle.dumps(Bomb())
    for name in (".metadata", "meta.pt", "data.pkl", "checkpoint.ckpt"):
        (checkpoint(tmp_path / "run", 5) / name).write_bytes(bomb)
    begun = tmp_path / "begun"
    fit(config, shards, "abc", vocab, tmp_path / "run", on_progress=_first(begun))
    assert begun.read_text() == "6"
    assert not (tmp_path / "unpickled").exists()
    pickle.loads(bomb)
    assert (tmp_path / "unpickled").exists()  # it is one


def stopping_at(step: int) -> Callable[..., None]:
    def told(done: int, *_: float) -> None:
        if done == step:
            raise Stopped

    return told


def test_an_error_leaves_the_checkpoint_that_is_being_written_whole(config, shards, vocab, tmp_path, monkeypatch):
    write = Writer.write_data
    monkeypatch.setattr(Writer, "write_data", lambda self, *args: (time.sleep(0.5), write(self, *args))[1])
    with pytest.raises(Stopped):
        fit(config, shards, "abc", vocab, tmp_path, on_progress=stopping_at(6))
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000005"]


def test_checkpoints_that_are_all_damaged_are_an_error(config, shards, vocab, tmp_path):
    """To begin anew in silence would throw away what was learnt."""
    with pytest.raises(Stopped):
        fit(config, shards, "abc", vocab, tmp_path, on_progress=stopping_at(7))
    (checkpoint(tmp_path, 5) / "checkpoint.json").unlink()
    (tmp_path / "checkpoints" / "step-00000009").mkdir()
    with pytest.raises(DataError, match=r"no checkpoint in .* is whole: step-00000009 \(its record .*; step-00000005"):
        fit(config, shards, "abc", vocab, tmp_path)
    assert len(read_metrics(tmp_path / "metrics.csv")) == 7


@pytest.mark.parametrize("world", [1, 2])
def test_a_run_that_is_told_to_end_ends_at_once_and_not_well(world, config, shards, vocab, tmp_path):
    """SIGTERM is how schedulers stop a job: code 0 would tell them that it is done."""

    def told(step: int, *_: float) -> None:
        if step == 7:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    def work() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        fit(config, shards, "abc", vocab, tmp_path / "run", on_progress=told)

    codes = ended(start_ranks(world, work))
    assert codes == [-signal.SIGTERM, *[1] * (world - 1)]  # torchrun would end the other one so, too
    assert len(losses(tmp_path / "run")) == 7
    run_ranks(world, lambda: fit(config, shards, "abc", vocab, tmp_path / "run"))
    run_ranks(world, lambda: fit(config, shards, "abc", vocab, tmp_path / "whole"))
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")
