"""Small trainings, to be killed, gone on with and compared."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from corpus.storage import Folder
from tokenizer import vocab as vocabularies
from tokenizer.shard import TokenShard, write_shard
from tokenizer.vocab import Vocab
from training.checkpoint_files import RECORD, Says, name_of, read_record
from training.config import TrainingConfig
from training.record import read_metrics
from training.run_config import RunConfig
from training.spec import ModelSpec

RUN = {"strategy", "shards", "micro_rows", "compile", "activation_checkpointing", "workers", "threads",
       "checkpoint_every", "keep_checkpoints", "evaluate_every", "loggers", "accelerator"}  # fmt: skip


class Stopped(Exception):
    """By hand."""


def varied(config: TrainingConfig, **changes: Any) -> TrainingConfig:
    """The configuration with other values, those of its `run` too."""
    run = {name: changes.pop(name) for name in [*changes] if name in RUN}
    return replace(config, run=replace(config.run, **run), **changes)


def losses(out: Path) -> list[float]:
    return [row["loss"] for row in read_metrics(out / "metrics.csv")]


def checkpoint(out: Path, step: int) -> Path:
    return out / "checkpoints" / name_of(step)


def record(out: Path, step: int) -> Says:
    """What a whole checkpoint says: its files' sha256, what callbacks remember, the rest."""
    says = read_record(checkpoint(out, step) / RECORD)
    assert says is not None
    return says


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


TEXTS = [" ".join(f"{n % 7} and {k} make {n % 7 + k}." for k in range(1 + n % 5)) for n in range(60)]


def bert_parts(folder: Path, **asked: Any) -> tuple[TrainingConfig, list[TokenShard], str, Vocab]:
    """What `fit` takes, for an encoder: its rows have varying numbers of targets."""
    vocab = Vocab.of(vocabularies.train("wordpiece", TEXTS, 300))
    origins = pa.RecordBatch.from_pydict({"id": [str(n) for n in range(len(TEXTS))]})
    batch = vocab.encoded(origins, TEXTS, marks=True)
    write_shard(Folder(str(folder)), 0, [batch], vocab_size=vocab.size, eod_id=vocab.eod_id)
    spec = ModelSpec(family="bert", vocab=vocab.size, layers=1, width=32, heads=2, ffn=64, context=32)
    fields: dict[str, Any] = {"objective": "next_sentence", "optimizer": "adamw", "learning_rate": 1e-3, "eps": 1e-6}
    fields |= {"steps": 4, "seed": 3, "batch_rows": 8, "precision": "32-true", **asked}
    config = TrainingConfig(model=spec, run=RunConfig(threads=1), **fields)
    return config, [TokenShard.open(folder, 0, vocab.size)], "abc", vocab
