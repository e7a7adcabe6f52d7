"""Promotion: a corpus version is taken where the gate of an ablation holds that judged its kind of corpus; else nothing
is changed, and the reason is one line."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from small_ablation import Small, archive, recipe, sentence, write_world, written
from small_run import Said, millstream

from corpus import storage

MEASURE = "bits_per_byte/neutral"
ASKED = {"evaluation": {"neutral": {}, "set_bytes": 1500, "document_chars": 500, "points": 1}}
ARMS = {"clean": {}, "unfiltered": {"set": {"rules": []}}}


def gated(folder: Path, world: Path, **gate: Any) -> Path:
    """The recipe of an ablation of two arms; without words no gate."""
    evaluation = ASKED["evaluation"] | {"neutral": {"neutral": [f"{world}/neutral.jsonl"]}}
    return written(folder, recipe(world, arms=ARMS, evaluation=evaluation, gate=gate or None))


def built(folder: Path, world: Path, version: str, sources: str = "web/*.warc.gz", **changes: Any) -> Path:
    """A corpus version of the archives in the folder's root, cut otherwise than an arm's unless told."""
    corpus = recipe(world)["corpus"] | {"split_bytes": 3000, "shard_bytes": 5000, "reject_samples": 1} | changes
    data = {"name": "monthly", "seed": 3, "sources": {"web": {"format": "warc", "paths": [f"{world}/{sources}"]}}}
    path = folder / "monthly.yaml"
    path.write_text(json.dumps(data | {"corpus": corpus}))
    words = ("--workers", 1, "--only", "corpus/deduped", "--version", version)
    said = millstream("run", path, "--root", folder / "root", *words)
    assert said.code == 0, said.err
    return folder / "root"


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive that the ablation reads, and one more."""
    world = write_world(tmp_path_factory.mktemp("archives"))
    (world / "more").mkdir()
    (world / "more" / "new.warc.gz").write_bytes(archive([sentence(11, n) for n in range(4)]))
    return world


