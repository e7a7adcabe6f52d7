"""Whom a newcomer takes an artifact from, whom it waits for, and who cannot harm it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock

import pytest
import s3fs
from slow_store import aws_environment, moto
from waiting import soon

from corpus.errors import LeaseError
from corpus.holder import HOLDER, Holder
from corpus.lease import IfBuilding, Lease, Policy, held
from corpus.storage import Folder

QUICK = Policy(beat_seconds=0.05, silence_seconds=0.6, look_seconds=0.05, tell_seconds=0.2)
PATIENT = replace(QUICK, silence_seconds=600.0)
NOT_ALONE: list[IfBuilding] = ["wait", "refuse"]
HOLDING = """
import sys, time
from pathlib import Path
from corpus.errors import LeaseError
from corpus.lease import Policy, held
from corpus.storage import Folder
policy = Policy(if_building="wait", beat_seconds=0.05, look_seconds=0.02)
with held(Folder(sys.argv[1]), "x@dev", policy, lambda _: None) as lease:
    with Path(sys.argv[2]).open("a") as log:
        log.write(f"in {lease.number}\\n")
        log.flush()
        for _ in range(int(sys.argv[3])):
            time.sleep(0.02)
            try:
                lease.check()
            except LeaseError:
                log.write(f"refused {lease.number}\\n")
                break
        log.write(f"out {lease.number}\\n")
"""
FOREVER = 10_000


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    return Folder(str(tmp_path / "run") if request.param == "local" else f"memory://{uuid.uuid4()}/run")


@contextmanager
def elsewhere(host: str = "far") -> Iterator[None]:
    """What is called in here takes itself for a process on another host."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "gethostname", lambda: host)
        yield


@contextmanager
def held_elsewhere(folder: Folder) -> Iterator[Lease]:
    """A lease that another host holds, alive."""
    with elsewhere():
        holding = held(folder, "x@dev", QUICK, print)
        lease = holding.__enter__()
    try:
        yield lease
    finally:
        holding.__exit__(None, None, None)


def taken(folder: Folder, policy: Policy, told: list[str] | None = None) -> int:
    """The number of the lease that the policy gives, let go of at once."""
    with held(folder, "x@dev", policy, [].append if told is None else told.append) as lease:
        return lease.number


def names(folder: Folder) -> list[str]:
    return folder.names()


def test_a_lease_says_who_holds_it(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOLDER, "airflow monthly/2026-11/pages")
    with held(folder, "x@dev", QUICK, print):
        said = json.loads(folder.read("lease-000001.json"))
    assert (said["host"], said["pid"]) == (socket.gethostname(), os.getpid())
    assert said["holder"] == "airflow monthly/2026-11/pages"
    assert said["started"] == int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    assert said["since"].endswith("+00:00")


def test_signs_of_life_are_one_file_that_ends_with_the_work(folder: Folder) -> None:
    seen: set[bytes | None] = set()

    def failing() -> None:
        with held(folder, "x@dev", QUICK, print):
            soon(lambda: seen.add(folder.found("lease-000001.beat")) or len(seen) > 4, "signs")  # type: ignore[func-returns-value]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert all(sign.isdigit() for sign in seen if sign)  # none yet, or empty where it was found while it was written
    assert names(folder) == ["lease-000001.beat", "lease-000001.json"]
    assert folder.read("lease-000001.beat") == b"ended"
    time.sleep(3 * QUICK.beat_seconds)
    assert folder.read("lease-000001.beat") == b"ended"
    assert [taken(folder, replace(PATIENT, if_building=way)) for way in NOT_ALONE] == [2, 3]


def test_a_live_holder_is_refused_and_keeps_the_lease(folder: Folder) -> None:
    with held_elsewhere(folder) as lease:
        with pytest.raises(LeaseError, match=r"builds x@dev at \S+: process \d+ on far since 20\S+\. .*take-over"):
            taken(folder, replace(QUICK, if_building="refuse"))
        lease.check()
        assert taken(folder, QUICK) == 2
        with pytest.raises(LeaseError, match="another run has taken over"):
            lease.check()


