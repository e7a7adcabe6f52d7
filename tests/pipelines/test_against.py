"""`corpus.against`: a month deduplicated against released ones, from the recipe to the manifest."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from small_run import durable, millstream
from snapshots import AGAINST, EXPECTED, FIRST, SECOND, built, fates, words_for, write_snapshots

from corpus.errors import ConfigError
from corpus.plan import described
from corpus.storage import Folder
from pipelines.corpus_steps import CorpusStep, corpus_steps
from pipelines.names import DEDUPED
from pipelines.recipe import Recipe, load


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_snapshots(tmp_path_factory.mktemp("months"))


@pytest.fixture(scope="module")
def root(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both months; nobody changes them."""
    root = tmp_path_factory.mktemp("root")
    built(recipe, root, FIRST)
    built(recipe, root, SECOND, "--set", AGAINST)
    return root


@pytest.fixture
def first(root: Path, tmp_path: Path) -> Path:
    """A root with the first month only."""
    for name in ("extracted", "pages", "deduped"):
        shutil.copytree(root / "corpus" / name / FIRST, tmp_path / "root" / "corpus" / name / FIRST)
    return tmp_path / "root"


def manifest(root: Path, month: str = SECOND) -> Any:
    return json.loads((root / DEDUPED / month / "manifest.json").read_text())


def dedup_step(recipe: Recipe, root: Path) -> CorpusStep:
    return next(step for step in corpus_steps(recipe, None, Folder(str(root))) if step.name == DEDUPED)


def asked(recipe: Path, *versions: object, **more: Any) -> Recipe:
    return load(str(recipe), [f"corpus.against={json.dumps({'versions': versions, **more})}"])


def test_every_page_meets_its_fate(root: Path) -> None:
    assert fates(root, SECOND) == EXPECTED
    tally = manifest(root)["tally"]
    assert tally["read"] == tally["kept"] + tally["dropped"] == 6
    assert tally["reasons"] == {"against": {"seen_near": 1, "seen_text": 1}, "exact_dedup": {"exact_duplicate": 1}}


def test_the_manifest_says_what_it_was_held_against(root: Path) -> None:
    assert manifest(root)["inputs"]["against"] == {FIRST: manifest(root, FIRST)["fingerprint"]}
    assert manifest(root)["recipe"]["against"] == ["exact", "minhash"]
    assert "against" not in {*manifest(root, FIRST)["inputs"], *manifest(root, FIRST)["recipe"]}
    said = millstream("show", DEDUPED, "--root", root, "--version", SECOND)
    assert f"against {FIRST} {manifest(root, FIRST)['fingerprint'][:16]}" in said.out
    assert millstream("verify", "--root", root, "--version", SECOND).out.count("ok") == 3


def test_explain_names_the_earlier_document(root: Path) -> None:
    said = millstream("explain", "http://copy.example/", "--root", root, "--version", SECOND)
    lines = [line.strip() for line in said.out.splitlines()]
    assert lines[-2].endswith("dropped by against: seen_text, there since")
    earlier = lines[-1]
    name, _, version = earlier.partition("@")
    assert version == FIRST
    there = millstream("explain", name, "--root", root, "--version", version)
    assert "http://one.example/" in there.out


def test_the_same_again_does_nothing_and_without_it_is_another(recipe: Path, root: Path) -> None:
    before = durable(root)
    assert f"{DEDUPED}@{SECOND}: done already" in built(recipe, root, SECOND, "--set", AGAINST).out
    assert durable(root) == before
    drifted = millstream(*words_for(recipe, root, SECOND))
    assert drifted.code == 2
    assert f"inputs.against.{FIRST}: {manifest(root, FIRST)['fingerprint']} -> absent" in drifted.err


def test_url_is_compared_when_it_is_named(recipe: Path, first: Path) -> None:
    built(recipe, first, SECOND, "--set", 'corpus.against={versions: ["2026-41"], methods: [url]}')
    assert fates(first, SECOND) == EXPECTED | {"copy": "kept", "near": "kept", "three": "seen_url"}


def test_the_order_of_the_versions_changes_nothing_and_their_content_everything(
    recipe: Path, root: Path, tmp_path: Path
) -> None:
    """The same version of another root, with another content, is another input; where it lies is not."""
    moved = tmp_path / "moved"
    shutil.copytree(root, moved)
    changed = tmp_path / "changed"
    built(recipe, changed, FIRST, "--set", "corpus.reject_samples=6")
    elsewhere = {"root": str(moved), "version": FIRST}
    other = {"root": str(changed), "version": FIRST}

    def told(*versions: object) -> Any:
        step = dedup_step(asked(recipe, *versions), root)
        return step.raw_inputs(), step.recipe(), described(step.plan({}))

    assert told(FIRST, SECOND) == told(SECOND, FIRST)
    assert told(FIRST) == told(elsewhere) == told(FIRST, elsewhere), "one corpus, wherever it lies"
    assert told(FIRST) != told(other)
    assert told(FIRST, other) == told(other, FIRST) == told(other, elsewhere)
    inputs, _, _ = told(FIRST, other)
    fingerprints = [manifest(one, FIRST)["fingerprint"] for one in (root, changed)]
    assert inputs["against"] == {f"{FIRST}-{digest[:12]}": digest for digest in fingerprints}


