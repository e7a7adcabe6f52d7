"""Which files a source has, and how they are cut."""

from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ConfigError
from corpus.splits import SPLIT, InputFile, Split, cut, find_files, limited


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


def every_tenth(_: BinaryIO, position: int, size: int) -> int:
    return min(-(-position // 10) * 10, size)


@given(st.lists(st.integers(0, 95), max_size=4), st.integers(1, 50))
def test_cuts_cover_each_file_once(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], split_bytes: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "file"
    path.write_bytes(b"x" * 100)
    files = [InputFile("web", str(path), str(n), size) for n, size in enumerate(sizes)]
    splits = list(cut(files, split_bytes, every_tenth))
    assert [split.shard for split in splits] == list(range(len(splits)))
    for item in files:
        own = [split for split in splits if split.file == item.file]
        assert own[0].start == 0
        assert own[-1].end == item.size
        assert all(a.end == b.start and a.end % 10 == 0 for a, b in pairwise(own))
        assert all(split.end > split.start for split in own) or item.size == 0


@given(st.lists(st.integers(0, 5), max_size=6), st.integers(1, 25))
def test_a_limit_takes_exactly_the_first(counts: list[int], limit: int) -> None:
    splits = [Split("web", "u", "f", 0, n, shard) for shard, n in enumerate(counts)]
    kept = limited(splits, limit, lambda split: min(split.end, split.max_rows or 0))
    assert sum(min(split.end, split.max_rows or 0) for split in kept) == min(limit, sum(counts))
    assert [split.shard for split in kept] == list(range(len(kept)))


def test_a_split_as_a_row_and_as_a_record() -> None:
    split = Split("web", "/here/f", "f", 0, 5, 3)
    assert split.batch().schema == SPLIT
    assert split.batch().to_pylist()[0]["max_rows"] is None
    assert "url" not in split.listed()


def test_a_name_may_hold_the_signs_of_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "a[1].warc.gz").write_bytes(b"x")
    (found,) = find_files({"web": [str(tmp_path / "a[1].warc.gz")]})
    assert found.file == "a[1].warc.gz"


def test_chained_stores_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="chains two stores"):
        find_files({"web": [f"zip://*.warc.gz::{tmp_path}/x.zip"]})
