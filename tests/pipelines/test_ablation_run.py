"""A finished ablation from outside: budgets that fit, a verdict over every comparison, a table, a page, exit codes."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from small_ablation import ARMS, MODELS, Small, recipe
from small_run import millstream

from corpus.errors import ConfigError
from pipelines.ablation.graph import Graph
from pipelines.ablation.tokens import check_budget
from pipelines.session import working
from training.evaluation import results

PAIRS = {"blimp", "blimp/island", "blimp/npi"}
ASKED = {"piqa", "piqa/norm", "lambada", "nats_per_target/lambada"}
SETS = ("clean", "raw", "neutral")
MEASURES = {
    "decoder": {f"bits_per_byte/{name}" for name in SETS} | PAIRS | ASKED,
    "encoder": {f"nats_per_target/{name}" for name in SETS} | PAIRS,
    "encoder_decoder": {f"nats_per_target/{name}" for name in SETS} | PAIRS | ASKED,
}


def steps_that_fit(ablated: Small, asked: int) -> int:
    """The number that the error names for so many steps."""
    ablation = ablated.ablation(f"models.decoder.training.steps={asked}")
    with pytest.raises(ConfigError) as caught:
        check_budget(ablation, ablated.place, "decoder", list(ARMS))
    said = str(caught.value)
    assert said.startswith("arm clean has ")
    return int(said.partition("training.steps of ")[2].partition(" ")[0].replace(",", ""))


def test_each_arm_may_have_a_vocabulary_of_its_own(ablated: Small, world: Path, tmp_path: Path) -> None:
    """Trained on the arm's own documents, those put back too."""
    small = ablated.copied(tmp_path, recipe(world, vocabulary="each"))
    graph = Graph(small.ablation(), small.place)
    with working(small.place, "local", 1, [], Console(file=io.StringIO())) as runner:
        runner.run([*graph.vocabularies(), *graph.tokens()])
    made = {arm: small.manifest(f"vocab/decoder/{arm}") for arm in ARMS}
    assert len({one["measures"]["digest"] for one in made.values()}) == 3
    for arm in ARMS:
        tokens = small.manifest(f"tokens/decoder/{arm}")["measures"]
        assert tokens["vocab_digest"] == made[arm]["measures"]["digest"]
        assert small.documents(arm) == ablated.documents(arm)


@pytest.mark.parametrize("asked", [1000, 77])
def test_an_arm_too_small_is_told_with_the_steps_that_fit(asked: int, ablated: Small) -> None:
    fits = steps_that_fit(ablated, asked)
    n_tokens = ablated.manifest("tokens/decoder/clean")["measures"]["n_tokens"]
    assert fits == n_tokens // (4 * 64), "whole steps of 4 rows of 64 tokens"
    check_budget(ablated.ablation(f"models.decoder.training.steps={fits}"), ablated.place, "decoder", list(ARMS))
    assert steps_that_fit(ablated, fits + 1) == fits


def test_epochs_are_budget(ablated: Small) -> None:
    fits = steps_that_fit(ablated, 1000)
    sets = [f"models.decoder.training.steps={2 * fits}", "max_epochs=2.0"]
    check_budget(ablated.ablation(*sets), ablated.place, "decoder", list(ARMS))


def test_an_arm_too_small_stops_before_the_trainings(ablated: Small, tmp_path: Path) -> None:
    small = ablated.copied(tmp_path)
    said = small.ran("--set", "models.encoder.training.steps=1000")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "arm clean has " in said.err
    assert "models.encoder.training.steps of" in said.err
    assert small.builds() == ablated.builds()


def test_the_verdict_holds_every_comparison(ablated: Small) -> None:
    found = ablated.json("verdict/main/dev/verdict.json")
    assert found["architectures"] == list(MODELS)
    assert (found["arms"], found["seeds"]) == (list(ARMS), [17, 18])
    wanted = [
        (model, measure, arm)
        for model in MODELS
        for measure in (*MEASURES[model], "finetune/rte")
        for arm in ("unfiltered", "rejects_50")
    ]
    told = [(one["architecture"], one["measure"], one["arm"]) for one in found["comparisons"]]
    assert sorted(told) == sorted(wanted)
    for model in MODELS:
        points = found["curves"][model]
        assert set(points) == {measure for measure in MEASURES[model] if measure.rpartition("/")[2] in SETS}
        assert {tuple(point["tokens"] for point in by["clean"]) for by in points.values()} == {(512, 1024)}
        assert [point["share"] for point in found["doses"][model]["blimp"]["points"]] == [0.0, 0.5]
        assert set(found["controls"][model]["untrained"]) == MEASURES[model]
    assert set(found["controls"]["decoder"]["bigram"]) == {*(f"bits_per_byte/{name}" for name in SETS), "blimp"}
    assert found["controls"]["encoder"]["bigram"] == {}
    assert [row["row"] for row in found["t5"]][1:] == [f"here, {model}" for model in MODELS]


