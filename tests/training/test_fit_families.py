"""Every kind of model under its objective: stopped and gone on to the last bit, read back, and measured."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from corpus.errors import ConfigError
from corpus.storage import Folder
from tokenizer import vocab as vocabularies
from tokenizer.shard import TokenShard, write_shard
from tokenizer.vocab import Vocab
from training import weights
from training.config import TrainingConfig
from training.evaluation.perplexity import HeldOut
from training.fit import fit
from training.record import read_metrics
from training.run_config import RunConfig
from training.spec import ModelSpec

SMALL: dict[str, Any] = {"layers": 1, "width": 32, "heads": 2, "ffn": 64, "context": 32}
TEXTS = [
    " ".join(f"{n % 7} and {k} make {n % 7 + k}." for k in range(1 + n % 5)) + f" {n // 20}." * (n >= 60)
    for n in range(80)
]
CASES = [
    ("bert", "next_sentence", "wordpiece", None, False),
    ("roberta", "roberta", "bpe-bytes", "roberta", True),
    ("t5", "span_corruption", "unigram", None, False),
    ("bart", "bart", "bpe-bytes", "roberta", True),
    ("t5-lm", "prefix_lm", "unigram", None, True),
]


class Stopped(Exception):
    """By hand."""


def stop(step: int, *_: float) -> None:
    if step == 3:
        raise Stopped


@pytest.mark.parametrize(("family", "objective", "model", "specials", "document_mask"), CASES)
def test_a_stopped_run_is_the_run_that_was_not(
    family: str, objective: str, model: str, specials: str | None, document_mask: bool, tmp_path: Path
) -> None:
    vocab = Vocab.of(vocabularies.train(model, TEXTS, 420, specials))
    rows = pa.RecordBatch.from_pydict({"id": [str(n) for n in range(60)]})
    made = vocab.encoded(rows, TEXTS[:60], marks=True)
    write_shard(Folder(str(tmp_path)), 0, [made], vocab_size=vocab.size, eod_id=vocab.eod_id)
    config = TrainingConfig(
        model=ModelSpec(family=family, vocab=vocab.size, **SMALL), objective=objective, document_mask=document_mask,
        steps=5, seed=3, batch_rows=4, run=RunConfig(checkpoint_every=2, threads=1),
    )  # fmt: skip
    parts = config, [TokenShard.open(tmp_path, 0, vocab.size)], "abc", vocab
    held_out = [HeldOut(text) for text in TEXTS[60:]]
    measures = fit(*parts, tmp_path / "whole", held_out=held_out)
    tokens = measures["held_out_targets"]["tokens"]
    assert tokens["targets"] > 10
    assert 0 < tokens["unigram_nats_per_target"] < torch.log(torch.tensor(float(vocab.size)))
    with pytest.raises(Stopped):
        fit(*parts, tmp_path / "stopped", on_progress=stop)
    again = fit(*parts, tmp_path / "stopped", held_out=held_out[:1])
    assert "held_out_targets" not in again
    assert again["held_out_unmeasured"] == "1 held-out documents make no example of 32 tokens"
    whole, stopped = (tmp_path / name for name in ("whole", "stopped"))
    assert [row["loss"] for row in read_metrics(whole / "metrics.csv")] == [
        row["loss"] for row in read_metrics(stopped / "metrics.csv")
    ]
    assert (whole / "model.safetensors").read_bytes() == (stopped / "model.safetensors").read_bytes()
    assert weights.trained(whole).model.spec == config.model
    other = ModelSpec(family=family, vocab=vocab.size, **{**SMALL, "layers": 2})
    with pytest.raises(ConfigError, match="belongs to a run with other settings"):
        fit(replace(config, model=other), *parts[1:], stopped)
