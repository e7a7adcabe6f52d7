"""The shipped DAGs at work on the sample: every task is a real `millstream`, in a process of its own."""

import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from small_run import millstream

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["training.steps=4", "training.context=64", "training.batch_rows=2"]
DEMO = ["mix.budget.bytes=200_000", "tokenizer.vocab_size=600", *SMALL]
MONTHLY = ["mix.budget.bytes=60_000", "tokenizer.vocab_size=600", *SMALL]
TINY = "{family: llama, layers: 1, width: 32, heads: 2, ffn: 64}"
GATE = [
    "seeds=2",
    "models.decoder.tokenizer.vocab_size=400",
    f"models.decoder.training.model={TINY}",
    "models.decoder.training.context=64",
    "models.decoder.training.steps=3",
    "models.decoder.training.batch_rows=4",
    "evaluation.set_bytes=40_000",
    "evaluation.points=1",
]
Run = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A place with two months of archives, as DAGs find it in the environment."""
    folder = tmp_path_factory.mktemp("place")
    spec = importlib.util.spec_from_file_location("cut_snapshots", ROOT / "samples" / "cut_snapshots.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.cut(folder / "crawl")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MILLSTREAM_ROOT", str(folder / "runs"))
        environment.setenv("MILLSTREAM_ARCHIVES", str(folder / "crawl" / "{snapshot}" / "*.warc.gz"))
        yield folder


def manifests(root: Path) -> dict[str, bytes]:
    """Every manifest under a root, by the artifact's folder."""
    return {str(path.parent.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("manifest.json"))}


def tally(root: Path, artifact: str, version: str) -> Any:
    """What an artifact kept and dropped."""
    return json.loads((root / artifact / version / "manifest.json").read_bytes())["tally"]


def test_demo_writes_what_the_command_writes(place: Path, run_dag: Run) -> None:
    from airflow_dags.from_recipe import dag_of

    states = run_dag(dag_of("demo", sets=DEMO), workers=1, limit=120)
    assert set(states.values()) == {"success"}
    assert len(states) == 9
    assert (place / "runs" / "demo" / "report.html").stat().st_size > 10_000
    sets = [word for said in DEMO for word in ("--set", said)]
    assert millstream("run", "demo", "--root", place / "by_hand", "--limit", 120, *sets).code == 0
    found = manifests(place / "runs" / "demo")
    assert found == manifests(place / "by_hand")
    assert len(found) == 8


def test_months_from_archives_to_a_promoted_corpus(place: Path, run_dag: Run) -> None:
    from airflow_dags.from_recipe import dag_of
    from airflow_dags.monthly_build import monthly_build
    from airflow_dags.pretraining import pretraining
    from airflow_dags.quality_gate import quality_gate

    runs = place / "runs"
    words = ["mix.budget.bytes=200_000", "tokenizer.vocab_size=600"]
    made = run_dag(dag_of("demo", dag_id="vocabulary", until="vocab/main", sets=words), workers=1, limit=120)
    assert set(made.values()) == {"success"}
    assert not (runs / "vocabulary" / "tokens").exists()

    sets = [f"tokenizer.reuse.root={runs / 'vocabulary'}", *MONTHLY]
    states = run_dag(monthly_build("monthly", sets=sets), snapshots=["2026-11", "2026-10"], workers=1)
    assert set(states.values()) == {"success"}
    assert {name for name in states if "[" not in name} == {"chosen", "corpus.deduped"}
    assert len([name for name in states if name.startswith("read.")]) == 2 * 2
    assert len([name for name in states if name.startswith("shards.")]) == 2 * 5
    assert "against" not in tally(runs / "monthly", "corpus/deduped", "2026-10")["reasons"]
    seen = tally(runs / "monthly", "corpus/deduped", "2026-11")["reasons"]["against"]
    assert seen["seen_text"] > 20
    vocabularies = [path.read_bytes() for path in runs.glob("[mv]*/vocab/main/*/tokenizer.json")]
    assert len(vocabularies) == 3
    assert len(set(vocabularies)) == 1

    # no archives any more: what is trained on is taken as it lies
    (place / "crawl").rename(place / "elsewhere")
    states = run_dag(
        pretraining("monthly", dag_id="pretraining", built_by="monthly", sets=MONTHLY), versions=["2026-11"]
    )
    (place / "elsewhere").rename(place / "crawl")
    assert states == {"new_versions": "success", "model.checkpoint.main[0]": "success"}
    assert [path.parent.name for path in runs.glob("monthly/checkpoint/main/*/manifest.json")] == ["2026-11"]

    def gated(conditions: str, version: str) -> dict[str, str]:
        judge = quality_gate(
            "monthly_gate",
            dag_id="quality_gate",
            built_by="monthly",
            recipe="monthly",
            sets=[*GATE, f"gate={conditions}"],
        )
        return run_dag(judge, versions=[version], workers=2)

    better = "{arm: clean, against: unfiltered, better_on: [bits_per_byte/clean]}"
    no_worse = "{arm: clean, against: unfiltered, not_worse_on: [bits_per_byte/clean]}"
    held = gated(better, "2026-11")
    assert held["gate.verdict[0]"] == "success"
    assert held["gate.promotion[0]"] == "failed"  # three steps of training show nothing
    assert gated(no_worse, "2026-11")["gate.verdict[0]"] == "failed"  # no gate is moved once a verdict is known
    assert not (runs / "monthly" / "promoted.json").exists()
    assert set(gated(no_worse, "2026-10").values()) == {"success"}
    assert json.loads((runs / "monthly" / "promoted.json").read_bytes())["version"] == "2026-10"


def test_without_millstream_a_task_fails_at_once(
    place: Path, run_dag: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from airflow_dags.from_recipe import dag_of

    monkeypatch.setenv("MILLSTREAM_COMMAND", "/nowhere/millstream")
    states = run_dag(dag_of("demo", dag_id="nowhere"))
    assert states.pop("corpus.extracted") == "failed"  # at once: a retry would have to wait a minute
    assert set(states.values()) == {"upstream_failed"}
    assert "no program /nowhere/millstream here" in "".join(capfd.readouterr())


def test_what_cannot_be_is_told_by_its_last_line(place: Path, run_dag: Run, capfd: pytest.CaptureFixture[str]) -> None:
    from airflow_dags.from_recipe import dag_of

    states = run_dag(dag_of("c4_en"))
    assert states.pop("corpus.extracted") == "failed"
    said = "".join(capfd.readouterr())
    assert "a retry would not help. millstream: sources.web.paths is empty: give it with --set" in said