def test_a_comparison_is_of_the_cells_scores(ablated: Small) -> None:
    found = ablated.json("verdict/main/dev/verdict.json")
    for model in MODELS:
        for measure in MEASURES[model]:
            values = {arm: _values(ablated, model, arm, measure) for arm in ARMS}
            for arm in ("unfiltered", "rejects_50"):
                (one,) = (
                    one
                    for one in found["comparisons"]
                    if (one["architecture"], one["measure"], one["arm"]) == (model, measure, arm)
                )
                assert one["mean"] == pytest.approx(np.mean(values[arm]))
                assert one["difference"] == pytest.approx(np.mean(values[arm]) - np.mean(values["clean"]), abs=1e-9)


def _values(ablated: Small, model: str, arm: str, measure: str) -> list[float]:
    paths = [ablated.root / f"scores/{model}/{arm}/{seed}/dev/items.parquet" for seed in (17, 18)]
    return [results.read(path)[measure].value for path in paths]


def test_arms_are_trained_alike_and_on_other_text(ablated: Small) -> None:
    for model in MODELS:
        made = [ablated.manifest(f"cell/{model}/{arm}/17") for arm in ARMS]
        assert len({json.dumps(one["recipe"]) for one in made}) == 1
        assert {one["measures"]["tokens"] for one in made} == {1024}
        assert len({one["measures"]["loss"] for one in made}) == 3
        begun = [(ablated.root / f"cell/{model}/{arm}/17/dev/metrics.csv").read_text() for arm in ARMS]
        assert len(set(begun)) == 3


def test_models_of_every_kind_learn_a_task(ablated: Small) -> None:
    for model in MODELS:
        for arm in ARMS:
            name = f"finetuned/{model}/{arm}/17/rte"
            said = (ablated.root / name / "dev/predictions.jsonl").read_text().splitlines()
            predictions = [json.loads(line) for line in said]
            right = [one["predicted"] == one["gold"] for one in predictions]
            assert [one["id"] for one in predictions] == [f"dev:{n}" for n in range(1, 5)]
            (scores,) = results.read(ablated.root / name / "dev/items.parquet").values()
            assert (list(scores.values), scores.value) == (right, sum(right) / 4)
            assert ablated.manifest(name)["measures"]["score"] == sum(right) / 4
    assert not (ablated.root / "finetuned/decoder/clean/18").exists(), "one seed is fine-tuned"


def test_what_was_compared_is_told(ablated: Small) -> None:
    about = ablated.json("verdict/main/dev/about.json")
    for arm in ARMS:
        measures = ablated.manifest(f"tokens/decoder/{arm}")["measures"]
        assert (about["arms"][arm]["documents"], about["arms"][arm]["tokens"]) == (
            measures["n_documents"],
            measures["n_tokens"],
        )
    assert about["arms"]["rejects_50"]["says"] == "clean with 50% of what unfiltered has more put back"
    clean = about["corpora"]["clean"]
    assert (clean["read"], clean["kept"]) == (64, 40)
    assert sum(clean["dropped"].values()) == 24
    assert {model: said["tokens"] for model, said in about["budget"].items()} == dict.fromkeys(MODELS, 1024)
    assert set(about["contamination"]["sets"]) == {*SETS, "blimp", "piqa", "lambada", "finetune/rte"}


def test_arms_that_read_other_amounts_do_not_compare(ablated: Small, tmp_path: Path) -> None:
    """A manifest that says so is found before the verdict, and nothing is concluded."""
    small = ablated.copied(tmp_path)
    path = small.root / "cell/decoder/unfiltered/18/dev/manifest.json"
    said = json.loads(path.read_text())
    said["measures"]["read"] //= 2
    path.write_text(json.dumps(said))
    (small.root / "verdict/main/dev/manifest.json").unlink()
    ran = small.ran()
    assert (ran.code, ran.err.count("\n")) == (3, 1), ran.err
    assert "cell/decoder/unfiltered/18 read " in ran.err
    assert "arms that differ in tokens do not compare" in ran.err
    assert not (small.root / "verdict/main/dev/manifest.json").exists()


def test_the_page_is_written_again_and_the_table_told(ablated: Small, tmp_path: Path) -> None:
    small = ablated.copied(tmp_path)
    page = small.root / "report.html"
    first, written = small.ran(), page.read_text()
    page.unlink()
    said = millstream("report", "--root", small.root)
    assert (said.code, said.err) == (0, "")
    assert page.read_text() == written
    assert first.out.endswith(said.out)
    assert said.out.startswith("3 arms, 2 seeds, 1,024 tokens for each training")
    for word in ("rejects_50", "encoder_decoder", "C4 (Raffel et al. 2020, table 8)", f"report: {page}"):
        assert word in said.out


def test_the_whole_run_can_be_verified_and_shown(ablated: Small) -> None:
    checked = millstream("verify", "--root", ablated.root)
    assert (checked.code, checked.err) == (0, "")
    shown = millstream("show", "cell/decoder/clean/17", "--root", ablated.root, "--json")
    assert json.loads(shown.out) == ablated.manifest("cell/decoder/clean/17")
