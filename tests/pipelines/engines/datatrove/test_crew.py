"""Tasks as ranks of datatrove's local executor: workers may die at any moment, errors come through, nothing is left."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tiny_tasks import Fail, KillItself, Wait, Write
from waiting import gone, pid_in, soon

from corpus.errors import ConfigError, DataError, DriftError, LeaseError, MillstreamError, ResourceError
from pipelines.engines.datatrove import crew as crew_module
from pipelines.engines.datatrove.crew import DatatroveCrew
from pipelines.engines.datatrove.settings import DatatroveSettings
from pipelines.engines.pool import MAX_DEATHS, Task


@pytest.fixture
def crew(tmp_path: Path) -> DatatroveCrew:
    return DatatroveCrew(DatatroveSettings(), 2, tmp_path / "phases")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def run(crew: DatatroveCrew, *tasks: Task) -> tuple[int, int]:
    """Tasks done and documents told of."""
    told = list(crew.run(tasks))
    return sum(n for n, _ in told), sum(n for _, n in told)


def test_every_task_is_done_once_and_nothing_is_left(
    crew: DatatroveCrew, out: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(crew, *(Write(str(out), str(n)) for n in range(5))) == (5, 10)
    assert sorted(path.name for path in out.iterdir()) == [str(n) for n in range(5)]
    assert crew.usage.cpu_seconds > 0
    assert crew.usage.peak_rss > 10 * 2**20
    assert list((tmp_path / "phases").iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert run(crew) == (0, 0)


def test_of_the_phases_that_failed_the_last_one_s_logs_stay(crew: DatatroveCrew, out: Path, tmp_path: Path) -> None:
    phases = tmp_path / "phases"
    for _ in range(2):
        with pytest.raises(DataError):
            run(crew, Fail("DataError"))
    *_, last = sorted(phases.iterdir())
    run(crew, Write(str(out), "a"))
    assert list(phases.iterdir()) == [last]
    assert list((last / "logs").iterdir())


def test_the_phase_of_a_driver_that_lives_stays_and_goes_after_its_death(
    crew: DatatroveCrew, out: Path, tmp_path: Path
) -> None:
    driver = waiting_driver(out, tmp_path / "phases")
    workers = [pid_in(out / f"{name}.pid") for name in "ab"]
    (theirs,) = (tmp_path / "phases").iterdir()
    for _ in range(2):
        with pytest.raises(DataError):
            run(crew, Fail("DataError"))
    run(crew, Write(str(out), "c"))
    assert theirs.exists()
    assert len(list((tmp_path / "phases").iterdir())) == 2
    driver.kill()
    driver.wait()
    soon(lambda: all(map(gone, workers)), "the workers' end")
    run(crew, Write(str(out), "d"))
    assert not theirs.exists()


def test_a_worker_that_is_killed_in_mid_task_costs_nothing(crew: DatatroveCrew, out: Path) -> None:
    """datatrove's executor alone waits for its result for ever."""

    def kill() -> None:
        path = out / "b.pid"
        try:
            pid = pid_in(path)
            path.unlink()
            os.kill(pid, signal.SIGKILL)
            assert pid_in(path) != pid  # begun again
        finally:
            (out / "go").touch()

    killer = threading.Thread(target=kill)
    killer.start()
    folder = str(out)
    assert run(crew, Write(folder, "a"), Wait(folder, "b"), Write(folder, "c"))[0] == 3
    killer.join()
    assert (out / "b").read_text() == "b"


def test_the_whole_executor_is_killed(crew: DatatroveCrew, out: Path) -> None:
    def kill() -> None:
        path = out / "a.pid"
        try:
            group = os.getpgid(pid_in(path))
            path.unlink()
            os.killpg(group, signal.SIGKILL)
            pid_in(path)
        finally:
            (out / "go").touch()

    killer = threading.Thread(target=kill)
    killer.start()
    assert run(crew, Wait(str(out), "a"), Wait(str(out), "b"))[0] == 2
    killer.join()


