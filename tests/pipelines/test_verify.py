"""`millstream verify`: nothing to say of a good run; exit code 3 and the place for whatever was changed behind it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_run import Finished, Said, millstream

from corpus.manifest import Manifest, Tally
from pipelines.names import CORPORA

Harm = Callable[[Finished], None]


@pytest.fixture
def copy(finished: Finished, tmp_path: Path) -> Finished:
    """A copy of the run that a test may harm."""
    root = tmp_path / "root"
    shutil.copytree(finished.root, root)
    return Finished(finished.recipe, root, finished.said)


def verified(run: Finished, *words: str) -> Said:
    return millstream("verify", *words, "--root", run.root)


def test_a_good_run(finished: Finished) -> None:
    said = verified(finished)
    assert (said.code, said.err) == (0, "")
    names = [*CORPORA, "vocab/main", "tokens/main", "checkpoint/main"]
    assert said.out.splitlines() == [f"{name}: ok" for name in names]


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def a_byte_of_a_page(run: Finished) -> None:
    flip(run.files("corpus/pages", "data")[1], 1000)


def a_token(run: Finished) -> None:
    flip(run.files("tokens/main", "bin")[0], 10)


def a_weight(run: Finished) -> None:
    flip(run.files("checkpoint/main", "model")[0], -10)


def a_row(run: Finished) -> None:
    """The same rows but for one text, in a good Parquet file, with the size and sum in the manifest put right."""
    path = run.files("corpus/deduped", "data")[0]
    table = pq.read_table(path)
    texts = table.column("text").to_pylist()
    changed = table.set_column(table.schema.get_field_index("text"), "text", pa.array(["other", *texts[1:]]))
    pq.write_table(changed, path)

    def put_right(manifest: Any) -> None:
        import hashlib

        data = path.read_bytes()
        manifest["shards"][0]["files"]["data"] |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    edit(run, "corpus/deduped", put_right)


def a_file_gone(run: Finished) -> None:
    run.files("corpus/mixture", "data")[0].unlink()


def a_file_cut_short(run: Finished) -> None:
    path = run.files("corpus/heldout", "rejects")[0]
    path.write_bytes(path.read_bytes()[:-1])


def a_manifest_gone(run: Finished) -> None:
    (run.root / "corpus/pages/dev/manifest.json").unlink()


def edit(run: Finished, name: str, change: Callable[[Any], None]) -> None:
    manifest = run.manifest(name)
    change(manifest)
    (run.root / name / "dev" / "manifest.json").write_text(json.dumps(manifest))


def a_sum(run: Finished) -> None:
    """One number of the tally, which its rows do not add up to."""

    def change(manifest: Any) -> None:
        manifest["tally"]["kept"] += 1

    edit(run, "corpus/pages", change)


def retold(run: Finished, name: str, change: Callable[[Tally], Tally]) -> None:
    """The tally's rows changed, its sums with them."""
    path = run.root / name / "dev" / "manifest.json"
    manifest = Manifest.from_json(path.read_bytes(), name)
    path.write_bytes(replace(manifest, tally=tuple(map(change, manifest.tally))).to_json())


def a_reason(run: Finished) -> None:
    """As many dropped as before, some for another reason."""
    retold(run, "corpus/pages", lambda t: replace(t, drop_reason="bad_words") if t.dropped_by == "c4" else t)


def a_kept_byte(run: Finished) -> None:
    retold(run, "corpus/heldout", lambda t: t if t.drop_reason else replace(t, text_bytes=t.text_bytes + 1))


def a_copy_for_a_document(run: Finished) -> None:
    """As many rows as before."""

    def change(t: Tally) -> Tally:
        return t if t.drop_reason else replace(t, documents=t.documents - 1, copies=t.copies + 1)

    retold(run, "corpus/mixture", change)


def a_document_more(run: Finished) -> None:
    retold(run, "corpus/extracted", lambda t: t if t.drop_reason else replace(t, documents=t.documents + 1))


def a_manifest_of_no_sense(run: Finished) -> None:
    (run.root / "corpus/pages/dev/manifest.json").write_text("{}")


HARMS: list[tuple[Harm, tuple[str, ...]]] = [
    (a_byte_of_a_page, ("corpus/pages", "shard 1", "data", "another sha256")),
    (a_token, ("tokens/main", "bin", "another sha256")),
    (a_weight, ("checkpoint/main", "model", "another sha256")),
    (a_row, ("corpus/deduped", "shard 0", "data", "rows of hash")),
    (a_file_gone, ("corpus/mixture", "shard 0", "is missing")),
    (a_file_cut_short, ("corpus/heldout", "rejects", "bytes instead of")),
    (a_manifest_gone, ("corpus/deduped", "made from another corpus/pages")),
    (a_sum, ("corpus/pages", "tally.kept is not")),
    (a_reason, ("corpus/pages: web c4 bad_words: the files hold none", "c4 too_few_sentences")),
    (a_kept_byte, ("corpus/heldout: web kept: the files hold",)),
    (a_copy_for_a_document, ("corpus/mixture: web kept: the files hold",)),
    (a_document_more, ("corpus/extracted: web kept: the files hold 93 documents", "the tally says 94")),
    (a_manifest_of_no_sense, ("corpus/pages", "no manifest", "run again")),
]


@pytest.mark.parametrize(("harm", "words"), HARMS, ids=[harm.__name__ for harm, _ in HARMS])
def test_harm_is_found(harm: Harm, words: tuple[str, ...], copy: Finished) -> None:
    harm(copy)
    said = verified(copy)
    assert said.code == 3
    assert said.err.count("\n") == 1
    assert [word for word in words if word not in said.out + said.err] == [], said


def test_one_artifact_alone(copy: Finished) -> None:
    a_token(copy)
    assert verified(copy, "corpus/pages").code == 0
    assert verified(copy, "tokens/main").code == 3


def test_what_is_not_made_yet_is_no_fault(finished: Finished, tmp_path: Path) -> None:
    words = ("--root", tmp_path, "--limit", 5, "--only", "corpus/extracted")
    assert millstream("run", finished.recipe, *words).code == 0
    said = millstream("verify", "--root", tmp_path)
    assert said.code == 0
    assert said.out.splitlines()[:2] == ["corpus/extracted: ok", "corpus/pages: not made yet"]


def test_what_is_out_of_date_is_said(copy: Finished) -> None:
    change = ("--set", "corpus.language.min_score=0.1", "--only", "corpus/pages")
    assert millstream("run", copy.recipe, "--root", copy.root, *change).code == 0
    said = verified(copy)
    assert said.code == 3
    assert "corpus/deduped: was made from another corpus/pages than the one beside it" in said.out
    assert "Run again" in said.err
