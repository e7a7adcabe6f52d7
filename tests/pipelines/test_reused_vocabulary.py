"""A vocabulary of another run: taken over whole or not at all, the same artifact wherever it lay, and good for all that
comes after."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from small_run import Finished, Said, millstream, write_input

from corpus.errors import ConfigError
from pipelines.recipe import load
from pipelines.reused_vocab_step import ReusedVocabStep
from pipelines.vocab_step import VocabStep

FILES = ("tokenizer.json", "tokenizer_config.json")


@pytest.fixture(scope="module")
def original(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run that has made its vocabulary; nobody changes it."""
    folder = tmp_path_factory.mktemp("original")
    recipe, root = write_input(folder, sample), folder / "root"
    said = millstream("run", recipe, "--root", root, "--workers", 2, "--only", "vocab/main")
    assert said.code == 0, said.err
    return Finished(recipe, root, said.out)


@pytest.fixture
def there(original: Finished, tmp_path: Path) -> Path:
    """A copy of its vocabulary, to be changed."""
    shutil.copytree(original.root / "vocab", tmp_path / "there" / "vocab")
    return tmp_path / "there"


def ran(recipe: Path, root: Path, there: Path, *sets: str, only: str = "vocab/main", **words: Any) -> Said:
    more = [word for one in (f"tokenizer.reuse.root={there}", *sets) for word in ("--set", one)]
    more += [word for name, value in words.items() for word in (f"--{name}", value)]
    return millstream("run", recipe, "--root", root, "--workers", 2, "--only", only, *more)


def manifest(root: Path, name: str = "vocab/main", version: str = "dev") -> Any:
    return json.loads((root / name / version / "manifest.json").read_text())


def test_tokens_are_cut_with_it(original: Finished, tmp_path: Path) -> None:
    """Of fewer pages, from which the run's own vocabulary would be another one."""
    root, smaller = tmp_path / "root", "mix.budget.bytes=40_000"
    said = ran(original.recipe, root, original.root, smaller, only="tokens/main", limit=70)
    assert said.code == 0, said.err
    copy, first = manifest(root), manifest(original.root)
    assert copy["inputs"] == {"reused": first["fingerprint"], "digest": first["measures"]["digest"]}
    assert (copy["measures"], copy["shards"]) == (first["measures"], first["shards"])
    for file in FILES:
        assert (root / "vocab/main/dev" / file).read_bytes() == (original.root / "vocab/main/dev" / file).read_bytes()
    tokens = manifest(root, "tokens/main")
    assert tokens["measures"]["vocab_digest"] == first["measures"]["digest"]
    assert tokens["inputs"]["vocab/main@dev"] == copy["fingerprint"]
    checked = millstream("verify", "--root", root)
    assert (checked.code, checked.err) == (0, "")
    assert first["measures"]["digest"][:16] in millstream("show", "vocab/main", "--root", root).out
    assert "vocab/main" in (root / "report.html").read_text()
    documents = [root / "tokens/main/dev" / one["files"]["documents.parquet"]["file"] for one in tokens["shards"]]
    first_id = next(id_ for file in documents for id_ in pq.read_table(file)["id"].to_pylist())
    assert "tokens/main" in millstream("explain", first_id, "--root", root).out
    again = ran(original.recipe, root, original.root, smaller, only="tokens/main", limit=70)
    assert again.out.count("done already") == 7


@pytest.mark.slow
def test_a_model_is_trained_with_it(original: Finished, tmp_path: Path) -> None:
    sets = ("mix.budget.bytes=40_000", "corpus.holdout=null")
    said = ran(original.recipe, tmp_path, original.root, *sets, only="checkpoint/main", limit=70)
    assert said.code == 0, said.err
    assert manifest(tmp_path, "checkpoint/main")["inputs"]["vocab/main@dev"] == manifest(tmp_path)["fingerprint"]
    written = millstream("generate", "The", "--max-tokens", 2, "--root", tmp_path)
    assert written.code == 0, written.err


def test_where_it_lay_changes_nothing(original: Finished, there: Path, tmp_path: Path) -> None:
    for at, place in enumerate((original.root, there)):
        assert ran(original.recipe, tmp_path / str(at), place).code == 0
    assert manifest(tmp_path / "0") == manifest(tmp_path / "1")
    assert not (tmp_path / "0" / "corpus").exists(), "it needs no text"
    said = ran(original.recipe, tmp_path / "0", there)
    assert "vocab/main@dev: done already" in said.out


def test_a_copy_is_copied_like_any_other_also_in_one_root(original: Finished, there: Path) -> None:
    assert ran(original.recipe, there, there, version="2026-46").code == 0
    said = ran(original.recipe, there, there, "tokenizer.reuse.version=2026-46", version="2026-47")
    assert said.code == 0, said.err
    versions = [manifest(there, version=version) for version in ("dev", "2026-46", "2026-47")]
    assert [one["inputs"].get("reused") for one in versions[1:]] == [one["fingerprint"] for one in versions[:2]]
    assert versions[0]["measures"] == versions[2]["measures"]


def test_another_vocabulary_there_is_another_one_here(original: Finished, there: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert ran(original.recipe, root, there, version="1.0").code == 0
    path = there / "vocab/main/dev/manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fingerprint": "0" * 64}))
    said = ran(original.recipe, root, there, version="1.0")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert f"-> {'0' * 64}" in said.err


