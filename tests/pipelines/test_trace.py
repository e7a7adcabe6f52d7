"""`millstream explain`: the life of a document of every fate, and its tokens where it says that they are."""

import io
import re
from pathlib import Path
from typing import Any

import build_report_run as runs
import numpy as np
import pytest
from rich.console import Console
from small_run import Finished, millstream

from corpus.storage import Folder
from pipelines.artifact import Place
from pipelines.listing import manifest_lines
from pipelines.names import EXTRACTED
from pipelines.trace import life_of
from tokenizer import vocab
from tokenizer.shard import TokenShard

FATES = [
    ("corpus/extracted", "not_html", "read_warc"),
    ("corpus/pages", "other_language", "language_filter"),
    ("corpus/pages", "too_few_sentences", "c4"),
    ("corpus/deduped", "duplicate_url", "url_dedup"),
    ("corpus/deduped", "exact_duplicate", "exact_dedup"),
    ("corpus/deduped", "near_duplicate", "near_dedup"),
]


def lines_of(finished: Finished, document: str) -> list[list[str]]:
    """What is said of it, by name; one entry for each document."""
    said = millstream("explain", document, "--root", finished.root)
    assert (said.code, said.err) == (0, "")
    return [part.splitlines() for part in said.out.split("document ")[1:]]


def said_of(lines: list[str], name: str) -> list[str]:
    return [line.split(maxsplit=1)[1] for line in lines if line.split()[0] == name]


@pytest.mark.parametrize(("corpus", "reason", "stage"), FATES)
def test_dropped(corpus: str, reason: str, stage: str, finished: Finished) -> None:
    row = next(row for row in finished.rows(corpus, "rejects") if row["drop_reason"] == reason)
    (lines,) = lines_of(finished, row["id"])
    assert lines[0] == row["id"]
    assert said_of(lines, "origin") == [row["origin"]]
    assert said_of(lines, corpus)[0].startswith(f"dropped by {stage}: {reason}")
    last = next(line for line in reversed(lines) if line.startswith("  corpus/"))
    assert last.split()[0] == corpus, "its life ends there"


def test_what_a_page_says_of_itself(finished: Finished) -> None:
    row = next(row for row in finished.rows("corpus/deduped", "data") if row["title"] and row["published"])
    (lines,) = lines_of(finished, row["id"])
    for name in ("title", "published"):
        assert said_of(lines, name) == [row[name]]
    assert said_of(lines, "author") == [row["author"]] * (row["author"] is not None)


def test_a_duplicate_names_the_one_that_stayed(finished: Finished) -> None:
    (row,) = [r for r in finished.rows("corpus/deduped", "rejects") if r["drop_reason"] == "duplicate_url"]
    (lines,) = [lines for lines in lines_of(finished, row["url"]) if lines[0] == row["id"]]
    assert lines[-1].split() == [row["duplicate_of"], "http://planted.example/twice"]


def test_a_url_may_have_several_documents(finished: Finished) -> None:
    assert len(lines_of(finished, "http://planted.example/twice")) == 2


def test_held_out(finished: Finished) -> None:
    row = finished.rows("corpus/heldout", "data")[0]
    (lines,) = lines_of(finished, row["id"])
    assert said_of(lines, "corpus/heldout") == [f"held out, {len(row['text'].encode()):,} bytes"]
    assert said_of(lines, "corpus/mixture") == ["dropped by holdout: held_out"]
    assert said_of(lines, "tokens/main") == []


def tokens_at(finished: Finished, said: str) -> Any:
    part, first, last = re.fullmatch(r"copy \d+: part-(\d+)\.bin, tokens ([\d,]+) to ([\d,]+), .*", said).groups()  # type: ignore[union-attr]
    size = finished.manifest("vocab/main")["measures"]["vocab_size"]
    shard = TokenShard.open(finished.root / "tokens" / "main" / "dev", int(part), size)
    return shard.tokens[int(first.replace(",", "")) : int(last.replace(",", "")) + 1]


def test_mixed_documents_are_where_it_says(finished: Finished) -> None:
    trained = vocab.load(Folder(str(finished.root / "vocab" / "main" / "dev")))
    mixed = finished.rows("corpus/mixture", "data")
    for row in [mixed[0], mixed[-1], *[row for row in mixed if row["copy"] == 1][:3]]:
        (lines,) = lines_of(finished, row["id"])
        copies = [other for other in mixed if other["id"] == row["id"]]
        places = said_of(lines, "tokens/main")
        assert len(places) == len(said_of(lines, "corpus/mixture")) == len(copies)
        for said in places:
            *ids, end = tokens_at(finished, said)
            assert end == trained.eod_id
            assert trained.decode(np.array(ids)) == row["text"]


ESCAPES = "\x1bcowned\x07\x9b31m\u202e"


def test_what_a_terminal_would_obey_is_not_printed(tmp_path: Path) -> None:
    """Neither by `explain` nor by `show`; a fault's lines stay lines."""
    place = Place(Folder(str(tmp_path)))
    good = runs.page(0, "Page", f"http://{ESCAPES}.example/")
    bad = runs.page(1, None, f"http://one.example/{ESCAPES}", fault=f"first {ESCAPES}\nsecond", charset=ESCAPES)
    runs.put_corpus(place, EXTRACTED, [good, runs.dropped(bad, "read_warc", "broken_record")], ("read_warc",))
    console = Console(file=io.StringIO(), width=200)
    for line in manifest_lines(place.need(EXTRACTED)):
        console.print(line)
    told = [line for row in (good, bad) for line in life_of(place, [EXTRACTED], row["id"])]
    for said in (console.file.getvalue(), "\n".join(told)):  # type: ignore[attr-defined]
        assert "\ufffdcowned\ufffd\ufffd31m\ufffd" in said
        assert [char for char in said if not char.isprintable() and char != "\n"] == []
    assert told[-1].split("\n")[-1].split() == ["second"]
