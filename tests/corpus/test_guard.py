"""Rows that kill or hang their process are found and dropped; all others come out as if those had not been there."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_stages import Append, DropWord, Mishap, Repeat, documents

from corpus import guard
from corpus.errors import SchemaError
from corpus.schema import DOCUMENT
from corpus.stage import Stage, fuse

FAULTS = {
    "crash": "killed by SIGSEGV",
    "leave": "ended itself without a result",
    "exit": "ended with code 70",
    "eat": "out of memory",
}


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "ROW_CPU_SECONDS", 0.2)
    monkeypatch.setattr(guard, "BATCH_CPU_SECONDS_A_ROW", 0.05)
    monkeypatch.setattr(guard, "IDLE_SECONDS", 0.4)
    monkeypatch.setattr(guard, "MEMORY_BYTES", 2**26)


def passed(texts: list[str], *stages: Stage, **columns: Any) -> list[dict[str, Any]]:
    step, schema = fuse(stages or [Mishap()], DOCUMENT)
    return pa.Table.from_batches(step(documents(texts, **columns)), schema=schema).to_pylist()


def check(texts: list[str], rows: list[dict[str, Any]], bad: str, fault: str) -> None:
    expected = passed(["good" if text == bad else text for text in texts])
    assert [row["row"] for row in rows] == list(range(len(texts)))
    for text, row, other in zip(texts, rows, expected, strict=True):
        if text == bad:
            assert (row["text"], row["dropped_by"], row["drop_reason"]) == (bad, "guard", "extractor_crash")
            assert row["fault"] == fault
        else:
            assert row == other


@pytest.mark.parametrize("watch", [True, False])
@pytest.mark.parametrize("bad", [[2], [0, 3, 4], [0, 1, 2, 3, 4]])
@pytest.mark.parametrize("how", ["crash", "leave", "exit"])
def test_rows_that_end_the_process(how: str, bad: list[int], watch: bool) -> None:
    texts = [f"{how} {at}" if at in bad else f"page {at}" for at in range(5)]
    rows = passed(texts, Mishap(watch=watch))
    assert [row["drop_reason"] for row in rows] == ["extractor_crash" if at in bad else None for at in range(5)]
    assert {row["fault"] for row in rows} - {None} == {FAULTS[how]}
    assert [row["text"] for row in rows] == [t if at in bad else t.upper() for at, t in enumerate(texts)]
    assert [row["row"] for row in rows] == list(range(5))


@pytest.mark.parametrize("watch", [True, False])
@pytest.mark.parametrize("bad", ["eat", "spin", "sleep"])
def test_rows_that_hang_or_eat(bad: str, watch: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if bad == "eat":  # filling memory takes its time
        monkeypatch.setattr(guard, "ROW_CPU_SECONDS", 20.0)
    faults = {
        "eat": FAULTS["eat"],
        "spin": "more than 0 CPU seconds in one row",
        "sleep": "did nothing for 0 seconds",
    }
    texts = ["one", bad, "three"]
    check(texts, passed(texts, Mishap(watch=watch)), bad, faults[bad])


def test_two_rows_that_hang() -> None:
    texts = ["sleep", "two", "sleep", "four"]
    check(texts, passed(texts), "sleep", "did nothing for 0 seconds")


@settings(max_examples=15)
@given(st.lists(st.sampled_from(["good", "fine", "crash", "raise", "skip"]), max_size=7), st.booleans())
def test_good_rows_come_out_as_without_the_bad(texts: list[str], watch: bool) -> None:
    stages = [DropWord(word="skip"), Mishap(watch=watch), Append(word="x")]
    rows = passed(texts, *stages)
    reasons = {"crash": "extractor_crash", "raise": "stage_error", "skip": "has_word"}
    assert [row["drop_reason"] for row in rows] == [reasons.get(text) for text in texts]
    assert [row["text"] for row in rows] == [t if t in reasons else f"{t.upper()} x" for t in texts]


@pytest.mark.parametrize("watch", [True, False])
def test_a_death_from_outside_costs_nothing(watch: bool, tmp_path: Path) -> None:
    rows = passed(["a", "crash-once", "c"], Mishap(watch=watch, flag=str(tmp_path / "flag")))
    assert (tmp_path / "flag").exists()
    assert [row["text"] for row in rows] == ["A", "CRASH-ONCE", "C"]
    assert {row["drop_reason"] for row in rows} == {None}


def test_an_exception_is_kept_as_the_fault() -> None:
    rows = passed(["a", "raise", "c"])
    assert [row["drop_reason"] for row in rows] == [None, "stage_error", None]
    assert [row["dropped_by"] for row in rows] == [None, "mishap", None]
    assert "ValueError: cannot take" in rows[1]["fault"]


def test_neighbours_in_one_child() -> None:
    """A guarded stage that drops rows before another: the second one's row numbers are its own, and nobody innocent
    is dropped for it."""
    rows = passed(["exit", "b", "crash", "d"], DropWord(word="b"), Mishap(), Repeat(times=2), Mishap(watch=False))
    assert [row["row"] for row in rows] == [0, 1, 2, 3, 3]
    assert [row["drop_reason"] for row in rows] == ["extractor_crash", "has_word", "extractor_crash", None, None]


def test_work_after_the_last_row_is_the_batch_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of work after the rows, with 0.2 s allowed for a row and 4 s for the batch: nobody is killed."""

    class Late(Mishap):
        def open(self) -> Any:
            def work(batch: pa.RecordBatch) -> Any:
                for _ in guard.watched(range(batch.num_rows)):
                    pass
                busy_until = time.process_time() + 1.0
                while time.process_time() < busy_until:
                    pass
                yield batch

            return work

    monkeypatch.setattr(guard, "BATCH_CPU_SECONDS_A_ROW", 2.0)
    killed: list[int] = []
    kill = os.kill
    monkeypatch.setattr(os, "kill", lambda pid, how: (killed.append(pid), kill(pid, how)))
    assert {row["drop_reason"] for row in passed(["a", "b"], Late())} == {None}
    assert killed == []


def test_errors_for_the_user_pass_through() -> None:
    class Undeclared(DropWord):
        guarded = True
        reasons = frozenset()

    with pytest.raises(Exception, match="does not declare") as caught:
        passed(["a"], Undeclared(word="a"))
    assert type(caught.value) is SchemaError


def test_nothing_in_nothing_out() -> None:
    assert passed([]) == []


def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    script = (
        "from tiny_stages import *; from corpus.stage import fuse\n"
        f"class Told(Mishap):\n    def _met(self, text): open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))"
        " and super()._met(text)\n"
        "list(fuse([Told()], DOCUMENT)[0](documents(['sleep'])))"
    )
    paths = os.pathsep.join(sys.path)
    parent = subprocess.Popen([sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": paths})
    told = tmp_path / "pid"
    while not told.exists() or not told.read_text():
        assert parent.poll() is None
        time.sleep(0.02)
    child = int(told.read_text())
    os.kill(child, 0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{child}/exe").exists()  # gone, or a zombie that nobody has buried yet


def test_an_interrupted_parent_leaves_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    pids: list[int] = []
    opened = os.pidfd_open

    def told(pid: int) -> int:
        pids.append(pid)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        return opened(pid)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "pidfd_open", told)
    before = signal.signal(signal.SIGALRM, interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            passed(["sleep"])
    finally:
        signal.signal(signal.SIGALRM, before)
    (pid,) = pids
    assert not Path(f"/proc/{pid}").exists()