def test_two_roots_of_one_version_are_both_read(recipe: Path, first: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    paths = f'sources.web.paths=["{recipe.parent / SECOND}/*.warc.gz"]'
    built(recipe, other, FIRST, "--set", paths, "--set", "corpus.dedup=[{method: url}]")
    built(
        recipe, first, SECOND, "--set", f"corpus.against={{versions: [{FIRST}, {{root: {other}, version: {FIRST}}}]}}"
    )
    assert set(fates(first, SECOND).values()) == {"seen_text", "exact_duplicate"}


def test_without_it_the_step_is_as_it_was(recipe: Path, root: Path) -> None:
    plain, asked_ = load(str(recipe)), load(str(recipe), [AGAINST])
    one, other = (dedup_step(found, root) for found in (plain, asked_))
    assert one.recipe() == {key: value for key, value in other.recipe().items() if key != "against"}
    assert (one.raw_inputs(), list(other.raw_inputs())) == ({}, ["against"])
    assert "union" in json.dumps(described(other.plan({})))
    assert "union" not in json.dumps(described(one.plan({})))
    for empty in ("null", "{}"):
        assert load(str(recipe), [f"corpus.against={empty}"]) == plain


@pytest.mark.parametrize(
    ("against", "message"),
    [
        (
            "{versions: [2026-42]}",
            r"there is no corpus/deduped@2026-42 in .*; did you mean 2026-4\d\? released there: ",
        ),
        ("{versions: [2026-45]}", "2026-45 is the version that is being built; name earlier ones only"),
        ("{versions: [dev]}", "dev is rebuilt when its recipe changes"),
        ("{versions: [{version: 2026-41, root: nowhere}]}", r"there is no corpus/deduped@2026-41 in /\S+/nowhere;"),
    ],
)
def test_what_cannot_be_held_against_is_said_before_work(recipe: Path, root: Path, against: str, message: str) -> None:
    before = durable(root)
    said = millstream(*words_for(recipe, root, SECOND, "--set", f"corpus.against={against}"))
    assert said.code == 2
    assert re.search(f"millstream: corpus.against.versions: {message}", said.err)
    assert durable(root) == before


def test_a_corpus_of_other_columns_is_refused(recipe: Path, first: Path) -> None:
    path = first / DEDUPED / FIRST / "manifest.json"
    path.write_text(path.read_text().replace('"timestamp[ms, tz=UTC]"', '"string"'))
    with pytest.raises(ConfigError, match=r"corpus/deduped@2026-41 in .* has no column timestamp as it is now needed"):
        dedup_step(load(str(recipe), [AGAINST]), first)


def test_the_documented_section_is_one(recipe: Path, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "snapshots.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "documented.yaml"
    path.write_text(recipe.read_text().partition("corpus:")[0] + block)
    against = load(str(path)).corpus.against
    assert against is not None
    assert [(one.version, one.root) for one in against.versions] == [("2025-51", "s3://older"), (FIRST, None)]
    for said in re.findall(r"--set '(corpus\.against=.*?)'", page):
        assert load(str(recipe), [said]).corpus.against


ERRORS = [
    ("{versions: []}", "corpus.against.versions: is empty; name earlier versions, or write against: null"),
    ("{versions: [2026.11]}", 'corpus.against.versions.0: is 2026.11, but should be the name of a version, "2026-41"'),
    ("{versions: [a/b]}", 'corpus.against.versions.0: is "a/b", but should match pattern'),
    ("{versions: [{versio: a}]}", "corpus.against.versions.0.versio: unknown field; did you mean version?"),
    ("{methods: [exact]}", "corpus.against.versions: is missing; add it"),
    (
        "{versions: [a], methods: [urls]}",
        'corpus.against.methods.0: is "urls"; did you mean url? it can be: url, exact',
    ),
]


@pytest.mark.parametrize(("against", "message"), ERRORS)
def test_what_is_wrong_in_the_section_is_told_where(recipe: Path, against: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(str(recipe), [f"corpus.against={against}"])
    assert str(caught.value).startswith(f"--set corpus.against={against}: {message}")


@pytest.mark.parametrize(
    ("dedup", "against", "message"),
    [
        ("[{method: url}, {method: exact}]", "methods: [exact, minhash]", "methods.1: minhash is none of corpus.dedup"),
        ("[{method: url}]", "methods: null", ": compares nothing: corpus.dedup has no method for it but url; name"),
        ("[]", "methods: null", ": compares by the methods of corpus.dedup; add one there"),
    ],
)
def test_a_method_that_the_corpus_lacks_is_told_with_its_line(
    tmp_path: Path, recipe: Path, dedup: str, against: str, message: str
) -> None:
    text = recipe.read_text().replace(
        "  dedup: [{method: url}, {method: exact}, {method: minhash}]",
        f"  dedup: {dedup}\n  against:\n    versions: [2026-41]\n    {against}",
    )
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(str(path))
    line = 10 if message.startswith("methods") else 8
    assert str(caught.value).startswith(f"{path}:{line}: corpus.against.{message}".replace(".:", ":"))
