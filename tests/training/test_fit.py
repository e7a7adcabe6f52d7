"""Training as a whole: it learns, it records, and a run that was killed is the run that was not."""

import csv
import json
import math
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_model
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from corpus.errors import ConfigError, GateError, LeaseError
from training import models
from training.evaluation.perplexity import HeldOut
from training.fit import fit
from training.record import read_metrics


def losses(out: Path) -> list[tuple[float, float]]:
    return [(row["step"], row["loss"]) for row in read_metrics(out / "metrics.csv")]


@pytest.fixture(scope="module")
def whole_run(config, shards, vocab, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    held_out = [HeldOut("one and two make three. ", "sums"), HeldOut("two and two make four. ", "more")]
    seen = []
    measures = fit(config, shards, "abc", vocab, out, held_out=held_out, on_progress=lambda *step: seen.append(step))
    return out, measures, seen


def test_artifacts_and_measures(whole_run, config, vocab):
    out, measures, seen = whole_run
    with (out / "metrics.csv").open() as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == ["step", "loss", "learning_rate", "grad_norm", "tokens", "tokens_per_second"]
    assert [int(row["step"]) for row in table] == list(range(1, 13)) == [step for step, _, _ in seen]
    assert [float(row["loss"]) for row in table] == [loss for _, loss, _ in seen]
    assert int(table[-1]["tokens"]) == measures["tokens"] == 12 * 4 * 16
    assert list((out / "logs").glob("events.*"))
    said = json.loads((out / "config.json").read_text())
    assert said["vocab_digest"] == vocab.digest
    assert said["model"]["width"] == 32
    model = models.build(config.model)
    load_model(model, out / "model.safetensors")
    assert measures["held_out"]["bits_per_byte"] < measures["held_out_untrained"]["bits_per_byte"]
    assert measures["held_out"]["bytes"] == 24 + 23
    assert set(measures["held_out"]["by_domain"]) == {"sums", "more"}


def killed_at(step, *args, after=None):
    """Runs `fit` in a child that kills itself, as the kernel would, once the step's row is written, and what is written
    beside the training too if it is named."""

    def kill(done, loss, tokens_per_second):
        if done == step:
            while after and not after.exists():
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if not child:
        try:
            fit(*args, on_progress=kill)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


# 3: before the first checkpoint; 7: between two; 10: the row is written and its checkpoint not yet
@pytest.mark.parametrize("step", [3, 7, 10])
def test_a_killed_run_goes_on_bit_for_bit(step, whole_run, config, shards, vocab, tmp_path):
    killed_at(step, config, shards, "abc", vocab, tmp_path)
    assert [done for done, _ in losses(tmp_path)] == list(range(1, step + 1))
    fit(config, shards, "abc", vocab, tmp_path)
    assert losses(tmp_path) == losses(whole_run[0])
    assert (tmp_path / "model.safetensors").read_bytes() == (whole_run[0] / "model.safetensors").read_bytes()


def test_tensorboard_shows_each_step_once(config, shards, vocab, tmp_path):
    killed_at(7, config, shards, "abc", vocab, tmp_path)
    time.sleep(1.1)  # the names of its files tell seconds apart, no less
    fit(config, shards, "abc", vocab, tmp_path)
    events = EventAccumulator(str(tmp_path / "logs")).Reload()
    assert [event.step for event in events.Scalars("loss")] == list(range(1, 13))


def cut_short(checkpoint):
    tensors = next(checkpoint.glob("*.safetensors"))
    tensors.write_bytes(tensors.read_bytes()[:-7])


def another_step(checkpoint):
    record = checkpoint / "checkpoint.json"
    record.write_text(record.read_text().replace('"step": 10', '"step": 11'))


def without_tensors(checkpoint):
    next(checkpoint.glob("*.safetensors")).unlink()


@pytest.mark.parametrize("damage", [cut_short, another_step, without_tensors])
def test_a_damaged_checkpoint_is_passed_over(damage, whole_run, config, shards, vocab, tmp_path, caplog):
    killed_at(11, config, shards, "abc", vocab, tmp_path, after=tmp_path / "checkpoints" / "step-00000010")
    older, newest = sorted((tmp_path / "checkpoints").glob("step-*"))
    assert (older.name, newest.name) == ("step-00000005", "step-00000010")
    damage(newest)
    (tmp_path / "checkpoints" / "writing-step-00000015").mkdir()
    begun = []
    fit(config, shards, "abc", vocab, tmp_path, on_progress=lambda step, *_: begun.append(step))
    assert begun[0] == 6
    assert f"{newest} is damaged" in caplog.text
    assert losses(tmp_path) == losses(whole_run[0])


def test_a_finished_run_is_not_trained_again(config, shards, vocab, tmp_path):
    short = replace(config, steps=2)
    first = fit(short, shards, "abc", vocab, tmp_path)
    again = fit(short, shards, "abc", vocab, tmp_path, on_progress=lambda *_: pytest.fail("a step was trained"))
    assert again["loss"] == first["loss"]
    with pytest.raises(ConfigError, match=r"learning_rate: 0\.01 -> 0\.02"):
        fit(replace(short, learning_rate=0.02), shards, "abc", vocab, tmp_path)
    with pytest.raises(ConfigError, match="was trained on tokens abc, these are xyz"):
        fit(short, shards, "xyz", vocab, tmp_path)


def test_a_row_that_was_cut_short_is_dropped(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("step,loss\n1,9.5\n2,8.25\n3,7.")
    assert read_metrics(path) == [{"step": 1, "loss": 9.5}, {"step": 2, "loss": 8.25}]


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"vocab": 777}, "the model has 777 tokens"), ({"context": 4096}, "the tokens do not fill one row")],
)
def test_parts_that_do_not_fit_together(fields, message, config, shards, vocab, tmp_path):
    with pytest.raises(ConfigError, match=message):
        fit(replace(config, model=replace(config.model, **fields)), shards, "abc", vocab, tmp_path)
    assert not list(tmp_path.iterdir())


