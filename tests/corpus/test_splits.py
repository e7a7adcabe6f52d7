"""Which files a source has, and how they are cut."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, pairwise
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO, ClassVar

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import given
from hypothesis import strategies as st
from tiny_stages import split

from corpus.errors import ConfigError
from corpus.splits import SPLIT, InputFile, Part, Split, cut, find_files, gather, limited


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b/2.gz", "a/1.gz", "a/2.gz", "a/c/3.gz", "a/note.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def names(tree: Path, *patterns: str) -> list[str]:
    return [item.file for item in find_files({"web": [f"{tree}/{pattern}" for pattern in patterns]})]


def test_globs_and_names(tree: Path) -> None:
    assert names(tree, "a/*.gz") == ["1.gz", "2.gz"]
    assert names(tree, "a/2.gz", "a/1.gz") == ["1.gz", "2.gz"]
    assert names(tree, "*/*.gz") == ["a/1.gz", "a/2.gz", "b/2.gz"]
    assert names(tree, "**/*.gz") == ["a/1.gz", "a/2.gz", "a/c/3.gz", "b/2.gz"]
    assert names(tree, "a/*") == ["1.gz", "2.gz", "note.txt"]


def test_sources_keep_their_order(tree: Path) -> None:
    found = find_files({"z": [f"{tree}/b/*.gz"], "a": [f"{tree}/a/*.gz"]})
    assert [(item.source, item.file, item.size) for item in found] == [
        ("z", "2.gz", 6),
        ("a", "1.gz", 6),
        ("a", "2.gz", 6),
    ]


def test_a_link_is_what_it_leads_to(tree: Path) -> None:
    (tree / "b" / "link.gz").symlink_to(tree / "a" / "c" / "3.gz")
    (item,) = find_files({"web": [f"{tree}/b/link.gz"]})
    assert item.size == 8


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["none/*.gz"], "sources.web.paths: no file matches .*none/"),
        (["a/1.gz", "a/9.gz"], "no file matches .*a/9.gz"),
        (["a"], "no file matches"),
        (["a/*.gz", "b/*.gz"], "both called 2.gz; make them two sources"),
        (["a/*.gz", "*/1.gz"], "would be read twice, as 1.gz and as a/1.gz"),
    ],
)
def test_what_is_wrong_is_said(tree: Path, patterns: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        names(tree, *patterns)


def test_a_store_in_memory() -> None:
    with fsspec.open("memory://splits/x/1.gz", "wb") as file:
        file.write(b"123")
    (item,) = find_files({"web": ["memory://splits/*/*.gz"]})
    assert (item.file, item.size) == ("x/1.gz", 3)
    with fsspec.open(item.url) as file:
        assert file.read() == b"123"


class Asked(LocalFileSystem):
    """A disk that notes what it is asked."""

    protocol = "asked"
    cachable = False
    asked: ClassVar[list[str]] = []

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.removeprefix("asked://")))

    def unstrip_protocol(self, name: str) -> str:
        return f"asked://{name}"

    def ls(self, path: str, detail: bool = False, **more: Any) -> Any:
        self.asked.append("ls")
        return super().ls(path, detail=detail, **more)

    def info(self, path: Any, **more: Any) -> Any:
        if isinstance(path, str):  # not an entry that a listing has found
            self.asked.append("info")
        return super().info(path, **more)


@pytest.fixture
def asked() -> list[str]:
    fsspec.register_implementation("asked", Asked, clobber=True)
    Asked.asked.clear()
    return Asked.asked


@pytest.mark.parametrize("n_files", [3, 2000])
def test_one_listing_for_any_number_of_files(tmp_path: Path, asked: list[str], n_files: int) -> None:
    for n in range(n_files):
        (tmp_path / f"{n}.gz").write_bytes(b"x" * (n % 7))
    found = find_files({"web": [f"asked://{tmp_path}/*.gz"]})
    assert len(found) == n_files
    assert all(item.size == int(Path(item.file).stem) % 7 and item.times for item in found)
    assert asked.count("ls") == 1
    assert asked.count("info") <= 4, "of the pattern and its folder, not of the files"


def test_a_link_in_a_listing_is_what_it_leads_to(tree: Path) -> None:
    (tree / "b" / "link.gz").symlink_to(tree / "a" / "c" / "3.gz")
    linked, there = find_files({"web": [f"{tree}/b/l*.gz"], "same": [f"{tree}/a/c/3.gz"]})
    assert (linked.file, linked.size, linked.times) == ("link.gz", there.size, there.times)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        return


def test_a_web_server_lists_no_sizes(tree: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tree))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        found = find_files({"web": [f"http://127.0.0.1:{server.server_port}/a/*.gz"]})
        server.shutdown()
        thread.join()
    assert [(item.file, item.size) for item in found] == [("1.gz", 6), ("2.gz", 6)]


def every_tenth(_: BinaryIO, position: int, size: int) -> int:
    return min(-(-position // 10) * 10, size)


SIZES = st.lists(st.integers(0, 95), max_size=8)


@given(SIZES, st.integers(1, 120))
def test_gathered_neighbours_keep_the_limit(sizes: list[int], limit: int) -> None:
    groups = list(gather(enumerate(sizes), lambda item: item[1], limit))
    assert [item for group in groups for item in group] == list(enumerate(sizes))
    assert all(groups)
    totals = [sum(size for _, size in group) for group in groups]
    assert all(total <= limit or len(group) == 1 for group, total in zip(groups, totals, strict=True))
    # none could have taken the first of the next one
    assert all(total + later[0][1] > limit for total, later in zip(totals, groups[1:], strict=False))


def test_gather_as_its_docstring_says() -> None:
    assert list(gather([3, 4, 9, 1, 1], lambda size: size, 8)) == [(3, 4), (9,), (1, 1)]


@given(SIZES, SIZES, st.integers(1, 120))
def test_cuts_cover_each_file_once(
    tmp_path_factory: pytest.TempPathFactory, ours: list[int], theirs: list[int], split_bytes: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "file"
    path.write_bytes(b"x" * 100)
    files = [
        InputFile(source, str(path), str(n), size)
        for source, sizes in (("z", ours), ("a", theirs))
        for n, size in enumerate(sizes)
    ]
    splits = list(cut(files, split_bytes, every_tenth))
    assert [one.shard for one in splits] == list(range(len(splits)))
    parts = [part for one in splits for part in one.parts]
    for item in files:
        own = [part for part in parts if (part.source, part.file) == (item.source, item.file)]
        assert {part.size for part in own} == {item.size}
        assert (own[0].start, own[-1].end) == (0, item.size)
        assert all(a.end == b.start and a.end % 10 == 0 for a, b in pairwise(own))
        assert all(part.end > part.start for part in own) or item.size == 0
    order = [(item.source, item.file) for item in files]
    assert list(dict.fromkeys((part.source, part.file) for part in parts)) == order
    for one in splits:
        assert len({part.source for part in one.parts}) == 1, "no split spans two sources"
        assert len(one.parts) == 1 or sum(part.end - part.start for part in one.parts) <= split_bytes


def test_many_small_files_are_few_splits() -> None:
    """Each source for itself: 100 files of 30 bytes and 10 more, 100 bytes a split; none of them is opened."""
    sizes = {"z": [30] * 100, "a": [30] * 10}
    files = [
        InputFile(source, f"nowhere://{n}", f"{n:03}", size)
        for source, own in sizes.items()
        for n, size in enumerate(own)
    ]
    splits = list(cut(files, 100, every_tenth))
    assert [len(one.parts) for one in splits] == [3] * 33 + [1] + [3] * 3 + [1]
    assert [one.parts[0].source for one in splits] == ["z"] * 34 + ["a"] * 4


COUNTS = st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=3), max_size=6)


@given(COUNTS, st.integers(1, 25))
def test_a_limit_takes_exactly_the_first(counts: list[list[int]], limit: int) -> None:
    splits = [split(shard, *((0, n) for n in parts)) for shard, parts in enumerate(counts)]

    def n_rows(one: Split) -> int:
        n = sum(part.end for part in one.parts)
        return n if one.max_rows is None else min(n, one.max_rows)

    kept = limited(splits, limit, n_rows)
    assert sum(map(n_rows, kept)) == min(limit, sum(map(sum, counts)))
    assert [one.parts for one in kept] == [one.parts for one in splits[: len(kept)]]


def test_after_the_limit_no_more_are_asked_for() -> None:
    kept = limited((split(shard, (0, 3), (0, 4)) for shard in count()), 10, lambda one: 7)
    assert kept == [split(0, (0, 3), (0, 4), max_rows=10), split(1, (0, 3), (0, 4), max_rows=3)]


def test_a_split_as_rows_and_as_a_record() -> None:
    one = Split(3, (Part("web", "/here/f", "f", 9, 0, 9), Part("web", "/here/g", "g", 8, 2, 5)))
    assert one.batch().schema == SPLIT
    assert [(row["shard"], row["file"], row["start"], row["max_rows"]) for row in one.batch().to_pylist()] == [
        (3, "f", 0, None),
        (3, "g", 2, None),
    ]
    assert one.listed() == {
        "shard": 3,
        "max_rows": None,
        "parts": [
            {"source": "web", "file": "f", "size": 9, "start": 0, "end": 9},
            {"source": "web", "file": "g", "size": 8, "start": 2, "end": 5},
        ],
    }


def test_a_name_may_hold_the_signs_of_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "a[1].warc.gz").write_bytes(b"x")
    (found,) = find_files({"web": [str(tmp_path / "a[1].warc.gz")]})
    assert found.file == "a[1].warc.gz"


def test_chained_stores_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="chains two stores"):
        find_files({"web": [f"zip://*.warc.gz::{tmp_path}/x.zip"]})
