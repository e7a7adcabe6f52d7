"""What a command line comes to: exit codes, and errors of one line that say what, where and how to mend."""

import json
from pathlib import Path

import pytest
from small_run import Finished, Said, millstream

from pipelines import cli
from pipelines.recipe import shipped, text_of


def one_line(said: Said, code: int, *words: str) -> None:
    """An error as all errors are: its code, one line on stderr with these words in it, nothing that looks whole."""
    assert said.code == code, said
    assert said.err.count("\n") == 1, said.err
    assert "Traceback" not in said.err
    assert [word for word in words if word not in said.err] == [], said.err


MISTAKES = [
    (("run", "dmeo"), ("no recipe dmeo", "did you mean demo?", "./dmeo.yaml")),
    (("run", "nowhere.yaml"), ("nowhere.yaml", "No such file")),
    (("run", "samples/web"), ("ends in .yaml",)),
    (("run",), ("RECIPE", "millstream run --help")),
    (("runn", "demo"), ("runn", "'run'", "millstream --help")),
    (("run", "demo", "--wrokers", "2"), ("--wrokers", "--workers")),
    (("run", "demo", "--limit", "0"), ("--limit",)),
    (("run", "demo", "--limit", "many"), ("--limit", "integer")),
    (("run", "demo", "--workers", "0"), ("--workers",)),
    (("run", "demo", "--engine", "steam"), ("--engine steam", "local")),
    (("run", "demo", "--only", "corpus/page"), ("--only corpus/page", "corpus/pages")),
    (("run", "demo", "--version", "a/b"), ("--version a/b", "letters, digits")),
    (("run", "demo", "--version", ".."), ("--version ..",)),
    (("run", "demo", "--version", ""), ("--version",)),
    (("run", "demo", "--set", "corpus.langage.keep=[en]"), ("corpus.langage", "did you mean language?")),
    (("run", "demo", "--set", "corpus.rules.7.rule=c4"), ("corpus.rules is a list", "0 to 0")),
    (("run", "demo", "--set", "seed.more=1"), ("seed is 17", "nothing inside")),
    (("run", "demo", "--set", "seed"), ("dotted.path=value",)),
    (("run", "demo", "--set", "corpus.language.min_score=2"), ("corpus.language.min_score", "is 2")),
    (("run", "c4_en"), ("sources.web.paths is empty", "--set", "millstream init c4_en")),
    (("run", "c4_en", "--set", 'sources.web.paths=["none/*.gz"]'), ("no file matches", "none/*.gz")),
    (("run", "c4_en", "--set", "sources.web.paths=a.gz"), ("should be a list",)),
    (("run", "c4_en", "--set", 'sources.web.paths=["nope://b/*.gz"]'), ("nope://b/*.gz", "nope")),
    (("init",), ("NAME",)),
    (("init", "c4"), ("no recipe c4", "c4_en")),
    (("show", "corpus/pages"), ("no run in runs/", "millstream run RECIPE")),
    (("verify", "--root", "elsewhere"), ("elsewhere holds no run", "millstream run RECIPE")),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_mistakes(
    words: tuple[str, ...], said: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one_line(millstream(*words), 2, *said)
    assert list(tmp_path.iterdir()) == [], "a mistake leaves nothing behind"


def test_the_local_engine_has_no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said when the engine is opened, which is after the inputs were looked at."""
    monkeypatch.chdir(tmp_path)
    said = millstream("run", "demo", "--engine-set", "master=x", "--engine-set", "more=y")
    one_line(said, 2, "--engine-set master=x", "the local engine has no settings", "--workers")
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} <= {"digests.json"}


UNKNOWN = [("show", "pages"), ("verify", "corpus/page"), ("show", "../pages")]


@pytest.mark.parametrize("words", UNKNOWN)
def test_unknown_artifact(words: tuple[str, str], finished: Finished) -> None:
    one_line(millstream(*words, "--root", finished.root), 2, f"no artifact {words[1]}", "corpus/deduped", "vocab/main")


@pytest.mark.parametrize("document", ["http://nowhere.example/", "0" * 32])
def test_unknown_document(document: str, finished: Finished) -> None:
    one_line(millstream("explain", document, "--root", finished.root), 3, document, "corpus/extracted", "96")


def test_nothing_can_be_written_there(finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    one_line(millstream("run", finished.recipe, "--root", tmp_path / "file"), 1, "cannot write", "--root")


def test_the_recipes_fault_has_its_line(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(text_of("demo").replace("min_score", "min_scor"))
    one_line(millstream("run", recipe), 2, "mine.yaml:", "min_scor", "did you mean min_score?")


def test_debug_shows_the_trace(tmp_path: Path) -> None:
    said = millstream("show", "corpus/pages", "--root", tmp_path, "--debug")
    assert said.code == 2
    assert "Traceback" in said.err
    assert said.err.splitlines()[-1].startswith(f"millstream: {tmp_path} holds no run")


def test_what_nobody_foresaw_is_one_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(cli, "app", broken)
    one_line(millstream("plan", "demo"), 1, "RuntimeError: two lines", "--debug")


def test_stopped_by_hand(monkeypatch: pytest.MonkeyPatch, finished: Finished) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.commands.show", stopped)
    one_line(millstream("show", "corpus/pages", "--root", finished.root), 130, "run again to go on")


@pytest.mark.parametrize("name", [*shipped(), *shipped("ablations")])
def test_init_prints_a_shipped_recipe(name: str) -> None:
    assert millstream("init", name).out == text_of(name)


def test_show_json_is_the_manifest(finished: Finished) -> None:
    said = millstream("show", "corpus/pages", "--root", finished.root, "--json")
    assert json.loads(said.out) == finished.manifest("corpus/pages")
