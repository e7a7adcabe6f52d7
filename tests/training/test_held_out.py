"""Scores on the way: those of the weights at that step, each once over any restart; the training does not feel them."""

import signal
import time

import pytest
from rank_processes import ended, start_ranks
from small_fits import Stopped, bert_parts, checkpoint, die, losses, varied

from training.evaluation.perplexity import HeldOut
from training.fit import fit
from training.held_out import Scorer

TEXTS = [
    HeldOut("one and two make three. two and one make three. ", "sums"),
    HeldOut("two and two make four. ", "more"),
]


def scores(out):
    lines = [line.split(",") for line in (out / "held_out.csv").read_text().splitlines()[1:]]
    return {(int(step), name): float(value) for step, name, value in lines}


def test_scores_are_those_of_the_weights_at_their_step(config, shards, vocab, tmp_path):
    asked = varied(config, evaluate_every=4, precision="32-true")
    measures = fit(asked, shards, "abc", vocab, tmp_path / "run", held_out=TEXTS)
    fit(varied(asked, evaluate_every=None), shards, "abc", vocab, tmp_path / "plain")
    found = scores(tmp_path / "run")
    assert list(found) == [
        (step, name) for step in (4, 8, 12) for name in ("bits_per_byte", "bits_per_byte/more", "bits_per_byte/sums")
    ]
    assert found[12, "bits_per_byte"] == pytest.approx(measures["held_out"]["bits_per_byte"], rel=1e-6)
    assert found[12, "bits_per_byte/sums"] == pytest.approx(measures["held_out"]["by_domain"]["sums"], rel=1e-6)
    assert found[4, "bits_per_byte"] > found[12, "bits_per_byte"]
    assert losses(tmp_path / "run") == losses(tmp_path / "plain")
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "plain")]
    assert weights[0] == weights[1]


def test_a_pair_s_objective_has_a_score_for_each_term(tmp_path):
    config, *rest = bert_parts(tmp_path)
    texts = [HeldOut(f"{n} and {n} make {2 * n}. {n} and 1 make {n + 1}. 2 and {n} make {n + 2}.") for n in range(9)]
    measures = fit(varied(config, evaluate_every=4), *rest, tmp_path / "run", held_out=texts)
    found = scores(tmp_path / "run")
    for name, term in measures["held_out_targets"].items():
        assert found[4, f"nats_per_target/{name}"] == pytest.approx(term["nats_per_target"], rel=1e-5)
    assert {name for _, name in found} == {"nats_per_target/tokens", "nats_per_target/next_sentence"}


def test_a_score_is_never_behind_its_checkpoint(config, shards, vocab, tmp_path):
    """Killed in the midst of measuring at a step of a checkpoint, the run measures there again."""
    config = varied(config, evaluate_every=5)
    figures = Scorer.figures

    def killed() -> None:
        def dies(self, *args):
            until = time.monotonic() + 1
            while not checkpoint(tmp_path / "run", 5).exists() and time.monotonic() < until:
                time.sleep(0.01)
            die()

        Scorer.figures = dies
        fit(config, shards, "abc", vocab, tmp_path / "run", held_out=TEXTS)

    assert ended(start_ranks(1, killed)) == [-signal.SIGKILL]
    assert Scorer.figures is figures
    with pytest.raises(Stopped):
        fit(config, shards, "abc", vocab, tmp_path / "run", held_out=TEXTS, on_progress=_stops_at_8)
    fit(config, shards, "abc", vocab, tmp_path / "run", held_out=TEXTS)
    fit(config, shards, "abc", vocab, tmp_path / "whole", held_out=TEXTS)
    assert scores(tmp_path / "run") == scores(tmp_path / "whole")
    assert {step for step, _ in scores(tmp_path / "run")} == {5, 10}


def _stops_at_8(step: int, *_: float) -> None:
    if step == 8:
        raise Stopped
