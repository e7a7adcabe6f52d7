"""Tasks as ranks of datatrove's Ray executor, on a Ray of this machine's own."""

import os
import signal
import threading
from pathlib import Path

import pytest
from tiny_tasks import Fail, Wait, Write
from waiting import gone, pid_in, soon

from corpus.errors import DataError
from pipelines.engines.datatrove.crew import DatatroveCrew
from pipelines.engines.datatrove.settings import DatatroveSettings

pytestmark = pytest.mark.slow
pytest.importorskip("ray")


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("victim", ["the rank", "its actor"])
def test_a_killed_worker_costs_nothing(tmp_path: Path, victim: str, capfd: pytest.CaptureFixture[str]) -> None:
    def kill() -> None:
        path = tmp_path / "b.pid"
        try:
            pid = pid_in(path)
            path.unlink()
            os.kill(pid if victim == "the rank" else parent_of(pid), signal.SIGKILL)
            assert pid_in(path) != pid  # begun again
        finally:
            (tmp_path / "go").touch()

    folder = str(tmp_path)
    crew = DatatroveCrew(DatatroveSettings.parsed(["executor=ray", "mem_per_cpu_gb=1"]), 2, tmp_path / "phases")
    killer = threading.Thread(target=kill)
    killer.start()
    told = list(crew.run([Write(folder, "a"), Wait(folder, "b"), Write(folder, "c")]))
    killer.join()
    assert sum(n for n, _ in told) == 3
    assert sum(n for _, n in told) == 6
    assert crew.usage.cpu_seconds > 0
    assert all((tmp_path / name).exists() for name in "abc")
    assert capfd.readouterr() == ("", "")


def test_an_error_ends_the_run_and_ray(tmp_path: Path) -> None:
    crew = DatatroveCrew(DatatroveSettings.parsed(["executor=ray", "mem_per_cpu_gb=1"]), 2, tmp_path / "phases")
    with pytest.raises(DataError, match=r"^what, where and how to mend$"):
        list(crew.run([Wait(str(tmp_path), "late"), Fail("DataError")]))
    at_work = tmp_path / "late.pid"
    soon(lambda: not at_work.exists() or gone(int(at_work.read_text())), "the end of the other task")
