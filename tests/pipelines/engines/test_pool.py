"""Workers may die at any moment: what they were at is done again, and nothing hangs."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny_tasks import Fail, KillItself, Wait, Write

from corpus.errors import ConfigError, DataError, DriftError, LeaseError, MillstreamError, ResourceError
from pipelines.engines.pool import MAX_DEATHS, Pool, Task


@pytest.fixture
def pool() -> Iterator[Pool]:
    with Pool(2) as pool:
        yield pool


def run(pool: Pool, *tasks: Task) -> tuple[int, int]:
    """Tasks done and documents told of."""
    told = list(pool.run(tasks))
    return sum(n for n, _ in told), sum(n for _, n in told)


def soon(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within 30 s"
        time.sleep(0.01)


def pid_in(path: Path) -> int:
    soon(lambda: path.exists() and path.read_text() != "", f"{path.name}")
    return int(path.read_text())


def gone(pid: int) -> bool:
    """Whether the process ended; one that nobody has buried yet (a zombie) has no executable any more."""
    return not Path(f"/proc/{pid}/exe").exists()


def test_every_task_is_done_once(pool: Pool, tmp_path: Path) -> None:
    tasks = [Write(str(tmp_path), str(n)) for n in range(9)]
    assert run(pool, *tasks) == (9, 18)
    assert sorted(path.name for path in tmp_path.iterdir()) == [str(n) for n in range(9)]
    assert pool.usage.cpu_seconds > 0
    assert pool.usage.peak_rss > 10 * 2**20
    assert run(pool) == (0, 0)


def test_a_worker_that_is_killed_in_mid_task_costs_nothing(pool: Pool, tmp_path: Path) -> None:
    def kill() -> None:
        path = tmp_path / "b.pid"
        pid = pid_in(path)
        path.unlink()
        os.kill(pid, signal.SIGKILL)
        assert pid_in(path) != pid  # begun again
        (tmp_path / "go").touch()

    killer = threading.Thread(target=kill)
    killer.start()
    folder = str(tmp_path)
    assert run(pool, Write(folder, "a"), Wait(folder, "b"), Write(folder, "c"))[0] == 3
    killer.join()
    assert (tmp_path / "b").read_text() == "b"


def test_deaths_below_the_bound_are_borne(pool: Pool, tmp_path: Path) -> None:
    folder = str(tmp_path)
    tasks = [KillItself(folder, str(n), MAX_DEATHS - 1) for n in range(3)]
    assert run(pool, *tasks, Write(folder, "x"))[0] == 4


def test_a_task_that_always_kills_is_named(pool: Pool, tmp_path: Path) -> None:
    folder = str(tmp_path)
    with pytest.raises(DataError, match=r"shard 7: 3 workers died over it .the last: killed; is the memory enough"):
        run(pool, Write(folder, "a"), KillItself(folder, "shard 7", 99), Write(folder, "b"))


@pytest.mark.parametrize("kind", [ConfigError, DataError, DriftError, LeaseError, ResourceError, MillstreamError])
def test_errors_come_through_as_they_are(pool: Pool, kind: type[MillstreamError]) -> None:
    with pytest.raises(MillstreamError, match=r"^what, where and how to mend$") as caught:
        run(pool, Fail(kind.__name__))
    assert type(caught.value) is kind


def test_what_nobody_foresaw_comes_with_its_trace(pool: Pool) -> None:
    with pytest.raises(MillstreamError, match=r"ZeroDivisionError: unforeseen\n(.|\n)*tiny_tasks\.py"):
        run(pool, Fail("ZeroDivisionError"))


def test_after_an_error_the_rest_is_given_up_and_the_pool_works_on(pool: Pool, tmp_path: Path) -> None:
    """A task of the failed run that is still at work is nothing to the next run."""
    late = Wait(str(tmp_path), "late")
    told = pool.run([late, Fail("DataError"), Fail("DataError")])
    with pytest.raises(DataError):
        list(told)
    at_work = tmp_path / "late.pid"
    assert not at_work.exists() or gone(int(at_work.read_text()))
    assert run(pool, *(Write(str(tmp_path), str(n)) for n in range(5))) == (5, 10)
    assert not (tmp_path / "late").exists()


def test_a_run_that_is_left_early_is_given_up(pool: Pool, tmp_path: Path) -> None:
    told = pool.run([Wait(str(tmp_path), "a")])
    next(told)
    pid = pid_in(tmp_path / "a.pid")
    told.close()  # type: ignore[attr-defined]
    assert gone(pid)
    assert run(pool, Write(str(tmp_path), "b")) == (1, 2)


def test_workers_that_die_idle_are_not_held_against_a_task(tmp_path: Path) -> None:
    with Pool(MAX_DEATHS) as pool:
        tasks = [Wait(str(tmp_path), str(n)) for n in range(MAX_DEATHS)]
        starter = threading.Thread(
            target=lambda: [pid_in(tmp_path / f"{n}.pid") for n in range(3)] and (tmp_path / "go").touch()
        )
        starter.start()
        assert run(pool, *tasks)[0] == MAX_DEATHS
        starter.join()
        for n in range(MAX_DEATHS):
            os.kill(int((tmp_path / f"{n}.pid").read_text()), signal.SIGKILL)
        time.sleep(0.1)
        assert run(pool, Write(str(tmp_path), "x")) == (1, 2)


def test_an_interrupt_is_the_driver_s_alone(pool: Pool, tmp_path: Path) -> None:
    def interrupt() -> None:
        os.kill(pid_in(tmp_path / "a.pid"), signal.SIGINT)
        time.sleep(0.1)
        (tmp_path / "go").touch()

    thread = threading.Thread(target=interrupt)
    thread.start()
    pid = None
    for _ in pool.run([Wait(str(tmp_path), "a")]):
        pid = pid or pid_in(tmp_path / "a.pid")
    thread.join()
    assert pid == pid_in(tmp_path / "a.pid")  # the same process, to the end


@pytest.mark.parametrize("busy", [True, False])
def test_workers_end_with_their_driver(tmp_path: Path, busy: bool) -> None:
    script = (
        "from tiny_tasks import Wait; from pipelines.engines.pool import Pool; import pathlib, time\n"
        "if __name__ == '__main__':\n"
        f"    pool = Pool(1); folder = {str(tmp_path)!r}\n"
        "    list(pool.run([Wait(folder, 'a')]))\n"
        "    pathlib.Path(folder, 'idle').touch(); time.sleep(60)\n"
    )
    (tmp_path / "driver.py").write_text(script)
    paths = os.pathsep.join(sys.path)
    driver = subprocess.Popen([sys.executable, tmp_path / "driver.py"], env=os.environ | {"PYTHONPATH": paths})
    worker = pid_in(tmp_path / "a.pid")
    if not busy:
        (tmp_path / "go").touch()
        soon((tmp_path / "idle").exists, "idle")
    driver.kill()
    driver.wait()
    soon(lambda: gone(worker), "the worker's end")
