"""A bad step is judged alike on every rank, and told with the rows of all of them."""

import json

import pytest
from rank_processes import run_ranks
from small_fits import losses, varied

from training.fit import fit
from training.module import LanguageModule


@pytest.mark.parametrize(
    "run", [{"strategy": "ddp"}, {"strategy": "fsdp", "activation_checkpointing": True, "micro_rows": 1}]
)
def test_two_ranks_skip_what_one_skips(run, config, shards, vocab, tmp_path, monkeypatch):
    """Measured in the same step, too: both gather weights, and let go of them."""
    whole = LanguageModule.training_step

    def poisoned(self, batch, batch_idx):
        loss = whole(self, batch, batch_idx)
        if self.global_step + 1 != 3:
            return loss
        self._nats["tokens"] = self._nats["tokens"] * float("inf")
        return loss * float("inf")

    monkeypatch.setattr(LanguageModule, "training_step", poisoned)
    config = varied(config, on_spike="skip", optimizer="adamw", precision="32-true", evaluate_every=3)
    run_ranks(2, lambda: fit(varied(config, **run), shards, "abc", vocab, tmp_path / "two"))
    fit(config, shards, "abc", vocab, tmp_path / "one")
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    (two,), (one,) = (
        [json.loads(line) for line in (tmp_path / name / "spikes.jsonl").read_text().splitlines()]
        for name in ("two", "one")
    )
    assert (two["step"], two["skipped"]) == (one["step"], one["skipped"]) == (3, True)
    assert [row["row"] for row in two["rows"]] == [row["row"] for row in one["rows"]]
    assert len(two["rows"]) == config.batch_rows
    assert two["rows"][0]["nats_per_target"] == pytest.approx(one["rows"][0]["nats_per_target"], rel=1e-4)
