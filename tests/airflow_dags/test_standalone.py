"""The DAGs in a real Airflow: triggered, killed in every way, brought back, and looked at.

What must be equal after any mishap is equal to the bytes of an undisturbed `millstream run` by hand.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from airflow_standalone import Refused, Standalone, until
from browser_shot import GRAPH, shoot
from small_run import durable
from waiting import gone

pytestmark = pytest.mark.slow
SAMPLES = Path(__file__).resolve().parents[2] / "samples"
MILLSTREAM = str(Path(sys.executable).with_name("millstream"))
WIDE = (1600, 620)
EXTRACTED = "corpus/extracted"
TASK = "corpus.extracted"
ASKED = {"version": "v1", "workers": 1}
MISHAPS = ("killed", "orphaned", "awaited", "rescheduled", "given_up")
"""DAGs of one artifact, each for one test."""
GOOD = """
from datetime import timedelta
from airflow_dags.from_recipe import dag_of
from airflow_dags.monthly_build import monthly_build
from airflow_dags.pretraining import pretraining
from airflow_dags.quality_gate import quality_gate
from airflow_dags.site import Site

soon = {"retry_delay": timedelta(seconds=1)}
words = ["mix.budget.bytes=200_000", "tokenizer.vocab_size=600"]
small = [
    "mix.budget.bytes=60_000", "tokenizer.vocab_size=600", "training.steps=4", "training.context=64",
    "training.batch_rows=2", f"tokenizer.reuse.root={Site.here().under('vocabulary')}",
]
dags = [
    dag_of("demo", dag_id="vocabulary", until="vocab/main", sets=words, task_options=soon),
    monthly_build("monthly", schedule=None, sets=small, task_options=soon),
    pretraining("monthly", dag_id="pretraining", built_by="monthly", sets=small, task_options=soon),
    quality_gate("monthly_gate", dag_id="quality_gate", built_by="monthly", recipe="monthly"),
    *(dag_of("demo", dag_id=name, until="corpus/extracted", sets=SETS, task_options=soon) for name in MISHAPS),
]
globals().update((dag.dag_id, dag) for dag in dags)
"""
WRONG = "from airflow_dags.from_recipe import dag_of\ndag = dag_of({path!r})\n"


@dataclass(frozen=True)
class Place:
    """A folder with two months of archives, where DAGs build under `runs`."""

    folder: Path

    @property
    def runs(self) -> Path:
        """Where each DAG has its folder."""
        return self.folder / "runs"

    @property
    def sets(self) -> list[str]:
        """What makes of `corpus/extracted` the work of seconds, in many shards."""
        archives = json.dumps([str(self.folder / "crawl" / "*" / "*.warc.gz")])
        return [f"sources.web.paths={archives}", "corpus.split_bytes=262_144"]

    def by_hand(self, root: Path) -> "subprocess.Popen[str]":
        """What the task of a mishap runs, started in a terminal."""
        words = [MILLSTREAM, "run", "demo", "--only", EXTRACTED, "--alone", "--root", str(root), "--version", "v1"]
        sets = [word for one in self.sets for word in ("--set", one)]
        return subprocess.Popen(
            [*words, "--workers", "1", *sets], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def driver(self, dag_id: str) -> psutil.Process:
        """The millstream that builds the artifact of a mishap, as soon as it has committed something."""
        artifact = self.runs / dag_id / EXTRACTED / "v1"
        until(lambda: next(artifact.glob("commits/*/*.json"), None), f"{dag_id} commits nothing", 60)
        newest = max(artifact.glob("run/lease-*.json"))
        return psutil.Process(json.loads(newest.read_bytes())["pid"])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place with its DAG files."""
    folder = tmp_path_factory.mktemp("place")
    subprocess.run([sys.executable, SAMPLES / "cut_snapshots.py", folder / "crawl"], check=True)
    shutil.copytree(SAMPLES / "web", folder / "crawl" / "whole")
    wrong = folder / "wrong.yaml"
    wrong.write_text("name: wrong\nseed: 17\nsources: {web: {format: warc, paths: [a]}}\ncorpus: {languag: null}\n")
    (folder / "dags").mkdir()
    place = Place(folder)
    given = f"SETS = {place.sets!r}\nMISHAPS = {MISHAPS!r}\n"
    (folder / "dags" / "good.py").write_text(given + GOOD)
    (folder / "dags" / "wrong.py").write_text(WRONG.format(path=str(wrong)))
    return place


@pytest.fixture(scope="module")
def airflow(place: Place) -> Iterator[Standalone]:
    """One Airflow for all tests here. Its end raises where any of its processes outlives it."""
    archives = place.folder / "crawl" / "{snapshot}" / "*.warc.gz"
    site = {"COMMAND": "millstream", "ROOT": str(place.runs), "ARCHIVES": str(archives)}
    environment = {f"MILLSTREAM_{name}": value for name, value in site.items()}
    with Standalone(place.folder / "home", place.folder / "dags", environment) as airflow:
        until(lambda: set(MISHAPS) <= airflow.dags().keys(), "the DAGs are not there", 60)
        for dag_id in ("vocabulary", "monthly", "pretraining", *MISHAPS):
            airflow.unpause(dag_id)
        yield airflow


