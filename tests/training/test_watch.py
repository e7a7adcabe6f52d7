"""Bad steps: told with their rows and documents, left out, or the end."""

import json
from dataclasses import replace

import numpy as np
import pytest

from corpus.errors import GateError
from training import spikes
from training.fit import fit
from training.module import LanguageModule
from training.record import read_metrics


@pytest.fixture
def poisoned(monkeypatch):
    """From a step on, or at some steps, the loss is what it should not be."""

    def poison(value, *steps):
        whole = LanguageModule.training_step

        def step(self, batch, batch_idx):
            loss = whole(self, batch, batch_idx)
            if self.global_step + 1 not in steps:
                return loss
            self._nats["tokens"] = self._nats["tokens"] * value
            return loss * value

        monkeypatch.setattr(LanguageModule, "training_step", step)

    return poison


def events(out):
    return [json.loads(line) for line in (out / "spikes.jsonl").read_text().splitlines()]


def test_a_loss_that_is_no_number_ends_the_run_with_its_rows(poisoned, config, shards, vocab, tmp_path):
    poisoned(float("nan"), 3)
    with pytest.raises(GateError, match=r"step 3 is no number .*its worst row is \d+ with .* nats per target, of \d+"):
        fit(config, shards, "abc", vocab, tmp_path)
    (event,) = events(tmp_path)
    assert (event["step"], event["verdict"], event["loss"], event["skipped"]) == (3, "nonfinite", "nan", False)
    assert len(event["rows"]) == config.batch_rows
    nats = [row["nats_per_target"] for row in event["rows"]]
    assert nats == sorted(nats, reverse=True)
    documents = event["rows"][0]["documents"]
    assert sum(document["tokens"] for document in documents) >= 16
    assert all(document["id"].isdigit() for document in documents)
    assert len(read_metrics(tmp_path / "metrics.csv")) == 2


def test_a_skipped_step_moves_nothing(poisoned, config, shards, vocab, tmp_path):
    """The run with a skipped step has, before and after it, the losses of its weights standing still."""
    skipping = replace(config, on_spike="skip")
    fit(skipping, shards, "abc", vocab, tmp_path / "clean")
    poisoned(float("inf"), 3)
    fit(skipping, shards, "abc", vocab, tmp_path / "skips")
    clean, skips = (read_metrics(tmp_path / name / "metrics.csv") for name in ("clean", "skips"))
    assert [row["loss"] for row in skips[:2]] == [row["loss"] for row in clean[:2]]
    assert skips[2]["loss"] == np.inf
    assert np.isfinite([row["loss"] for row in skips[3:]]).all()
    assert skips[3]["loss"] != clean[3]["loss"]
    assert [event["skipped"] for event in events(tmp_path / "skips")] == [True]


def test_a_leap_is_told_and_not_remembered(poisoned, config, shards, vocab, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(spikes, "FEWEST", 4)
    poisoned(1e4, 8, 9)
    fit(config, shards, "abc", vocab, tmp_path)
    assert [(event["step"], event["verdict"]) for event in events(tmp_path)] == [(8, "spike"), (9, "spike")]
    assert "step 8 leapt" in caplog.text
    with pytest.raises(GateError, match="step 8 leapt"):
        fit(replace(config, on_spike="stop"), shards, "abc", vocab, tmp_path / "stops")


def test_a_resumed_run_judges_alike(poisoned, config, shards, vocab, tmp_path, monkeypatch):
    monkeypatch.setattr(spikes, "FEWEST", 4)
    poisoned(1e4, 8)
    skipping = replace(config, on_spike="skip")

    class Stopped(Exception):
        pass

    def stop(step, *_):
        if step == 7:
            raise Stopped

    fit(skipping, shards, "abc", vocab, tmp_path / "whole")
    with pytest.raises(Stopped):
        fit(skipping, shards, "abc", vocab, tmp_path / "parts", on_progress=stop)
    fit(skipping, shards, "abc", vocab, tmp_path / "parts")
    whole, parts = (read_metrics(tmp_path / name / "metrics.csv") for name in ("whole", "parts"))
    assert [row["loss"] for row in whole] == [row["loss"] for row in parts]
    assert events(tmp_path / "whole") == events(tmp_path / "parts")
