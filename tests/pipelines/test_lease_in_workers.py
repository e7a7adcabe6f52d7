"""Side by side in worker processes too, a run obeys its policy; and datatrove's pipelines let go of what they took."""

import os
import pickle
import socket
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from corpus.errors import LeaseError
from corpus.lease import Policy, held
from corpus.storage import Folder
from pipelines.ablation.crew import side_by_side
from pipelines.artifact import Built, Place, Workshop
from pipelines.engines.datatrove.io import CorpusWriter, finish
from pipelines.engines.engine import Usage
from pipelines.engines.pool import Pool
from pipelines.runner import Runner

QUICK = Policy(beat_seconds=0.05, silence_seconds=20, look_seconds=0.05)


@dataclass(frozen=True)
class Small:
    """An artifact that says what it is."""

    name: str
    kind: str = "scores"
    inputs: tuple[str, ...] = ()

    def raw_inputs(self) -> Mapping[str, Any]:
        return {}

    def recipe(self) -> Mapping[str, Any]:
        return {"name": self.name}

    def plan(self, inputs: object) -> None:
        return None

    def build(self, shop: Workshop) -> Built:
        shop.lease.check()
        return Built(measures={"says": f"made by {os.getpid()}"})


def runner(place: Place, policy: Policy) -> Runner:
    engine: Any = None
    return Runner(place, engine, "local", 1, lambda *_: None, Usage, lambda _: None, policy)


def test_a_worker_obeys_the_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, steps = Place(Folder(str(tmp_path))), [Small("scores/a"), Small("scores/b")]
    with Pool(1) as pool:
        monkeypatch.setattr(socket, "gethostname", lambda: "far")
        with held(place.folder("scores/b") / "run", "scores/b@dev", QUICK, print) as lease:
            monkeypatch.undo()
            with pytest.raises(LeaseError, match=r"builds scores/b@dev .* on far since"):
                side_by_side("scores", steps, runner(place, Policy(if_building="refuse")), pool)
            assert place.manifest("scores/b") is None
            lease.check()
        side_by_side("scores", steps, runner(place, Policy(if_building="refuse")), pool)
    says = [place.need(step.name).measures["says"] for step in steps]
    assert f"made by {os.getpid()}" not in says
    beats = [place.folder(step.name) / "run" for step in steps]
    assert [run.read(run.names()[-2]) for run in beats] == [b"ended"] * 2


def test_a_step_that_fails_lets_go(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Broken(Small):
        def build(self, shop: Workshop) -> Built:
            raise ZeroDivisionError

    place = Place(Folder(str(tmp_path)))
    with pytest.raises(ZeroDivisionError):
        runner(place, QUICK).run([Broken("scores/a")])
    assert (place.folder("scores/a") / "run").read("lease-000001.beat") == b"ended"


def test_what_is_done_is_nobodys_business(tmp_path: Path) -> None:
    place, told = Place(Folder(str(tmp_path))), []
    runner(place, QUICK).run([Small("scores/a")])
    with held(place.folder("scores/a") / "run", "scores/a@dev", QUICK, told.append):
        runner(place, Policy(if_building="refuse")).run([Small("scores/a")])
    assert told == []


@pytest.mark.parametrize("copied", [deepcopy, lambda writer: pickle.loads(pickle.dumps(writer))])
def test_a_datatrove_writer_holds_until_it_is_finished(copied: Any, tmp_path: Path) -> None:
    writer = CorpusWriter(str(tmp_path), "corpus/mine", made_by={})
    run = Folder(str(tmp_path / "corpus/mine/dev/run"))
    rank = copied(writer)
    rank.run(iter(()), 0, 1)
    rank.let_go()
    del rank
    assert run.found("lease-000001.beat") != b"ended"
    finish(writer, 1)
    assert run.read("lease-000001.beat") == b"ended"
    CorpusWriter(str(tmp_path), "corpus/mine", made_by={})
    assert run.read("lease-000002.beat") == b"ended"  # it was not kept
