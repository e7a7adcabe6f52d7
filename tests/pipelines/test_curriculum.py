"""BERT's way of training, short rows first, from a recipe: planned, trained and measured."""

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest
from small_run import Finished, durable, millstream

from corpus.storage import Folder
from pipelines.artifact import Place
from pipelines.recipe import load as load_recipe
from pipelines.training_plan import planned_objective, rows_told
from pipelines.training_step import held_out_documents
from tokenizer import vocab
from training import weights
from training.evaluation.targets import by_term, held_out_shards, once
from training.record import read_metrics

CURRICULUM = ("--set", "training.curriculum=[{context: 64, share: 0.5}]")
SMALL = (
    "corpus.holdout.share=0.1", "corpus.split_bytes=150_000", "corpus.shard_bytes=40_000",
    "mix={weights: {web: 1.0}, budget: {bytes: 500_000}, max_epochs: 4}", "tokenizer.vocab_size=600",
    "training.model={family: bert, layers: 1, width: 32, heads: 2, ffn: 64}", "training.steps=4",
    "training.batch_rows=2", "training.run.evaluate_every=2",
)  # fmt: skip
"""As tests/small_run.py has it, so that the corpora are the finished run's."""


def small(finished: Finished) -> list[str]:
    return [f"sources.web.paths=[{finished.recipe.parent}/web/*.warc.gz]", *SMALL]


@pytest.fixture(scope="module")
def root(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tiny_bert over the finished run's corpora, without a curriculum and then with one."""
    place = tmp_path_factory.mktemp("curriculum") / "root"
    shutil.copytree(finished.root, place)
    sets = [word for one in small(finished) for word in ("--set", one)]
    run = ("run", "tiny_bert", "--root", place, "--workers", 2, *sets)
    tokens = millstream(*run, "--only", "tokens/main")
    assert (tokens.code, tokens.out.count("done already")) == (0, 5), tokens.err
    before = durable(place)
    planned = millstream("plan", *run[1:4], *sets, *CURRICULUM)
    assert planned.out.count("done: ") == 7
    assert "rows   2 of 64 tokens, 2 steps; 2 of 128 tokens, 2 steps" in planned.out
    trained = millstream(*run, *CURRICULUM)
    assert (trained.code, trained.out.count("done already")) == (0, 7), trained.err
    assert {path: data for path, data in durable(place).items() if not path.startswith("checkpoint/")} == {
        path: data for path, data in before.items() if not path.startswith("checkpoint/")
    }
    return place


def test_short_rows_come_first_from_the_same_shards(root: Path) -> None:
    metrics = read_metrics(root / "checkpoint/main/dev/metrics.csv")
    assert [row["tokens"] for row in metrics] == [2 * 64, 4 * 64, 4 * 64 + 2 * 128, 4 * 64 + 4 * 128]
    found = Place(Folder(str(root))).need("checkpoint/main")
    assert found.measures["tokens"] == 4 * 64 + 4 * 128
    assert found.recipe["training"]["curriculum"] == [{"context": 64, "share": 0.5, "batch_rows": None}]


def test_held_out_documents_are_measured_at_the_whole_context(root: Path, finished: Finished) -> None:
    """Again, from the weights: the figures are those of rows of 128 tokens and not those of 64."""
    place = Place(Folder(str(root)))
    made = place.need("checkpoint/main")
    folder = root / "checkpoint/main/dev"
    task = once(planned_objective(load_recipe("tiny_bert", small(finished))))
    words = vocab.load(place.folder("vocab/main"))
    texts = [text for text, _ in held_out_documents(place, {"corpus/heldout": place.need("corpus/heldout")})]
    found: dict[int, Any] = {}
    with held_out_shards(texts, words, marks=True) as shards:
        for context in (64, 128):
            found[context] = by_term(weights.trained(folder).model, task, task.rows(shards, context, 17), 17)
    said = made.measures["held_out_targets"]
    assert said.keys() == {"tokens", "next_sentence"}
    for name, figures in found[128].items():
        assert said[name]["targets"] == figures["targets"] != found[64][name]["targets"]
        assert said[name]["nats_per_target"] == pytest.approx(figures["nats_per_target"], rel=1e-6)
    with (folder / "held_out.csv").open() as file:
        on_the_way = {(int(row["step"]), row["measure"]): float(row["value"]) for row in csv.DictReader(file)}
    assert on_the_way.keys() == {(step, f"nats_per_target/{name}") for step in (2, 4) for name in said}
    for name, figures in found[128].items():
        assert on_the_way[4, f"nats_per_target/{name}"] == pytest.approx(figures["nats_per_target"], rel=1e-6)


def test_a_plan_tells_the_rows(tmp_path: Path) -> None:
    said = millstream("plan", "bert_base", "--root", tmp_path, "--only", "checkpoint/main").out
    assert "  rows   256 of 128 tokens, 900,000 steps; 256 of 512 tokens, 100,000 steps" in said
    assert max(map(len, said.splitlines())) <= 80
    assert rows_told(load_recipe("tiny_bert")) == "32 of 128 tokens, 400 steps"
