"""What is done stays, what changed is rebuilt with all that follows, what is released stands, what is left is swept."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from small_run import archive

from corpus.errors import ConfigError, DataError, DriftError, LeaseError
from corpus.lease import Lease
from corpus.manifest import MANIFEST, FileInfo, Manifest, ShardInfo
from corpus.splits import gather
from corpus.storage import TEMPORARY, Folder
from pipelines import runner
from pipelines.artifact import Built, Place, Workshop
from pipelines.corpus_steps import corpus_steps
from pipelines.engines.engine import Usage
from pipelines.engines.phased import PhasedEngine
from pipelines.engines.pool import Pool
from pipelines.recipe import load
from pipelines.runner import Runner, chosen, leftovers, statuses, tidy

RECIPE = """
name: small
seed: 3
sources:
  web: {format: warc, paths: ["in/*.warc.gz"]}
corpus:
  extract: {tier: fast}
  language: null
  rules: []
  dedup: [{method: exact}]
  holdout: {share: 0.3}
  split_bytes: 1200
  shard_bytes: 12_000
"""
WORDS = [f"page {n % 17} of a small web, with some words in it, {'and more, ' * (n % 17 * 7)}" for n in range(40)]
NAMES = ["corpus/extracted", "corpus/pages", "corpus/deduped", "corpus/heldout"]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(1) as pool:
        yield pool


@dataclass
class Bench:
    """A folder with archives and a recipe, and a runner for it; `told` is what it said."""

    folder: Path
    pool: Pool
    root: str = ""
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root = self.root or str(self.folder / "root")
        (self.folder / "in").mkdir(parents=True)
        archive(self.folder / "in" / "a.warc.gz", WORDS[:25])
        archive(self.folder / "in" / "b.warc.gz", WORDS[25:])

    def steps(self, *sets: str, limit: int | None = None) -> list[Any]:
        path = self.folder / "small.yaml"
        path.write_text(RECIPE)
        return list(corpus_steps(load(str(path), sets), limit, Folder(self.root)))

    def runner(self, version: str = "dev") -> Runner:
        engine = PhasedEngine(self.pool, self.folder / "scratch")
        place = Place(Folder(self.root), version)
        return Runner(place, engine, "local", 1, lambda *_: None, lambda: Usage(0.0, 0), self.told.append)

    def run(self, *sets: str, version: str = "dev", limit: int | None = None) -> dict[str, bytes]:
        self.told.clear()
        self.runner(version).run(self.steps(*sets, limit=limit))
        return self.durable()

    def durable(self) -> dict[str, bytes]:
        root = Path(self.root.removeprefix("file://"))
        files = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
        skipped = ("run.json", "digests.json")
        return {
            name: path.read_bytes()
            for name, path in sorted(files.items())
            if not name.endswith(skipped) and "/run/" not in name
        }

    def manifest(self, name: str, version: str = "dev") -> Manifest:
        return Place(Folder(self.root), version).need(name)

    def rebuilt(self) -> list[str]:
        return [line.partition("@")[0] for line in self.told if "done already" not in line]


@pytest.fixture
def bench(tmp_path: Path, pool: Pool) -> Bench:
    return Bench(tmp_path / "bench", pool)


def test_a_second_run_does_nothing(bench: Bench) -> None:
    first = bench.run()
    assert bench.rebuilt() == NAMES
    times = {path: path.stat().st_mtime_ns for path in Path(bench.root).rglob("*")}
    assert bench.run() == first
    assert bench.rebuilt() == []
    assert {path: path.stat().st_mtime_ns for path in Path(bench.root).rglob("*")} == times


def test_each_artifact_takes_up_what_the_one_before_kept(bench: Bench) -> None:
    bench.run()
    extracted, pages, deduped, heldout = map(bench.manifest, NAMES)
    assert extracted.read == len(WORDS)
    assert deduped.dropped()["exact_dedup"] == {"exact_duplicate": len(WORDS) - 17}
    for before, after in ((extracted, pages), (pages, deduped), (deduped, heldout)):
        assert after.read == before.kept > 0
        assert after.read == after.kept + sum(n for reasons in after.dropped().values() for n in reasons.values())


def test_a_change_rebuilds_what_follows_and_nothing_else(bench: Bench) -> None:
    first = bench.run()
    for sets, expected in (
        (("corpus.holdout.share=0.5",), NAMES[3:]),
        (("corpus.dedup=[]",), NAMES[2:]),
        (("corpus.rules=[{rule: c4}]",), NAMES[1:]),
        (("corpus.shard_bytes=1",), NAMES[1:]),  # archives are read once, however their pages are put together
    ):
        bench.run(*sets)
        assert bench.rebuilt() == expected
        assert bench.run() == first  # and back again, byte for byte
        assert bench.rebuilt() == expected


def stored_rows(bench: Bench, name: str, role: str) -> list[dict[str, Any]]:
    files = [shard.files[role].file for shard in bench.manifest(name).shards]
    return [row for file in files for row in pq.read_table(Path(bench.root, name, "dev", file)).to_pylist()]


def test_shards_are_put_together_as_large_as_was_asked(bench: Bench) -> None:
    """The same documents in the same order, each with the home that it got in being read, in fewer files."""
    sets = ("corpus.reject_samples=99", "corpus.shard_bytes={}")
    outcomes = []
    for shard_bytes in (1, 20_000, 10**9):
        bench.run(*(word.format(shard_bytes) for word in sets))
        outcomes.append([stored_rows(bench, name, role) for name in NAMES for role in ("data", "rejects")])
        for before, after in pairwise(NAMES):
            sizes = [shard.files["data"].size for shard in bench.manifest(before).shards]
            wanted = len(list(gather(sizes, int, shard_bytes)))
            assert [shard.shard for shard in bench.manifest(after).shards] == list(range(wanted))
        counts = [len(bench.manifest(name).shards) for name in NAMES]
        assert counts[1] == {1: counts[0], 20_000: counts[0] // 2, 10**9: 1}[shard_bytes]
    assert outcomes[0] == outcomes[1] == outcomes[2]
    homes = [(row["shard"], row["row"]) for row in stored_rows(bench, "corpus/deduped", "data")]
    assert homes == sorted(homes)
    assert len({shard for shard, _ in homes}) > 1


def test_measures_do_not_depend_on_the_shards(bench: Bench) -> None:
    found = []
    for shard_bytes in (1, 12_000, 10**9):
        bench.run(f"corpus.shard_bytes={shard_bytes}")
        found.append([bench.manifest(name).measures for name in NAMES])
    assert found[0] == found[1] == found[2]
    clusters = found[0][2]["clusters"]["exact_dedup"]
    assert (clusters["clusters"], clusters["sizes"]) == (17, {"2": 11, "3": 6})


@pytest.mark.parametrize("lost", [{1}, {0, 2}, {0, 1, 2, 3}])
def test_some_shards_were_committed_before_a_crash(bench: Bench, lost: set[int]) -> None:
    first = bench.run()
    times = {name: Path(bench.root, name).stat().st_mtime_ns for name in first}
    for name in NAMES[1:]:
        folder = Path(bench.root, name, "dev")
        (folder / "manifest.json").unlink()
        for shard in lost:
            for path in folder.rglob(f"{shard:05d}*"):
                path.unlink()
    assert bench.run() == first
    assert bench.rebuilt() == NAMES[1:]
    again = {name for name in first if Path(bench.root, name).stat().st_mtime_ns != times[name]}
    assert {int(Path(name).name[:5]) for name in again if Path(name).name[:5].isdigit()} == lost


def test_what_a_recipe_does_not_decide_is_not_rebuilt(bench: Bench) -> None:
    bench.run()
    bench.run("corpus.max_fault_share=0.9", "name=other")
    assert bench.rebuilt() == []


def test_a_released_version_stands(bench: Bench) -> None:
    released = bench.run(version="2026.11")
    assert bench.run(version="2026.11") == released
    message = (  # the plan, which follows from the recipe, is another too, and goes without saying
        r"corpus/heldout@2026.11 is released and was made otherwise: recipe.holdout.share: 0.3 -> 0.5\. .*--version"
    )
    with pytest.raises(DriftError, match=message):
        bench.run("corpus.holdout.share=0.5", version="2026.11")
    with pytest.raises(DriftError, match=r"corpus/deduped@2026.11 .*recipe.dedup"):
        bench.run("corpus.dedup=[]", version="2026.11")
    assert bench.durable() == released


def test_what_would_run_is_said_without_running(bench: Bench) -> None:
    place = Place(Folder(bench.root))
    assert [(s.state, s.why) for s in statuses(bench.steps(), place)][:2] == [
        ("would run", "not made yet"),
        ("would run", "after corpus/extracted"),
    ]
    bench.run()
    assert {s.state for s in statuses(bench.steps(), place)} == {"done"}
    found = statuses(bench.steps("corpus.dedup=[]"), place)
    assert [s.state for s in found] == ["done", "done", "would run", "would run"]
    assert found[2].why.startswith("recipe.dedup: absent -> []; recipe.dedup.0.method: exact -> absent; plan.")
    bench.run(version="v1")
    assert [s.state for s in statuses(bench.steps("corpus.dedup=[]"), Place(Folder(bench.root), "v1"))][2:] == [
        "drifted"
    ] * 2


def test_one_artifact_and_what_it_is_made_of(bench: Bench) -> None:
    steps = bench.steps()
    assert [step.name for step in chosen(steps, "corpus/pages")] == NAMES[:2]
    assert chosen(steps, None) == steps
    with pytest.raises(ConfigError, match="--only corpus/page: this recipe makes corpus/extracted, corpus/pages"):
        chosen(steps, "corpus/page")


def test_leftovers_are_swept(bench: Bench) -> None:
    first = bench.run()
    pages = Path(bench.root, "corpus/pages/dev")
    left = ["data/00000-000000000000.parquet", f"data/{TEMPORARY}a", f"rejects/{TEMPORARY}b", f"{TEMPORARY}c"]
    left += [f"run/{TEMPORARY}d", "commits/0123456789abcdef/00000.json"]
    (current,) = (pages / "commits").iterdir()
    left.append(f"commits/{current.name}/{TEMPORARY}e")
    for name in left:
        (pages / name).parent.mkdir(exist_ok=True)
        (pages / name).write_bytes(b"half")
    assert bench.run() == first
    assert [name for name in left if (pages / name).exists()] == []
    assert bench.rebuilt() == []


@pytest.mark.parametrize("moment", range(0, 12, 3))
def test_killed_in_sweeping_up(bench: Bench, monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    """A record that outlives its files would make the recipe's next turn name files that are gone."""
    first = bench.run()
    n_removed = 0

    def killed(folder: Folder, *names: str) -> None:
        nonlocal n_removed
        n_removed += 1
        if n_removed > moment:
            raise KeyboardInterrupt
        (really_remove if names else really_discard)(folder, *names)

    really_remove, really_discard = Folder.remove, Folder.discard
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "remove", killed)
        patch.setattr(Folder, "discard", killed)
        patch.setattr(runner, "AT_ONCE", 1)  # more moments to be killed at
        with pytest.raises(KeyboardInterrupt):
            bench.run("corpus.dedup=[]")
    assert bench.run() == first