@pytest.fixture(scope="module")
def undisturbed(place: Place) -> dict[str, bytes]:
    """The files of a run by hand that nothing befell."""
    root = place.folder / "undisturbed"
    run = place.by_hand(root)
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 0, said
    return durable(root)


@pytest.fixture(scope="module")
def shots(place: Place) -> Path:
    """Where pictures go."""
    folder = Path(os.environ.get("MILLSTREAM_SHOTS", place.folder / "shots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def month(airflow: Standalone) -> str:
    """The run of `monthly` that has built one month, after the vocabulary."""
    airflow.wait("vocabulary", airflow.trigger("vocabulary", {"workers": 1, "limit": 120}))
    run = airflow.trigger("monthly", {"snapshots": ["2026-10"], "workers": 1})
    airflow.wait("monthly", run)
    return run


def tree(driver: psutil.Process) -> list[psutil.Process]:
    """A process with all that it has started."""
    return [driver, *driver.children(recursive=True)]


@contextmanager
def stopped(processes: list[psutil.Process]) -> Iterator[None]:
    """Inside they live and do nothing."""
    _signal(processes, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(processes[::-1], signal.SIGCONT)


def _signal(processes: list[psutil.Process], number: int) -> None:
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            one.send_signal(number)


def ended(processes: list[psutil.Process]) -> bool:
    """Whether none of them lives any more."""
    return all(gone(one.pid) for one in processes)


def test_every_dag_is_there_and_a_wrong_recipe_says_where(airflow: Standalone) -> None:
    assert airflow.dags().keys() == {"vocabulary", "monthly", "pretraining", "quality_gate", *MISHAPS}
    told = until(airflow.import_errors, "no import error", 30)
    assert told.keys() == {"wrong.py"}
    last = told["wrong.py"].rstrip().splitlines()[-1]
    assert re.search(r"ConfigError: .*wrong\.yaml:4: corpus\.languag: .*did you mean language\?", last)


@pytest.mark.parametrize(
    ("dag_id", "conf", "why"),
    [
        ("vocabulary", {"workers": 0}, "workers: 0 is less than the minimum of 1"),
        ("vocabulary", {"version": "../../etc"}, "version: '../../etc' does not match"),
        ("vocabulary", {"engine": "hadoop"}, "engine: 'hadoop' is not one of"),
        ("monthly", {"snapshots": ["2026-10", "/etc"]}, "snapshots: '/etc' does not match"),
        ("pretraining", {"devices": 65}, "devices: 65 is greater than the maximum of 64"),
    ],
)
def test_what_is_out_of_range_is_refused(airflow: Standalone, dag_id: str, conf: dict[str, object], why: str) -> None:
    with pytest.raises(Refused) as refused:
        airflow.trigger(dag_id, conf)
    assert refused.value.status == 400
    assert why in refused.value.detail
    assert airflow.dag_runs(dag_id) == []


def test_a_months_shards_start_their_training(airflow: Standalone, place: Place, month: str) -> None:
    events = {event["uri"]: event for event in airflow.asset_events() if event["source_dag_id"] == "monthly"}
    assert events.keys() >= {"millstream://monthly/corpus/deduped", "millstream://monthly/tokens/main"}
    made = {name: event["extra"] for name, event in events.items()}
    assert {extra["root"] for extra in made.values()} == {str(place.runs / "monthly")}
    assert [extra["versions"] for extra in made.values()] == [["2026-10"]] * len(made)
    assert "tokens" in made["millstream://monthly/tokens/main"]["says"][0]

    (run,) = until(lambda: airflow.dag_runs("pretraining"), "no training has begun", 60)
    assert run["run_type"] == "asset_triggered"
    airflow.wait("pretraining", run["dag_run_id"])
    (model,) = (place.runs / "monthly" / "checkpoint" / "main").glob("*/manifest.json")
    assert model.parent.name == "2026-10"


def test_a_run_looks_good(airflow: Standalone, month: str, shots: Path) -> None:
    kept = {
        "default_dag_view": '"graph"',
        "monthly/open-groups": '["read", "shards"]',
        "react-resizable-panels:graph-ltr": '{"details-panel,main-panel": {"expandToSizes": {}, "layout": [80, 20]}}',
    }
    run, graph = f"{airflow.url}/dags/monthly/runs/{month}", shots / "airflow_graph.png"
    seen = shoot(run, graph, WIDE, token=airflow.token, storage=kept, ready=GRAPH)
    assert {"corpus.deduped", "read.corpus.pages", "shards.tokens.main"} <= set(seen.split())
    log, kept = shots / "airflow_log.png", {"log_wrap": "true", "monthly/open-groups": '["read", "shards"]'}
    there = "document.body.innerText.includes('documents kept')"
    seen = shoot(f"{run}/tasks/read.corpus.pages/mapped/0", log, WIDE, token=airflow.token, storage=kept, ready=there)
    assert "$ millstream run monthly --only corpus/pages" in seen
    for picture in (graph, log):
        assert picture.stat().st_size > 30_000  # an empty page of this size has 5,000 bytes


def test_a_killed_build_goes_on(airflow: Standalone, place: Place, undisturbed: dict[str, bytes]) -> None:
    run = airflow.trigger("killed", ASKED)
    place.driver("killed").kill()
    airflow.wait("killed", run)
    assert airflow.task("killed", run, TASK)["try_number"] == 2
    assert "ended with signal 9" in airflow.log("killed", run, TASK)
    assert durable(place.runs / "killed") == undisturbed


def test_an_orphan_is_refused(airflow: Standalone, place: Place, undisturbed: dict[str, bytes]) -> None:
    run = airflow.trigger("orphaned", ASKED)
    orphan = place.driver("orphaned")
    with Path(f"/proc/{orphan.pid}/fd/1").open("rb") as words:  # the pipe to its task: what it says later is read here
        runner, supervisor = orphan.parents()[:2]
        supervisor.kill()
        runner.kill()
        # the kernel hangs up on a stopped group when its last tie to the session ends: stop it after that
        until(lambda: ended([runner, supervisor]), "killed", 10)
        left = tree(orphan)
        with stopped(left):
            airflow.wait("orphaned", run)
            assert airflow.task("orphaned", run, TASK)["try_number"] == 2
            assert durable(place.runs / "orphaned") == undisturbed
            assert not gone(orphan.pid)
        until(lambda: ended(left), "the orphan lives on", 30)
        assert b"another run has taken over" in words.read()
    assert durable(place.runs / "orphaned") == undisturbed


def test_a_build_by_hand_is_awaited(airflow: Standalone, place: Place, undisturbed: dict[str, bytes]) -> None:
    with place.by_hand(place.runs / "awaited") as by_hand:
        building = tree(place.driver("awaited"))
        assert building[0].pid == by_hand.pid
        with stopped(building):  # alive, until it has been silent for 45 seconds
            run = airflow.trigger("awaited", ASKED)
            airflow.wait_task("awaited", run, TASK, ("running",))
            waits = rf"waiting: {EXTRACTED}@v1 at \S+/awaited/{EXTRACTED}/v1 is held by process {by_hand.pid} on \S+"
            until(lambda: re.search(waits, airflow.log("awaited", run, TASK)), "the task does not say so", 30)
        said, _ = by_hand.communicate(timeout=60)
    assert by_hand.returncode == 0, said
    airflow.wait("awaited", run)
    assert f"{EXTRACTED}@v1: done already" in airflow.log("awaited", run, TASK)
    assert durable(place.runs / "awaited") == undisturbed


def test_what_is_marked_failed_ends(airflow: Standalone, place: Place, undisturbed: dict[str, bytes]) -> None:
    run = airflow.trigger("given_up", ASKED)
    building = tree(place.driver("given_up"))
    airflow.set_state("given_up", run, TASK, "failed")
    until(lambda: ended(building), "what was marked failed goes on", 10)
    assert not (place.runs / "given_up" / EXTRACTED / "v1" / "manifest.json").exists()
    airflow.wait("given_up", run, states=("failed",))
    airflow.clear("given_up", run, TASK)
    airflow.wait("given_up", run)
    assert durable(place.runs / "given_up") == undisturbed


def test_a_scheduler_that_dies(airflow: Standalone, place: Place, undisturbed: dict[str, bytes]) -> None:
    run = airflow.trigger("rescheduled", ASKED)
    building = tree(place.driver("rescheduled"))
    with stopped(building):  # in the middle of its build, however quick the machine
        airflow.kill_scheduler()
        airflow.start_scheduler()
        airflow.wait("rescheduled", run)
    assert airflow.task("rescheduled", run, TASK)["try_number"] == 2
    until(lambda: ended(building), "the first process lives on", 20)
    assert durable(place.runs / "rescheduled") == undisturbed
    checked = [MILLSTREAM, "verify", EXTRACTED, "--root", str(place.runs / "rescheduled"), "--version", "v1"]
    assert subprocess.run(checked, check=False, capture_output=True, text=True).stdout == f"{EXTRACTED}: ok\n"


def test_what_fails_at_the_start_is_shown(tmp_path: Path) -> None:
    broken = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/nowhere/airflow.db"}
    with (
        pytest.raises(RuntimeError, match="airflow ended with") as failed,
        Standalone(tmp_path / "home", tmp_path, broken),
    ):
        pass
    assert "unable to open database file" in "\n".join(failed.value.__notes__)
