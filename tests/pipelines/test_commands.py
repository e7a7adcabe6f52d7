"""Laws over finished runs, from the files themselves, and what the commands print."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from small_run import Finished, durable, millstream, write_input

from pipelines.names import CORPORA
from tokenizer.shard import TokenShard


def ids(finished: Finished, name: str, role: str) -> Counter[str]:
    return Counter(row["id"] for row in finished.rows(name, role))


@pytest.mark.parametrize("name", CORPORA)
def test_read_is_kept_and_dropped(name: str, finished: Finished) -> None:
    """From the files: every document that the one before kept is here once, kept or dropped, and nothing else is."""
    kept, dropped = set(ids(finished, name, "data")), ids(finished, name, "rejects")
    before = CORPORA[name]
    assert kept & set(dropped) == set()
    assert max(dropped.values(), default=1) == 1
    if before is not None:
        assert kept | set(dropped) == set(ids(finished, before, "data"))
    tally = finished.manifest(name)["tally"]
    assert (tally["read"], tally["kept"], tally["dropped"]) == (len(kept) + len(dropped), len(kept), len(dropped))


def test_held_out_documents_are_nowhere_else(finished: Finished) -> None:
    held, mixed = set(ids(finished, "corpus/heldout", "data")), set(ids(finished, "corpus/mixture", "data"))
    assert held
    assert held & mixed == set()
    assert held | mixed == set(ids(finished, "corpus/deduped", "data")), "with a budget that large"
    assert held & set(token_documents(finished)) == set()


def token_documents(finished: Finished) -> Counter[str]:
    folder = finished.root / "tokens" / "main" / "dev"
    shards = finished.manifest("tokens/main")["shards"]
    parts = [TokenShard.open(folder, shard["shard"], 600) for shard in shards]
    return Counter(name for part in parts for name in part.origins.column("id").to_pylist())


def test_tokens_hold_each_document_as_often_as_the_mixture(finished: Finished) -> None:
    assert token_documents(finished) == ids(finished, "corpus/mixture", "data")
    assert max(token_documents(finished).values()) > 1


def test_the_mixture_is_within_a_document_of_the_budget(finished: Finished) -> None:
    sizes = [len(row["text"].encode()) for row in finished.rows("corpus/mixture", "data")]
    assert 500_000 - max(sizes) <= sum(sizes) <= 500_000


def test_a_second_run_does_nothing(finished: Finished) -> None:
    before = durable(finished.root)
    said = millstream("run", finished.recipe, "--root", finished.root)
    assert said.out.count("done already") == 8
    assert durable(finished.root) == before


def test_other_workers_and_another_place_give_the_same_bytes(finished: Finished, sample: Path, tmp_path: Path) -> None:
    recipe = write_input(tmp_path / "elsewhere", sample)
    root = tmp_path / "root"
    assert millstream("run", recipe, "--root", root, "--workers", 1, "--only", "tokens/main").code == 0
    there = {path: data for path, data in durable(finished.root).items() if not path.startswith("checkpoint/")}
    assert durable(root) == there


def test_a_changed_threshold_rebuilds_what_follows(finished: Finished, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(finished.root, root)
    words = ("--root", root, "--set", "corpus.dedup.2.bands=9", "--only", "vocab/main")
    planned = millstream("plan", finished.recipe, *words).out
    assert "would run: recipe.dedup.2.bands: 14 -> 9" in " ".join(planned.split())
    said = millstream("run", finished.recipe, *words).out.splitlines()
    done = [line.partition("@")[0] for line in said if line.endswith("done already")]
    assert done[:2] == ["corpus/extracted", "corpus/pages"]
    assert "corpus/deduped" not in done


def test_a_released_version_stands(finished: Finished, tmp_path: Path) -> None:
    run = ("run", finished.recipe, "--root", tmp_path, "--version", "2026.11", "--limit", 20, "--only", "corpus/pages")
    assert millstream(*run).code == 0
    before = durable(tmp_path)
    said = millstream(*run, "--set", "corpus.language.min_score=0.5")
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert "corpus/pages@2026.11 is released" in said.err
    assert "recipe.language.min_score: 0.65 -> 0.5" in said.err
    assert durable(tmp_path) == before
    assert millstream("verify", "--root", tmp_path).code == 0


def test_a_limit_takes_the_first_records(finished: Finished, tmp_path: Path) -> None:
    run = ("run", finished.recipe, "--root", tmp_path, "--only", "corpus/extracted", "--limit")
    everything = home_order(finished)
    for n_records in (1, 7, 50):
        assert millstream(*run, n_records).code == 0
        assert home_order(Finished(finished.recipe, tmp_path, "")) == everything[:n_records]


def home_order(finished: Finished) -> list[str]:
    rows = finished.rows("corpus/extracted", "data") + finished.rows("corpus/extracted", "rejects")
    return [row["id"] for row in sorted(rows, key=lambda row: (row["shard"], row["row"]))]


NOTHING = ("language=null", "rules=null", "dedup=[]", "holdout={}")


def test_what_is_null_keeps_everything(finished: Finished, tmp_path: Path) -> None:
    sets = [word for field in NOTHING for word in ("--set", f"corpus.{field}")]
    run = ("run", finished.recipe, "--root", tmp_path, "--limit", 30, "--only", "corpus/deduped", *sets)
    assert millstream(*run).code == 0
    run_here = Finished(finished.recipe, tmp_path, "")
    kept = {name: run_here.manifest(name)["tally"]["kept"] for name in ("corpus/extracted", "corpus/deduped")}
    assert kept == {"corpus/extracted": 28, "corpus/deduped": 28}
    assert "corpus/heldout" not in millstream("plan", finished.recipe, *sets).out
    texts = [{r["id"]: r["text"] for r in run_here.rows(name, "data")} for name in kept]
    assert texts[0] == texts[1], "not a character of them is gone"


def test_show_has_the_numbers(finished: Finished) -> None:
    said = millstream("show", "corpus/deduped", "--root", finished.root).out
    tally = finished.manifest("corpus/deduped")["tally"]
    lines = [line.split() for line in said.splitlines()]
    assert ["read", str(tally["read"])] in lines
    kept = next(line for line in lines if line[:1] == ["kept"])
    assert kept[1::2] == [str(tally["kept"]), f"{tally['kept_bytes']:,}"]
    for stage, reasons in tally["reasons"].items():
        for reason, n_documents in reasons.items():
            assert any(line[:3] == [stage, reason, str(n_documents)] for line in lines)
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize("name", [*CORPORA, "vocab/main", "tokens/main", "checkpoint/main"])
def test_show_fits_a_terminal(name: str, finished: Finished) -> None:
    said = millstream("show", name, "--root", finished.root).out
    assert said.startswith(f"{name}@dev")
    assert max(map(len, said.splitlines())) <= 80
    assert len(said.splitlines()) < 66


def test_plan_says_what_is_done(finished: Finished) -> None:
    said = millstream("plan", finished.recipe, "--root", finished.root).out
    assert said.count("done: ") == 8
    assert "would run" not in said
    assert max(map(len, said.splitlines())) <= 80


def test_plan_makes_nothing(finished: Finished, tmp_path: Path) -> None:
    said = millstream("plan", finished.recipe, "--root", tmp_path / "root").out
    assert "would run: not made yet" in said
    assert "duplicate_of: string" in said
    assert not (tmp_path / "root" / "corpus").exists()


def test_report_is_written_again(finished: Finished) -> None:
    report = finished.root / "report.html"
    before = report.read_bytes()
    report.unlink()
    assert millstream("report", "--root", finished.root).out == f"report: {report}\n"
    assert report.read_bytes() == before


def test_the_latest_run_is_meant(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = ("run", finished.recipe, "--limit", 5, "--only", "corpus/extracted")
    assert millstream(*run).code == 0
    record = json.loads((tmp_path / "runs/small/corpus/extracted/dev/run.json").read_text())
    assert record["workers"] >= 1
    said = millstream("show", "corpus/extracted")
    assert said.out.startswith("corpus/extracted@dev")


CANNOT = [
    ("mix.budget.bytes=50_000_000", "corpus/mixture", ("mix", '"web"', "largest budget", "max_epochs 4")),
    ("tokenizer.vocab_size=200_000", "vocab/main", ("tokenizer.vocab_size is 200,000", "at most", "more text")),
    ("training.context=10_000_000", "checkpoint/main", ("one row of 10000000", "shorter context")),
]


@pytest.mark.parametrize(("change", "stops_at", "words"), CANNOT, ids=[stops_at for _, stops_at, _ in CANNOT])
def test_what_cannot_be_filled(
    change: str, stops_at: str, words: tuple[str, ...], finished: Finished, tmp_path: Path
) -> None:
    """An error of one line, the artifact not there or as it was, and the run goes on with the recipe put right."""
    root = tmp_path / "root"
    shutil.copytree(finished.root, root)
    whole = (root / stops_at / "dev" / "manifest.json").read_bytes()
    said = millstream("run", finished.recipe, "--root", root, "--set", change)
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert [word for word in words if word not in said.err] == []
    left = root / stops_at / "dev" / "manifest.json"
    assert not left.exists() or left.read_bytes() == whole
    wanted = ("run", finished.recipe, "--root", root, "--only", "tokens/main")
    assert millstream(*wanted).code == 0
    there = durable(finished.root)
    assert {path: data for path, data in durable(root).items() if not path.startswith("checkpoint/")} == {
        path: data for path, data in there.items() if not path.startswith("checkpoint/")
    }