def test_sweeping_on_a_store_without_a_disk() -> None:
    folder = Folder(f"memory://{uuid.uuid4()}")
    named = FileInfo("data/00000-a.parquet", 1, "a")
    manifest = Manifest("x", "dev", "corpus", "f" * 64, {}, {}, None, (), (ShardInfo(0, {"data": named}),))
    for part, name in (("data", "00000-a.parquet"), ("data", "00000-b.parquet"), ("commits/" + "f" * 16, "00000.json")):
        (folder / part).write(name, b"x")
    (folder / "commits" / ("0" * 16)).write("00000.json", b"x")
    tidy(leftovers(folder, manifest), Lease.take(folder / "run"))
    assert leftovers(folder, manifest) == []
    assert (folder / "data").names() == ["00000-a.parquet"]
    assert (folder / "commits").names("directory") == ["f" * 16]


@dataclass(frozen=True)
class Overtaken:
    """A step during whose work another run takes the artifact over."""

    step: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.step, name)

    def build(self, shop: Workshop) -> Built:
        built: Built = self.step.build(shop)
        Lease.take(shop.folder / "run")
        return built


def test_an_older_run_is_refused_and_harms_nothing(bench: Bench) -> None:
    first = bench.run()
    steps = bench.steps("corpus.dedup=[]")
    steps[2] = Overtaken(steps[2])
    with pytest.raises(LeaseError, match="another run has taken over"):
        bench.runner().run(steps)
    assert bench.manifest("corpus/deduped").to_json() == first["corpus/deduped/dev/manifest.json"]
    assert bench.run() == first