@pytest.fixture(scope="module")
def plain(archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Small:
    """An ablation without a gate."""
    folder = tmp_path_factory.mktemp("plain")
    return Small(gated(folder, archives), folder / "root").done()


def with_gate(plain: Small, archives: Path, folder: Path, **gate: Any) -> Small:
    """The same, judged by a gate: only the verdict is made anew."""
    shutil.copytree(plain.root, folder / "ablation", symlinks=True)
    before = plain.builds()
    small = Small(gated(folder, archives, **gate), folder / "ablation").done()
    assert {name for name, said in small.builds().items() if before[name] != said} == {"verdict/main"}
    return small


def low(plain: Small) -> float:
    """The bad end of clean's advantage over unfiltered."""
    (one,) = plain.json("verdict/main/dev/verdict.json")["comparisons"]
    assert (one["arm"], one["measure"], one["better"]) == ("unfiltered", MEASURE, "lower")
    assert one["low"] < 0
    return float(one["low"])


@pytest.fixture(scope="module")
def holding(plain: Small, archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Small:
    tolerance = {MEASURE: 1.001 * -low(plain)}
    return with_gate(plain, archives, tmp_path_factory.mktemp("holds"), not_worse_on=[MEASURE], tolerance=tolerance)


@pytest.fixture(scope="module")
def failing(plain: Small, archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Small:
    tolerance = {MEASURE: 0.999 * -low(plain)}
    return with_gate(plain, archives, tmp_path_factory.mktemp("fails"), not_worse_on=[MEASURE], tolerance=tolerance)


@pytest.fixture(scope="module")
def monthly(archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's root with one version of the archive that was judged and one of another beside it."""
    folder = tmp_path_factory.mktemp("monthly")
    built(folder, archives, "2026-46")
    return built(folder, archives, "2026-47", "*/*.warc.gz")


@pytest.fixture
def root(monthly: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(monthly, tmp_path / "root"))


def promoted(root: Path, small: Small, version: str = "2026-46") -> Said:
    return millstream("promote", "--root", root, "--version", version, "--verdict", small.root)


def files(root: Path) -> Mapping[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def refused(root: Path, small: Small, code: int, *words: str, version: str = "2026-46") -> None:
    before = files(root)
    said = promoted(root, small, version)
    assert (said.code, said.err.count("\n")) == (code, 1), said.err
    for word in words:
        assert word in said.err
    assert files(root) == before


def test_what_holds_is_promoted_once_and_the_next_knows_what_was_before(root: Path, holding: Small) -> None:
    first = promoted(root, holding)
    assert (first.code, first.err) == (0, "")
    assert first.out.splitlines()[-1] == "2026-46 is promoted"
    assert "gate, clean against unfiltered: holds" in first.out
    record = json.loads((root / "promoted.json").read_text())
    verdict = holding.json("verdict/main/dev/verdict.json")
    deduped = json.loads((root / "corpus/deduped/2026-46/manifest.json").read_text())
    assert record.pop("when").endswith("+00:00")
    assert record == {
        "version": "2026-46",
        "artifact": "corpus/deduped",
        "fingerprint": deduped["fingerprint"],
        "verdict": {
            "fingerprint": holding.manifest("verdict/main")["fingerprint"],
            "version": "dev",
            "conditions": verdict["gate"]["conditions"],
        },
        "before": None,
    }
    before = files(root)
    again = promoted(root, holding)
    assert (again.code, again.err) == (0, "")
    assert "2026-46 is promoted already, since " in again.out
    assert files(root) == before
    following = promoted(root, holding, "2026-47")
    assert (following.code, following.out.splitlines()[-1]) == (0, "2026-47 is promoted, 2026-46 was before")
    assert json.loads((root / "promoted.json").read_text())["before"] == "2026-46"


def test_a_gate_that_does_not_hold_changes_nothing(root: Path, holding: Small, failing: Small) -> None:
    words = "the gate does not hold: decoder, bits_per_byte/neutral: clean against unfiltered is to be worse by"
    refused(root, failing, 4, words, "; nothing was promoted")
    assert promoted(root, holding).code == 0
    refused(root, failing, 4, words, version="2026-47")


def test_the_verdict_says_in_its_summary_whether_the_gate_holds(plain: Small, holding: Small, failing: Small) -> None:
    said = [small.manifest("verdict/main")["measures"]["says"] for small in (plain, holding, failing)]
    assert [one.removeprefix(said[0]) for one in said] == ["", ", the gate holds", ", the gate does not hold"]


def test_a_write_that_fails_leaves_what_was_promoted(
    root: Path, holding: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert promoted(root, holding).code == 0
    before = files(root)

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "_sync", full)
    said = promoted(root, holding, "2026-47")
    assert (said.code, "cannot write in" in said.err) == (1, True)
    assert files(root) == before


def test_what_is_missing_is_told(root: Path, plain: Small, holding: Small, tmp_path: Path) -> None:
    refused(root, holding, 3, "corpus/extracted@2026-48 is not in", version="2026-48")
    refused(root, holding, 2, "--version ../x: a folder's name", version="../x")
    refused(root, plain, 2, "has no gate; write one into the ablation's recipe")
    nowhere = Small(plain.recipe, tmp_path / "nowhere")
    refused(root, nowhere, 3, "verdict/main@dev is not in", "make it with `millstream ablate RECIPE --root")
    (root / "promoted.json").write_text('{"version": 3}')
    refused(root, holding, 3, "promoted.json is no record of a promotion")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"rules": [{"rule": "c4", "dialect": "tfds-3", "min_words": 4}]},
            "corpus/pages recipe.rules.0.min_words: absent -> 4",
        ),
        ({"dedup": [{"method": "url"}]}, "corpus/deduped recipe.dedup.1.method: exact -> absent"),
        ({"max_page_bytes": 9999}, "corpus/extracted plan."),
    ],
    ids=["rules", "dedup", "stages"],
)  # fmt: skip
def test_another_kind_of_corpus_was_not_judged(
    changes: dict[str, Any], says: str, archives: Path, holding: Small, tmp_path: Path
) -> None:
    root = built(tmp_path, archives, "2026-46", **changes)
    refused(root, holding, 3, "arm clean and version 2026-46 are corpora of different kinds: ", says)


def test_a_corpus_of_other_files_was_not_judged(archives: Path, holding: Small, tmp_path: Path) -> None:
    root = built(tmp_path, archives, "2026-46", "more/*.warc.gz")
    refused(root, holding, 3, "did not read 1 of the 1 files that arm clean was made from, the first: pages.warc.gz")


def changed(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_version_cut_short_was_not_judged(root: Path, holding: Small) -> None:
    path = root / "corpus/extracted/2026-46/manifest.json"
    changed(path, inputs=json.loads(path.read_text())["inputs"] | {"limit": 10})
    refused(root, holding, 3, "version 2026-46 holds the first 10 records alone")


def test_what_was_made_anew_since_the_verdict_was_not_judged(root: Path, holding: Small, tmp_path: Path) -> None:
    small = holding.copied(tmp_path / "copy")
    changed(small.root / "corpora/clean/corpus/deduped/dev/manifest.json", fingerprint="f" * 64)
    refused(root, small, 3, "judged another corpus than lies in corpora/clean now")
    changed(root / "corpus/pages/2026-46/manifest.json", fingerprint="f" * 64)
    refused(root, holding, 3, "corpus/deduped@2026-46 in", "was made from another corpus/pages than the one beside it")


def test_a_verdict_that_was_written_over_is_not_believed(root: Path, failing: Small, tmp_path: Path) -> None:
    small = failing.copied(tmp_path / "copy")
    path = small.root / "verdict/main/dev/verdict.json"
    found = json.loads(path.read_text())
    changed(path, gate=found["gate"] | {"holds": True, "conditions": []})
    refused(root, small, 3, "verdict/main@dev in", "verdict.json has ", "remove its folder and run again")