@pytest.mark.slow
def test_a_worker_that_is_killed_between_two_ranks_is_missed(
    crew: DatatroveCrew, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It died with the lock of datatrove's queue: nobody is at work any more, and nobody is dead in mid-task."""
    monkeypatch.setattr(crew_module, "STALL_SECONDS", 6.0)
    stopped: list[int] = []

    def stop() -> None:
        pid = pid_in(out / "a.pid")
        (group,) = {os.getpgid(pid)}
        (out / "go").touch()
        soon((out / "a").exists, "the first task's end")
        os.kill(group, signal.SIGSTOP)  # the executor hands out no more ranks
        stopped.append(group)

    stopper = threading.Thread(target=stop)
    stopper.start()
    tasks = [Wait(str(out), "a"), *(Write(str(out), str(n)) for n in range(40))]
    assert run(crew, *tasks)[0] == 41
    stopper.join()
    assert gone(stopped[0])


def test_a_task_that_always_kills_is_named_with_its_log(crew: DatatroveCrew, out: Path) -> None:
    folder = str(out)
    with pytest.raises(DataError, match=r"shard 7: 3 workers died over it; .* log: (\S+)\. What") as caught:
        run(crew, Write(folder, "a"), KillItself(folder, "shard 7", 99), Write(folder, "b"))
    log = str(caught.value).partition("log: ")[2].partition(". What")[0]
    assert "run tasks" in Path(log).read_text()
    assert len(list(out.glob("shard 7.death-*"))) == MAX_DEATHS
    assert (out / "a").exists()


@pytest.mark.parametrize("kind", [ConfigError, DataError, DriftError, LeaseError, ResourceError, MillstreamError])
def test_errors_come_through_as_they_are(crew: DatatroveCrew, kind: type[MillstreamError]) -> None:
    with pytest.raises(MillstreamError, match=r"^what, where and how to mend$") as caught:
        run(crew, Fail(kind.__name__))
    assert type(caught.value) is kind


def test_after_an_error_the_rest_is_ended(crew: DatatroveCrew, out: Path) -> None:
    with pytest.raises(DataError):
        run(crew, Wait(str(out), "late"), Fail("DataError"))
    at_work = out / "late.pid"
    soon(lambda: not at_work.exists() or gone(int(at_work.read_text())), "the end of the other task")


def test_what_nobody_foresaw_comes_with_its_trace(crew: DatatroveCrew) -> None:
    with pytest.raises(MillstreamError, match=r"ZeroDivisionError: unforeseen\n(.|\n)*tiny_tasks\.py"):
        run(crew, Fail("ZeroDivisionError"))


def test_an_executor_that_cannot_start_is_an_error_with_its_last_words(
    crew: DatatroveCrew, out: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "datatrove.py").write_text("raise RuntimeError('no such luck')")
    monkeypatch.syspath_prepend(tmp_path / "shadow")
    with pytest.raises(MillstreamError, match=r"left 1 tasks undone; .*RuntimeError: no such luck"):
        run(crew, Write(str(out), "a"))


def waiting_driver(folder: Path, phases: Path) -> "subprocess.Popen[bytes]":
    """A driver whose tasks `a` and `b` wait in the folder."""
    script = (
        "from tiny_tasks import Wait; from pipelines.engines.datatrove.crew import DatatroveCrew; import pathlib\n"
        "from pipelines.engines.datatrove.settings import DatatroveSettings\n"
        f"crew = DatatroveCrew(DatatroveSettings(), 2, pathlib.Path({str(phases)!r}))\n"
        f"list(crew.run([Wait({str(folder)!r}, n) for n in 'ab']))\n"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, "-c", script], env=env)


def test_workers_end_with_their_driver(tmp_path: Path) -> None:
    driver = waiting_driver(tmp_path, tmp_path / "phases")
    workers = [pid_in(tmp_path / f"{name}.pid") for name in "ab"]
    group = os.getpgid(workers[0])
    driver.kill()
    driver.wait()
    soon(lambda: all(map(gone, workers)) and gone(group), "the workers' end")


def test_ranks_find_a_user_s_rules_beside_python_and_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Python in /usr, everything in /usr/share is below it."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    rules = [tmp_path / "venv-rules", tmp_path / "venv" / "rules"]
    for folder in rules:
        folder.mkdir(parents=True)
        monkeypatch.syspath_prepend(folder)
    added = crew_module._added_paths()
    assert added[:2] == [str(folder) for folder in reversed(rules)]
    for module in (os, pytest):  # of Python itself, and installed
        assert str(Path(module.__file__).parent) not in added
    assert str(Path(pytest.__file__).parents[1]) not in added


def test_the_more_ranks_the_less_often_it_looks() -> None:
    assert [crew_module._pause("local", n) for n in (3, 100_000)] == [0.1, 10.0]
    assert crew_module._pause("slurm", 3) == 2.0


def test_a_missing_package_is_a_config_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew_module, "find_spec", lambda name: None if name == "ray" else name)
    DatatroveCrew(DatatroveSettings(), 1, tmp_path)
    with pytest.raises(ConfigError, match=r"ray is not here; pip install 'millstream\[ray\]'"):
        DatatroveCrew(DatatroveSettings(executor="ray"), 1, tmp_path)
