"""A process of a task: its lines, its exit code, its end."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from waiting import soon

from airflow_dags import process
from airflow_dags.process import Process


def test_lines_come_as_they_are_said(tmp_path: Path) -> None:
    lines: list[str] = []
    started = Process(["sh", "-c", "echo one; echo; echo two >&2; exit 3"])
    assert started.run(lines.append) == 3
    assert lines == ["one", "two"] == list(started.last)


def test_bytes_that_are_no_text_do_not_end_it() -> None:
    lines: list[str] = []
    assert Process(["printf", r"a\377b\n"]).run(lines.append) == 0
    assert lines == ["a\ufffdb"]


def test_words_go_through_no_shell() -> None:
    lines: list[str] = []
    Process(["echo", "$HOME; `date` | *"]).run(lines.append)
    assert lines == ["$HOME; `date` | *"]


def test_the_environment_is_laid_over(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setenv("KEPT", "1")
    Process(["sh", "-c", "echo $KEPT $ADDED"], {"ADDED": "2"}).run(lines.append)
    assert lines == ["1 2"]


def test_a_signal_is_told_as_a_negative_code() -> None:
    assert Process(["sh", "-c", "kill -9 $$"]).run(print) == -signal.SIGKILL


def test_an_exception_ends_the_process(tmp_path: Path) -> None:
    class TimeOverError(BaseException):
        """As a time limit's: no Exception."""

    def over(line: str) -> None:
        raise TimeOverError(line)

    started = Process(["sh", "-c", "echo $$; exec sleep 60"])
    with pytest.raises(TimeOverError) as raised:
        started.run(over)
    assert not Path(f"/proc/{raised.value}").exists()


def test_what_does_not_end_is_made_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.2)
    started = Process(
        ["python3", "-c", "import signal, time; signal.signal(15, 1); print('deaf', flush=True); time.sleep(60)"]
    )
    said: list[str] = []
    codes: list[int] = []
    running = threading.Thread(target=lambda: codes.append(started.run(said.append)))
    running.start()
    soon(lambda: said == ["deaf"], "its line")
    started.end()
    running.join()
    assert codes == [-signal.SIGKILL]


def test_it_stays_in_the_group_that_airflow_ends() -> None:
    said: list[str] = []
    Process(["python3", "-c", "import os; print(os.getpgid(0))"]).run(said.append)
    assert said == [str(os.getpgid(0))]


def test_ending_what_was_not_started_is_nothing() -> None:
    before = time.monotonic()
    Process(["sleep", "60"]).end()
    assert time.monotonic() - before < 1