def test_shards_of_another_vocabulary_are_refused(config, shards, vocab, tmp_path):
    with pytest.raises(ConfigError, match=f"shards of 777 tokens, a vocabulary of {vocab.size}"):
        fit(config, [replace(shard, vocab_size=777) for shard in shards], "abc", vocab, tmp_path)
    assert not list(tmp_path.iterdir())


def test_masked_documents_train_too(config, shards, vocab, tmp_path):
    measures = fit(replace(config, document_mask=True, steps=3, optimizer="adamw"), shards, "abc", vocab, tmp_path)
    assert measures["loss"] < torch.log(torch.tensor(float(vocab.size)))


def test_a_run_that_diverges_stops_with_the_remedy(config, shards, vocab, tmp_path):
    with pytest.raises(
        GateError,
        match=r"step [2-9] is no number \(loss .*; its worst row is \d+ with .*Take a lower .* than 1e\+30",
    ):
        fit(replace(config, learning_rate=1e30), shards, "abc", vocab, tmp_path)
    assert all(math.isfinite(loss) for _, loss in losses(tmp_path))
    assert not (tmp_path / "model.safetensors").exists()


def test_going_on_in_another_arithmetic_is_said(config, shards, vocab, tmp_path, caplog):
    caplog.set_level("WARNING")
    first = tmp_path / "checkpoints" / "step-00000005"
    killed_at(7, config, shards, "abc", vocab, tmp_path, after=first)
    fit(config, shards, "abc", vocab, tmp_path)
    assert caplog.text == ""
    shutil.rmtree(tmp_path / "checkpoints")
    killed_at(7, config, shards, "abc", vocab, tmp_path, after=first)
    fit(replace(config, run=replace(config.run, threads=2)), shards, "abc", vocab, tmp_path)
    assert caplog.text.count("going on from a checkpoint with threads 1 -> 2") == 1
    assert len(losses(tmp_path)) == config.steps


def test_a_run_that_may_not_save_leaves_the_weights_alone(config, shards, vocab, tmp_path):
    def refused():
        raise LeaseError("another run has taken over")

    (tmp_path / "model.safetensors").write_bytes(b"the other run's")
    with pytest.raises(LeaseError):
        fit(replace(config, steps=1), shards, "abc", vocab, tmp_path, before_saving=refused)
    assert (tmp_path / "model.safetensors").read_bytes() == b"the other run's"
    assert not (tmp_path / "config.json").exists()
