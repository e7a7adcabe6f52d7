"""A rank that hangs is ended, says where it stands, and is named by those that wait for it."""

import ctypes
import os
import re
import signal
import socket
import time
import traceback
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st

from training.hang import Stand, Watchdog, stand, suspects, told

SECONDS, LOOK = 1.0, 2.5


def child(work, stderr: Path) -> int:
    """A forked process that does `work` and then ends with 0; its number."""
    number = os.fork()
    if not number:
        os.dup2(os.open(stderr, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644), 2)
        try:
            work()
            os._exit(0)
        except BaseException:  # the parent's pytest must not go on in the child
            traceback.print_exc()
            os._exit(70)
    return number


def code_of(number: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


def sleeps_forever() -> None:
    while True:
        time.sleep(0.05)


def holds_the_lock() -> None:
    ctypes.PyDLL(None).sleep(60)  # a call of C that lets no Python run beside it


def test_a_sleeper_is_ended_with_its_stack(tmp_path):
    def work():
        dog = Watchdog(SECONDS, tmp_path / "out", look_after=LOOK)
        for step in range(3):
            dog.beat(step)
        sleeps_forever()

    began = time.monotonic()
    assert code_of(child(work, tmp_path / "stderr")) == 1
    assert SECONDS < time.monotonic() - began < 10
    stack = (tmp_path / "out" / "hang-rank-00000.txt").read_text()
    assert "in sleeps_forever" in stack
    found = stand(stack)
    assert found is not None
    assert found.place.startswith("sleeps_forever (test_hang.py:")
    assert not found.waits
    assert (tmp_path / "stderr").read_text() == (
        "rank 0 has made no step for 1 seconds, after step 2; the stacks of its threads are in "
        f"{tmp_path}/out/hang-rank-00000.txt. The process ends; started again, the run goes on from its last whole "
        "checkpoint.\n"
    )


def test_one_that_holds_pythons_lock_is_ended_too(tmp_path):
    def work():
        dog = Watchdog(SECONDS, tmp_path, look_after=LOOK)
        dog.beat(0)
        time.sleep(0.5)  # the thread has looked at the clock
        holds_the_lock()

    began = time.monotonic()
    assert code_of(child(work, tmp_path / "stderr")) == 1
    assert SECONDS < time.monotonic() - began < 10
    found = stand((tmp_path / "hang-rank-00000.txt").read_text())
    assert found is not None
    assert found.place.startswith("holds_the_lock (test_hang.py:")


def test_steps_and_pauses_keep_it_alive(tmp_path):
    def work():
        with Watchdog(0.4, tmp_path, look_after=0.1) as dog:
            time.sleep(0.8)  # before the first step: a model may be compiling
            for step in range(8):
                dog.beat(step)
                time.sleep(0.1)
            with dog.paused():
                time.sleep(0.8)
            time.sleep(0.2)
        time.sleep(0.8)

    assert code_of(child(work, tmp_path / "stderr")) == 0
    assert (tmp_path / "stderr").read_text() == ""
    assert [path.name for path in tmp_path.iterdir()] == ["stderr"]


@pytest.mark.parametrize(
    ("where", "culprit"), [("all_reduce", 1), pytest.param("_engine_run_backward", 0, marks=pytest.mark.slow)]
)
def test_the_rank_that_the_others_wait_for_is_named(where, culprit, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def work(rank):
        dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
        model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2))
        dog = Watchdog(SECONDS, tmp_path / "out", rank, 2, look_after=LOOK)
        dist.barrier()
        dog.beat(41)
        if rank == culprit:
            sleeps_forever()
        if where == "all_reduce":
            dist.all_reduce(torch.ones(1))
        else:
            model(torch.ones(1, 2)).sum().backward()

    children = [child(lambda rank=rank: work(rank), tmp_path / f"stderr-{rank}") for rank in (0, 1)]
    codes = [code_of(number) for number in children]
    assert codes[0] == 1
    # once rank 0 is gone, a rank that waits for it learns so from gloo
    assert codes[1] == (70 if culprit == 0 else 1)
    teller, other = ((tmp_path / f"stderr-{rank}").read_text() for rank in (0, 1))
    assert re.search(
        rf"after step 41; .* Look at rank {culprit} first: rank {culprit} standing in sleeps_forever "
        rf"\(test_hang\.py:\d+\); rank {1 - culprit} waiting in {where} \(\w+\.py:\d+\)\. ",
        teller,
    )
    assert culprit == 0 or "Rank 0 tells where each rank stands." in other