def test_a_live_holder_is_waited_for(folder: Folder) -> None:
    told: list[str] = []
    with ThreadPoolExecutor(1) as threads:
        with held_elsewhere(folder) as lease:
            waiting = threads.submit(taken, folder, replace(QUICK, if_building="wait"), told)
            time.sleep(3 * QUICK.silence_seconds)
            assert not waiting.done()
            lease.check()
        assert waiting.result(timeout=30) == 2
    assert len(told) > 3, "at once and again and again"
    assert set(told) == {told[0]}
    url = folder.url.removesuffix("/run")
    assert told[0].startswith(f"waiting: x@dev at {url} is held by process {os.getpid()} on far since 20")


@pytest.mark.parametrize("way", NOT_ALONE)
def test_a_silent_holder_is_taken_over_after_a_while(way: IfBuilding, folder: Folder) -> None:
    with elsewhere():
        lease = Lease.take(folder)
    started = time.monotonic()
    assert taken(folder, replace(QUICK, if_building=way)) == 2
    assert time.monotonic() - started >= QUICK.silence_seconds
    with pytest.raises(LeaseError):
        lease.check()


def test_an_outage_is_no_silence(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that hangs for longer than the silence hangs for the holder too."""
    policy = replace(QUICK, if_building="refuse", beat_seconds=0.1)
    look, hung = Folder.found, []

    def hanging(folder: Folder, name: str) -> bytes | None:
        if len(hung) == 0 and name.endswith("beat"):
            hung.append(name)
            time.sleep(2 * policy.silence_seconds)
        return look(folder, name)

    with elsewhere():
        Lease.take(folder)
    folder.write("lease-000001.beat", b"7")
    monkeypatch.setattr(Folder, "found", hanging)
    with ThreadPoolExecutor(1) as threads:
        refused = threads.submit(taken, folder, policy)
        time.sleep(2.2 * policy.silence_seconds)
        folder.write("lease-000001.beat", b"8")
        with pytest.raises(LeaseError, match="on far"):
            refused.result(timeout=30)


@pytest.mark.parametrize("way", NOT_ALONE)
def test_an_earlier_try_of_the_same_task_is_taken_over_at_once(
    way: IfBuilding, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOLDER, "airflow monthly/2026-11/pages")
    with held_elsewhere(folder) as orphan:
        assert taken(folder, replace(PATIENT, if_building=way)) == 2
        with pytest.raises(LeaseError):
            orphan.check()
    monkeypatch.setenv(HOLDER, "airflow monthly/2026-11/tokens")
    with held_elsewhere(folder):
        monkeypatch.setenv(HOLDER, "")  # no name is no task: two without one are two
        with pytest.raises(LeaseError, match="airflow monthly/2026-11/tokens, process"):
            taken(folder, replace(QUICK, if_building="refuse"))


def test_a_process_that_is_no_more_is_not_waited_for(folder: Folder) -> None:
    """Nor one whose number another process has by now; a number in another table of processes says nothing."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    me = Holder.here()
    waits = replace(PATIENT, if_building="wait")
    folder.create("lease-000001.json", replace(me, pid=gone.pid).to_json())
    assert taken(folder, waits) == 2
    assert me.started is not None
    folder.create("lease-000003.json", replace(me, started=me.started - 1).to_json())
    assert taken(folder, waits) == 4
    assert replace(me, pid=gone.pid, pid_namespace="pid:[1]").life(me) == "unknown"
    assert replace(me, host="far").life(me) == "unknown"
    folder.create("lease-000005.json", json.dumps({"host": me.host, "pid": gone.pid}).encode())  # of an older version
    assert taken(folder, replace(QUICK, if_building="wait")) == 6


@contextmanager
def holding(folder: Path, log: Path, looks: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the lease, or waits for it, and looks so often whether it still has it."""
    command = [sys.executable, "-c", HOLDING, str(folder), str(log), str(looks)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_killed_holder_is_taken_over_at_once_and_a_stopped_one_after_a_while(tmp_path: Path) -> None:
    folder, log = Folder(str(tmp_path / "run")), tmp_path / "log"
    refuses = replace(QUICK, if_building="refuse")
    with holding(tmp_path / "run", log, FOREVER) as first:
        soon(lambda: log.exists() and "in 1" in log.read_text(), "the first holder")
        with pytest.raises(LeaseError, match=f"process {first.pid} on"):
            taken(folder, replace(PATIENT, if_building="refuse"))
        first.send_signal(signal.SIGSTOP)
        soon(lambda: Path(f"/proc/{first.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", "it stops")
        assert taken(folder, refuses) == 2
        first.send_signal(signal.SIGCONT)
        assert first.wait(30) == 0
    assert log.read_text() == "in 1\nrefused 1\nout 1\n"
    with holding(tmp_path / "run", log, FOREVER) as second:
        soon(lambda: "in 3" in log.read_text(), "the second holder")
        second.kill()
        assert taken(folder, replace(PATIENT, if_building="wait")) == 4  # nobody has buried it yet


def test_many_that_wait_have_it_one_after_another(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ExitStack() as stack:
        processes = [stack.enter_context(holding(tmp_path / "run", log, 5)) for _ in range(4)]
        assert [process.wait(60) for process in processes] == [0] * 4
    lines = [line.split() for line in log.read_text().splitlines()]
    assert lines == [[word, str(number)] for number in range(1, 5) for word in ("in", "out")]


def test_many_threads_that_wait_have_it_one_after_another(folder: Folder) -> None:
    inside, lock, policy = [], Lock(), replace(QUICK, if_building="wait")

    def work(_: int) -> int:
        with held(folder, "x@dev", policy, [].append) as lease:
            assert lock.acquire(blocking=False), "two at once"
            inside.append(lease.number)
            time.sleep(0.05)
            lock.release()
            return lease.number

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(work, range(6))) == inside == list(range(1, 7))


def test_a_forked_child_ends_nothing(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "run"))
    with ExitStack() as stack:
        lease = stack.enter_context(held(folder, "x@dev", QUICK, print))
        if (child := os.fork()) == 0:
            stack.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert folder.found("lease-000001.beat") != b"ended"
        lease.check()
    assert folder.read("lease-000001.beat") == b"ended"


def test_signs_that_cannot_be_written_end_no_work(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def full(folder: Folder, name: str, data: bytes) -> None:
        tried.append(name)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Folder, "mark", full)
    with held(folder, "x@dev", QUICK, print) as lease:
        soon(lambda: len(tried) > 2, "it goes on trying")
        lease.check()
    assert names(folder) == ["lease-000001.json"]


def test_an_answer_that_was_lost_is_no_other_run(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request is made again and finds what it has created: its own lease, which nobody is to wait for."""
    create = Folder.create
    monkeypatch.setattr(Folder, "create", lambda *asked: create(*asked) and False)
    assert taken(folder, replace(PATIENT, if_building="wait")) == 1


def test_on_an_object_store(monkeypatch: pytest.MonkeyPatch) -> None:
    with moto() as port:
        for name, value in aws_environment(port).items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("corpora")
        folder = Folder("s3://corpora/x/dev/run")
        with held_elsewhere(folder) as lease, ThreadPoolExecutor(1) as threads:
            with pytest.raises(LeaseError, match="on far"):
                taken(folder, replace(QUICK, if_building="refuse", silence_seconds=20))
            waiting = threads.submit(taken, folder, replace(QUICK, if_building="wait", silence_seconds=20))
            time.sleep(1)
            assert not waiting.done()
            lease.check()
            held_no_more = taken(folder, QUICK)
            assert (held_no_more, waiting.result(timeout=30)) == (2, 3)
        assert len(names(folder)) == 6
        s3fs.S3FileSystem.clear_instance_cache()