MISMATCHES = {
    "size": (
        ("tokenizer.vocab_size=601",),
        "tokenizer.vocab_size is 601, but vocab/main@dev in {there} has 600; write",
    ),
    "family": (
        ("tokenizer.model=unigram",),
        'tokenizer.model is "unigram", but vocab/main@dev in {there} has "bpe-bytes"',
    ),
    "specials": (
        ("tokenizer.specials=roberta",),
        'tokenizer.specials is "roberta", but vocab/main@dev in {there} has "gpt2"; write that, or reuse another',
    ),
    "version": (
        ("tokenizer.reuse.version=2026-10",),
        "tokenizer.reuse: there is no vocab/main@2026-10 in {there}; make it with `millstream run RECIPE --only "
        "vocab/main --root {there} --version 2026-10`, or name the run that has it",
    ),
}


@pytest.mark.parametrize(("sets", "says"), MISMATCHES.values(), ids=MISMATCHES)
def test_what_does_not_fit_is_told_before_any_work(
    sets: tuple[str, ...], says: str, original: Finished, tmp_path: Path
) -> None:
    said = ran(original.recipe, tmp_path / "root", original.root, *sets)
    assert (said.code, said.err.count("\n")) == (2, 1), said.err
    assert says.format(there=original.root) in said.err
    assert not list((tmp_path / "root").rglob("vocab"))


def test_the_natural_specials_by_name_are_the_same(original: Finished, tmp_path: Path) -> None:
    assert ran(original.recipe, tmp_path, original.root, "tokenizer.specials=gpt2", "tokenizer.marks=true").code == 0


def harm_cut(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_bytes(path.read_bytes()[:-1])


def harm_bit(folder: Path) -> None:
    data = bytearray((folder / "tokenizer_config.json").read_bytes())
    data[20] ^= 1
    (folder / "tokenizer_config.json").write_bytes(data)


def harm_missing(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


@pytest.mark.parametrize("harm", [harm_cut, harm_bit, harm_missing])
def test_a_damaged_one_is_not_taken_over(harm: Any, original: Finished, there: Path, tmp_path: Path) -> None:
    harm(there / "vocab/main/dev")
    said = ran(original.recipe, tmp_path / "root", there)
    assert (said.code, said.err.count("\n")) == (3, 1), said.err
    assert "tokenizer" in said.err
    assert not [path for path in (tmp_path / "root" / "vocab").rglob("*") if path.name in (*FILES, "manifest.json")]
    shutil.copytree(original.root / "vocab/main/dev", there / "vocab/main/dev", dirs_exist_ok=True)
    assert ran(original.recipe, tmp_path / "root", there).code == 0


def test_a_manifest_of_other_entries_is_not_believed(original: Finished, there: Path, tmp_path: Path) -> None:
    path = there / "vocab/main/dev/manifest.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps(said | {"measures": said["measures"] | {"digest": "1" * 64}}))
    told = ran(original.recipe, tmp_path / "root", there)
    assert (told.code, "its manifest names another digest" in told.err) == (3, True), told.err
    assert not (tmp_path / "root/vocab/main/dev/manifest.json").exists()


def test_a_vocabulary_is_no_copy_of_itself(original: Finished, there: Path) -> None:
    said = ran(original.recipe, there, there)
    assert (said.code, "is this very vocabulary; name another run or version" in said.err) == (2, True), said.err
    assert all((there / "vocab/main/dev" / file).exists() for file in FILES)


def recipe_in(folder: Path, root: str) -> Path:
    path = folder / "monthly.yaml"
    path.write_text(
        "name: monthly\nseed: 1\nsources: {web: {format: warc, paths: []}}\ncorpus: {}\n"
        "mix: {weights: {web: 1.0}, budget: {bytes: 9}}\n"
        f"tokenizer: {{model: bpe-bytes, vocab_size: 600, reuse: {{root: '{root}'}}}}\n"
    )
    return path


def test_a_relative_root_is_beside_the_recipe_or_where_the_command_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = tmp_path / "[here]", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    cases = {
        ("../words", ""): f"{here}/../words",
        ("/words", ""): "/words",
        ("s3://bucket/words", ""): "s3://bucket/words",
        ("words", "tokenizer.reuse.root=runs/words"): f"{elsewhere}/runs/words",
        ("words", "tokenizer.vocab_size=601"): f"{here}/words",
    }
    for (root, override), wanted in cases.items():
        asked = load(str(recipe_in(here, root)), [override] if override else []).tokenizer
        assert asked is not None
        assert asked.reuse is not None
        assert asked.reuse.root == wanted


def test_identity_says_that_it_is_reused_and_not_where(tmp_path: Path) -> None:
    one, other = (load(str(recipe_in(tmp_path, root))) for root in ("/a", "/b"))
    assert one.identity() == other.identity()
    assert one.identity("tokenizer.reuse") == {"version": "dev"}
    missing = ReusedVocabStep(one)
    assert missing.recipe() == VocabStep(other).recipe()
    assert missing.recipe()["tokenizer"] == {"model": "bpe-bytes", "vocab_size": 600}
    with pytest.raises(ConfigError, match=r"there is no vocab/main@dev in /a; make it with `millstream run RECIPE"):
        missing.raw_inputs()


@pytest.mark.parametrize("reuse", ["{root: ''}", "{}", "{root: x, version: ../y}", "{rot: x}"])
def test_a_reuse_that_cannot_be_is_told(reuse: str) -> None:
    with pytest.raises(ConfigError, match=r"tokenizer\.reuse"):
        load("demo", [f"tokenizer.reuse={reuse}"])