@pytest.mark.parametrize("hangs", [lambda: os.kill(os.getpid(), signal.SIGSTOP), holds_the_lock])
def test_a_process_that_cannot_write_is_named_by_the_other(hangs, tmp_path):
    def work(rank):
        dog = Watchdog(SECONDS, tmp_path / "out", rank, 2, look_after=LOOK)
        dog.beat(7)
        if rank == 0:
            time.sleep(0.5)
            hangs()
        sleeps_forever()

    first = child(lambda: work(0), tmp_path / "stderr-0")
    try:
        assert code_of(child(lambda: work(1), tmp_path / "stderr-1")) == 1
    finally:
        os.kill(first, signal.SIGKILL)
        os.waitpid(first, 0)
    said = (tmp_path / "stderr-1").read_text()
    assert "Look at rank 0 first: rank 0 without a stack; rank 1 standing in sleeps_forever" in said


def test_what_an_earlier_start_left_does_not_count(tmp_path):
    def work():
        dog = Watchdog(0.4, tmp_path, look_after=0.3)
        dog.beat(1)
        sleeps_forever()

    path = tmp_path / "hang-rank-00000.txt"
    assert code_of(child(work, tmp_path / "stderr")) == 1
    before = path.read_text()
    assert stand(before) is not None
    with Watchdog(60, tmp_path):
        assert stand(path.read_text()) is None
    assert path.read_text().startswith(before)


WAITS, BUSY, OTHER = Stand("all_reduce (c.py:1)", True), Stand("batch (data.py:51)", False), Stand("a (b.py:2)", False)


FIRST = "Look at rank 1 first: rank 1 "


@pytest.mark.parametrize(
    ("stands", "accused", "said"),
    [
        (
            [WAITS, BUSY, WAITS, WAITS],
            [1],
            FIRST + "standing in batch (data.py:51); ranks 0, 2-3 waiting in all_reduce",
        ),
        ([WAITS, None, BUSY, WAITS], [1], FIRST + "without a stack; rank 2 standing in batch (data.py:51); ranks 0, 3"),
        ([WAITS] * 3, [], "No rank stands out: ranks 0-2 waiting in all_reduce (c.py:1). Ranks may disagree"),
        ([BUSY, OTHER, BUSY], [1], FIRST + "standing in a (b.py:2); ranks 0, 2 standing in batch (data.py:51)."),
        (
            [BUSY, OTHER],
            [],
            "No rank stands out: rank 0 standing in batch (data.py:51); rank 1 standing in a (b.py:2).",
        ),
    ],
)
def test_who_is_to_be_looked_at(stands, accused, said):
    by_rank = dict(enumerate(stands))
    assert suspects(by_rank) == accused
    assert told(by_rank).startswith(said)


@given(st.lists(st.sampled_from([WAITS, BUSY, OTHER, None]), min_size=1, max_size=12))
def test_every_rank_is_told_of_once(stands):
    sentence = told(dict(enumerate(stands))).partition(": ")[2]
    runs = re.findall(r"(\d+)(?:-(\d+))?(?=,| [ws])", sentence)
    ranks = [rank for start, stop in runs for rank in range(int(start), int(stop or start) + 1)]
    assert sorted(ranks) == list(range(len(stands)))


def test_text_that_is_no_stack_is_none():
    assert stand("") is None
    assert stand("== rank 1 of 2\n") is None
    assert stand("== rank 1 of 2\nThread 0x1 (most recent call first):\n  <no Python frame>\n") is None