def test_a_run_that_has_nothing_to_do_takes_nothing_from_another(bench: Bench) -> None:
    """While one run builds with another recipe, a second with the old one finds its artifact done. It may sweep only
    once the builder can commit no more."""
    bench.run()
    steps = bench.steps("corpus.dedup=[]")

    @dataclass(frozen=True)
    class Meanwhile(Overtaken):
        def build(self, shop: Workshop) -> Built:
            built: Built = self.step.build(shop)
            bench.runner().run(bench.steps()[:3])
            return built

    steps[2] = Meanwhile(steps[2])
    with pytest.raises(LeaseError):
        bench.runner().run(steps)
    for info in (info for shard in bench.manifest("corpus/deduped").shards for info in shard.files.values()):
        assert Path(bench.root, "corpus/deduped/dev", info.file).exists()


def test_the_manifest_is_written_last(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Folder.write

    def full(folder: Folder, name: str, data: bytes) -> None:
        if name == MANIFEST:
            raise DataError("no room for the manifest")
        write(folder, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "write", full)
        with pytest.raises(DataError, match="no room"):
            bench.run()
    assert bench.runner().place.manifest("corpus/extracted") is None
    record = json.loads(Path(bench.root, "corpus/extracted/dev/run.json").read_text())
    assert record["engine"] == "local"
    assert bench.run() == Bench(bench.folder.parent / "other", bench.pool).run()


def test_the_same_files_elsewhere_are_the_same(bench: Bench, tmp_path: Path) -> None:
    first = bench.run()
    elsewhere = Bench(tmp_path / "quite" / "another place", bench.pool)
    assert elsewhere.run() == first
    assert not any(str(tmp_path).encode() in data for data in first.values())
    by_url = Bench(tmp_path / "url", bench.pool, root=f"file://{tmp_path}/url/root")
    assert by_url.run() == first


def test_a_limit_takes_the_first_records(bench: Bench) -> None:
    everything = bench.run()
    for limit in (1, 25, 31):
        bench.run(limit=limit)
        assert bench.rebuilt() == NAMES
        assert bench.manifest("corpus/extracted").read == limit
    bench.run(limit=400)
    assert bench.manifest("corpus/extracted").read == len(WORDS)
    assert bench.run() == everything


def test_digests_are_remembered_and_changes_noticed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    first = bench.run()
    digested: list[Path] = []
    from pipelines import inputs

    digest = hashlib.file_digest

    def counted(file: Any, name: str) -> Any:
        if Path(file.name).parent.name == "in":
            digested.append(Path(file.name))
        return digest(file, name)

    monkeypatch.setattr(inputs.hashlib, "file_digest", counted)
    bench.run()
    assert digested == []
    path = bench.folder / "in" / "b.warc.gz"
    times = path.stat()
    data = path.read_bytes()
    changed = bytearray(data)
    changed[-5] ^= 1
    path.write_bytes(changed)  # as long as before, and as old: only the system's own time tells
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    bench.run()
    assert digested == [path]
    assert bench.rebuilt()[0] == "corpus/extracted"
    shutil.copy2(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)  # another file of the same content
    bench.run()
    assert bench.rebuilt() == []
    path.write_bytes(data)
    assert bench.run() == first


def test_another_file_is_another_input(bench: Bench) -> None:
    bench.run()
    (bench.folder / "in" / "b.warc.gz").rename(bench.folder / "in" / "c.warc.gz")
    bench.run()  # its name stands in every document's origin
    assert bench.rebuilt() == NAMES


def test_a_missing_input_is_said_before_any_work(bench: Bench) -> None:
    with pytest.raises(ConfigError, match=r"sources.web.paths: no file matches .*none"):
        bench.run('sources.web.paths=["none/*.warc.gz"]')
    assert bench.durable() == {}


def test_need_says_how_to_make_it(bench: Bench) -> None:
    with pytest.raises(DataError, match=r"corpus/pages@dev is not in .*; make it with `millstream run`"):
        bench.manifest("corpus/pages")


def test_empty_values_are_differences_too(bench: Bench) -> None:
    from pipelines.runner import differences

    found = Manifest("x", "v1", "corpus", "f", {"dedup": [], "rules": ["a"]}, {}, None)
    wanted = {"kind": "corpus", "recipe": {"dedup": None, "rules": ["a"]}, "inputs": {}, "plan": None}
    assert list(differences(found, wanted)) == ["recipe.dedup: [] -> None"]
    assert list(differences(replace(found, recipe={"dedup": None, "rules": ["a"]}), wanted)) == []
