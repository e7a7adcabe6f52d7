"""Bad input through the whole command: faults are counted by reason, the good records around them are kept."""

import gzip
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_run import Finished, millstream, outside, prose, warc

RECIPE = """
name: bad
seed: 1
sources:
  web: {format: warc, paths: ["in/*"]}
corpus:
  language: null
  rules: %s
  max_fault_share: %s
"""
MIB = 2**20


def good(number: int) -> bytes:
    """A record that is to be kept."""
    return warc(f"http://good.example/{number}", f"<p>{prose(f'place {number}', 5)}</p>".encode())


def around(bad: bytes, number: int) -> bytes:
    """The bad bytes between two good records."""
    return good(2 * number) + bad + good(2 * number + 1)


def truncated_member() -> bytes:
    return warc("http://bad.example/", b"<p>cut off</p>" + random.Random(3).randbytes(5000))[:-2000]


def wrong_length() -> bytes:
    return gzip.compress(gzip.decompress(good(1000)).replace(b"Content-Length: ", b"Content-Length: 9"), mtime=0)


def bad_chunks() -> bytes:
    return warc("http://bad.example/", b"zz\r\nno size\r\n", "2025-01-01T00:00:00Z", "Transfer-Encoding: chunked")


def unknown_charset() -> bytes:
    page = warc("http://bad.example/charset", "<p>Süße Grüße aus Köln. ".encode() * 9)
    return gzip.compress(gzip.decompress(page).replace(b"charset=utf-8", b"charset=utf-x"), mtime=0)


def huge_page() -> bytes:
    return warc("http://bad.example/", b"<p>" + b"many words " * (200 * MIB // 11))


def nested_tags() -> bytes:
    return warc("http://bad.example/", b"<div>" * 100_000 + b"Deep down there is a sentence.")


def bomb() -> bytes:
    body = gzip.compress(gzip.compress(bytes(300 * MIB), 9), 9)
    return warc("http://bad.example/", body, "2025-01-01T00:00:00Z", "Content-Encoding: gzip, gzip")


BAD: list[tuple[Callable[[], bytes], dict[str, int]]] = [
    (truncated_member, {"broken_record": 1}),
    (wrong_length, {"broken_record": 1}),
    (bad_chunks, {"broken_record": 1}),
    (unknown_charset, {}),
    (huge_page, {"too_large": 1}),
    (nested_tags, {}),
    (bomb, {"too_large": 1}),
]
NO_ARCHIVE = {"empty.warc.gz": b"", "picture.warc.gz": b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(9000)}


def written(folder: Path, files: dict[str, bytes], rules: str = "[]", share: float = 1.0) -> tuple[Any, ...]:
    """The words of a run over a folder of these files."""
    (folder / "in").mkdir()
    for name, data in files.items():
        (folder / "in" / name).write_bytes(data)
    (folder / "bad.yaml").write_text(RECIPE % (rules, share))
    return ("run", folder / "bad.yaml", "--root", folder / "root", "--workers", 2)


def reasons(folder: Path) -> dict[str, int]:
    tally = Finished(folder / "bad.yaml", folder / "root", "").manifest("corpus/extracted")["tally"]
    assert tally["read"] == tally["kept"] + tally["dropped"]
    counts: dict[str, int] = {}
    for by_reason in tally["reasons"].values():
        counts |= by_reason
    return counts


def test_all_of_it_in_one_folder(tmp_path: Path) -> None:
    """Every kind of damage in a file of its own, good records around each: all of these are kept, memory is bounded."""
    files = {f"{n}-{make.__name__}.warc.gz": around(make(), n) for n, (make, _) in enumerate(BAD)}
    done = outside(*written(tmp_path, files | NO_ARCHIVE), "--only", "corpus/extracted")
    assert (done.returncode, done.stderr) == (0, "")
    run = Finished(tmp_path / "bad.yaml", tmp_path / "root", "")
    urls = {row["url"] for row in run.rows("corpus/extracted", "data")}
    assert {f"http://good.example/{n}" for n in range(2 * len(BAD))} <= urls
    expected: dict[str, int] = {}
    for _, counts in BAD:
        for reason, n in counts.items():
            expected[reason] = expected.get(reason, 0) + n
    expected["broken_record"] += len(NO_ARCHIVE)
    assert reasons(tmp_path) == expected
    faults = [row for row in run.rows("corpus/extracted", "rejects") if row["fault"]]
    assert len(faults) == sum(expected.values())
    record = json.loads((tmp_path / "root/corpus/extracted/dev/run.json").read_text())
    assert record["peak_rss"] < 600 * MIB
    assert millstream("verify", "--root", tmp_path / "root").code == 0


@pytest.mark.slow
def test_attributes_that_take_the_parser_minutes(tmp_path: Path) -> None:
    """100,000 attributes in one tag are quadratic in the parser: the guard ends it, twice, and the page is dropped."""
    page = b"<p " + b" ".join(b'a%d="%d"' % (n, n) for n in range(100_000)) + b">text</p>"
    files = {"a.warc.gz": around(warc("http://bad.example/", page), 0)}
    said = millstream(*written(tmp_path, files), "--only", "corpus/extracted")
    assert said.code == 0
    assert reasons(tmp_path) == {"extractor_crash": 1}


MOSTLY_BROKEN = {
    "broken": b"".join(around(truncated_member() * 2 + wrong_length() * 2, n) for n in range(3)),
    "no archive": b"This is no archive.\n" * 100,
    "empty": b"",
}


@pytest.mark.parametrize("what", MOSTLY_BROKEN)
def test_a_shard_mostly_broken_is_an_error(what: str, tmp_path: Path) -> None:
    said = millstream(*written(tmp_path, {"a.warc.gz": MOSTLY_BROKEN[what]}, share=0.5))
    assert said.code == 3
    assert said.err.count("\n") == 1
    assert re.search(r"corpus/extracted/dev: shard 0: \d+ of \d+ records are faults", said.err)
    assert "corpus.max_fault_share" in said.err
    assert not list((tmp_path / "root").rglob("manifest.json"))


def test_script_is_shown_as_text(tmp_path: Path) -> None:
    """A page that is dropped for having too few sentences stands in the report as a sample, its markup as text."""
    shown = "&lt;script&gt;alert(1)&lt;/script&gt;" * 5
    page = warc(
        "http://bad.example/<script>alert(2)</script>", f"<title>{shown}</title><p>{shown} and words</p>".encode()
    )
    said = millstream(*written(tmp_path, {"a.warc.gz": around(page, 0)}, rules="[{rule: c4, dialect: tfds-3}]"))
    assert said.code == 0
    report = (tmp_path / "root" / "report.html").read_text()
    assert "&lt;script&gt;alert(1)" in report
    assert "alert(2)" in report
    assert "<script" not in report.lower()


def test_real_broken_archives(shared_data: Path, tmp_path: Path) -> None:
    """Every file of other tools' test suites as one source: it ends, and every record is counted."""
    paths = json.dumps([f"{shared_data}/warc/**/*"])
    (tmp_path / "bad.yaml").write_text(RECIPE % ("[]", 1.0))
    words = ("--root", tmp_path / "root", "--set", f"sources.web.paths={paths}", "--only", "corpus/extracted")
    said = millstream("run", tmp_path / "bad.yaml", *words)
    assert (said.code, said.err) == (0, "")
    assert reasons(tmp_path)["broken_record"] > 30
    tally = Finished(tmp_path / "bad.yaml", tmp_path / "root", "").manifest("corpus/extracted")["tally"]
    assert tally["kept"] > 450
    assert millstream("verify", "--root", tmp_path / "root").code == 0
