"""Files are whole or absent: on a full disk, under races, after kills, on a disk and on a store without rename."""

import multiprocessing
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpus.errors import DataError, MillstreamError
from corpus.storage import TEMPORARY, Folder, sha256_of


@pytest.fixture(params=["local", "file", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    urls = {"local": str(tmp_path), "file": f"file://{tmp_path}", "memory": f"memory://{uuid.uuid4()}"}
    return Folder(urls[request.param]) / "a" / "b"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB, where the test may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no right to mount a small disk here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_write_replaces_and_create_does_not(folder: Folder) -> None:
    assert not folder.exists("x")
    assert folder.names() == []
    folder.write("x", b"1")
    folder.write("x", b"2")
    assert folder.read("x") == b"2"
    assert not folder.create("x", b"3")
    assert folder.create("y", b"4")
    assert (folder.read("x"), folder.read("y"), folder.names()) == (b"2", b"4", ["x", "y"])


def test_adopt_remove_discard(folder: Folder) -> None:
    with folder.scratch() as path:
        path.write_bytes(b"new")
        assert [name for name in folder.names() if not name.startswith(TEMPORARY)] == []
        folder.adopt(path, "x")
    assert folder.names() == ["x"]
    assert folder.read("x") == b"new"
    folder.remove("x")
    folder.remove("x")
    assert not folder.exists("x")
    (folder / "deep").write("z", b"")
    assert folder.names("directory") == ["deep"]
    folder.discard()
    folder.discard()
    assert not (folder / "deep").exists("z")


def test_found_is_the_bytes_or_nothing(folder: Folder) -> None:
    assert folder.found("x") is None
    (folder / "x" / "deep").write("y", b"")
    assert folder.found("x") is None, "a folder is no file"
    for data in (b"", b"1"):
        folder.write("z", data)
        assert folder.found("z") == folder.read("z") == data
    folder.remove("z")
    assert folder.found("z") is None
    with folder.local_copy("z") as copy:
        assert copy is None


def test_read_all_is_every_file_in_order(folder: Folder) -> None:
    """More than are asked for together, in an order that is not theirs, one of them twice."""
    names = [f"{n:05d}" for n in range(600)]
    for name in names:
        folder.write(name, name.encode())
    asked = [*reversed(names), names[7]]
    assert list(folder.read_all(asked)) == [name.encode() for name in asked]
    assert list(folder.read_all([])) == []
    with pytest.raises(DataError, match="nothing is missing"):
        list(folder.read_all([*names[:3], "nothing", *names[3:]]))


def test_names_are_what_lies_here_and_no_deeper(folder: Folder) -> None:
    for name in ("b", "a", "c"):
        folder.write(name, b"")
        (folder / f"{name}-deep" / "er").write("z", b"")
    assert folder.names() == ["a", "b", "c"]
    assert folder.names("directory") == ["a-deep", "b-deep", "c-deep"]
    (folder / "b-deep").discard()
    assert folder.names("directory") == ["a-deep", "c-deep"]
    assert (folder / "nowhere").names() == []
    folder.discard()
    assert folder.names() == folder.names("directory") == []


def test_what_is_missing_is_said(folder: Folder) -> None:
    with pytest.raises(DataError, match="nothing is missing; run again to make it"):
        folder.read("nothing")


def test_a_scratch_that_fails_leaves_nothing(folder: Folder) -> None:
    def fail() -> None:
        with folder.scratch() as path:
            path.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert folder.names() == []


def _race(url: str, number: int, barrier: object, wins: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    for name in range(20):
        if Folder(url).create(str(name), f"{number}".encode()):
            wins.put((name, number))  # type: ignore[attr-defined]


def test_create_has_one_winner_among_eight(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, wins = context.Barrier(8), context.Queue()
    racers = [context.Process(target=_race, args=(str(tmp_path), n, barrier, wins)) for n in range(8)]
    for racer in racers:
        racer.start()
    won = dict(wins.get(timeout=30) for _ in range(20))
    for racer in racers:
        racer.join()
    assert wins.empty()
    folder = Folder(str(tmp_path))
    assert {name: int(folder.read(str(name))) for name in range(20)} == won
    assert folder.names() == sorted(map(str, range(20)))


def test_a_full_disk_is_one_clear_error(small_disk: Path) -> None:
    folder = Folder(str(small_disk / "corpus"))
    folder.write("before", b"kept")
    for put in (folder.write, folder.create):
        with pytest.raises(MillstreamError, match=r"cannot write in .*corpus: No space left on device; nothing half-"):
            put("big", os.urandom(2**21))
    assert folder.names() == ["before"]
    assert folder.read("before") == b"kept"


@pytest.mark.parametrize("under", ["file", "file/deeper"])
def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path, under: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MillstreamError, match=rf"cannot write in .*{under}: .*choose another --root"):
        Folder(str(tmp_path / under)).write("x", b"")


def test_an_error_in_reading_is_not_taken_for_one_in_writing(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), Folder(str(tmp_path)).scratch():
        raise PermissionError(13, "an input that may not be read")


def _write_for_ever(url: str) -> None:
    folder = Folder(url)
    while True:
        for number in range(10):
            folder.write(f"{number}", bytes([number]) * 200_000)


def test_killed_at_any_moment_every_name_is_whole(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for moment in range(12):
        writer = context.Process(target=_write_for_ever, args=(str(tmp_path),))
        writer.start()
        time.sleep(0.02 + moment * 0.007)
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        for name in Folder(str(tmp_path)).names():
            if not name.startswith(TEMPORARY):
                assert Folder(str(tmp_path)).read(name) == bytes([int(name)]) * 200_000


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256_of(tmp_path / "x").startswith("ba7816bf8f01cfea")
