"""Builds a run, runs it, records it.

    out/model.safetensors   the weights          out/metrics.csv     each step once
    out/config.json         spec, vocabulary     out/logs/           TensorBoard
    out/checkpoints/        to go on from

Started again in the same folder with the same settings, a run goes on from its last whole checkpoint, and its losses
are those of a run that was never stopped, to the last bit (same processor, same number of threads).
"""

import json
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from safetensors.torch import save_model

from corpus.errors import ConfigError
from tokenizer.shard import TokenShard
from tokenizer.vocab import Vocab
from training import models
from training.checkpoint import Checkpoints, latest, step_of
from training.config import TrainingConfig
from training.data import RowData
from training.evaluation.perplexity import HeldOut, bits
from training.evaluation.targets import held_out_shards, once, per_target
from training.module import LanguageModule
from training.objective import Objective, Rows
from training.optim import freeze_unread
from training.record import Progress, Record, read_metrics

Measures = dict[str, Any]

KNOWN = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning 2.6 inside, for torch 2.13
    "The `srun` command is available",  # where Slurm is installed, a run outside of it is no mistake
    "You're resuming from a checkpoint that ended before the epoch ended",  # RowData knows where to go on
)
"""How the third-party warnings begin that nothing here can mend."""


def fit(
    config: TrainingConfig,
    shards: Sequence[TokenShard],
    fingerprint: str,
    vocab: Vocab,
    out: Path,
    *,
    held_out: Sequence[HeldOut] = (),
    on_progress: Progress | None = None,
    before_saving: Callable[[], None] | None = None,
) -> Measures:
    """Trains on the shards and returns the measures; ConfigError before any work if parts do not fit together,
    GateError once the loss is no number. What `before_saving` raises keeps the weights of an earlier run in place."""
    task = _task(config, vocab)
    if other := {shard.vocab_size for shard in shards} - {vocab.size}:
        raise ConfigError(f"shards of {max(other)} tokens, a vocabulary of {vocab.size}: make the shards with it")
    torch.set_num_threads(config.threads or len(os.sched_getaffinity(0)))
    with _quiet():
        data = RowData(
            _rows(config, task, shards), task, seed=config.seed, batch_rows=config.batch_rows, steps=config.steps,
            fingerprint=fingerprint,
        )  # fmt: skip
        module, seconds = _run(config, data, out, on_progress)
    if module.trainer.is_global_zero:
        if before_saving:
            before_saving()
        _save(module, config, vocab, out)
    measures = _measures(config, out, seconds)
    if held_out:
        measures |= _worth(config, module, data, vocab, held_out)
    return measures


def _task(config: TrainingConfig, vocab: Vocab) -> Objective:
    """The objective over this vocabulary."""
    if config.model.vocab != vocab.size:
        raise ConfigError(
            f"the model has {config.model.vocab} tokens, the vocabulary {vocab.size}; make the model with that number"
        )
    return config.task(vocab.specials)


def _rows(config: TrainingConfig, task: Objective, shards: Sequence[TokenShard]) -> Rows:
    """What the run draws its examples from."""
    rows = task.rows(shards, config.model.context, config.seed)
    if len(rows) == 0:
        raise ConfigError(
            f"the tokens do not fill one row of {config.model.context}; take a shorter context or more text"
        )
    return rows


def _run(
    config: TrainingConfig, data: RowData, out: Path, on_progress: Progress | None
) -> tuple[LanguageModule, float]:
    """The trained module, and the seconds that this process trained for."""
    start = latest(out / "checkpoints", config)
    torch.manual_seed(config.seed)
    module = LanguageModule(config)
    freeze_unread(module.model, data.batch(0, 1))
    out.mkdir(parents=True, exist_ok=True)
    callbacks = [Record(out / "metrics.csv", config, on_progress), Checkpoints(out / "checkpoints", config)]
    began = time.perf_counter()
    _trainer(config, out, callbacks, step_of(start) if start else 0).fit(
        module, data, ckpt_path=start, weights_only=True
    )
    module.eval()
    return module, time.perf_counter() - began


def _trainer(config: TrainingConfig, out: Path, callbacks: list[lightning.Callback], done: int) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="auto",
        devices=1,  # for each of several, Lightning would start the command again that holds the artifact's lease
        precision=precision(config),
        max_steps=config.steps,
        max_epochs=-1,
        gradient_clip_val=config.clip_norm,
        deterministic=True,
        logger=TensorBoardLogger(out, name="logs", version="", purge_step=done + 1),  # steps to be done again
        callbacks=callbacks,
        default_root_dir=out,
        limit_val_batches=0,
        log_every_n_steps=1,
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def precision(config: TrainingConfig) -> Any:
    """What "auto" means here: bf16-mixed where bfloat16 is multiplied in hardware (AMX, or a GPU), else 32-true."""
    if config.precision != "auto":
        return config.precision
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if torch.cpu.get_capabilities().get("amx_bf16") else "32-true"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's notes on devices, tips and limits, and without the warnings of KNOWN; others stay."""
    talkers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [talker.level for talker in talkers]
    for talker in talkers:
        talker.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in KNOWN:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        for talker, level in zip(talkers, levels, strict=True):
            talker.setLevel(level)


def _save(module: LanguageModule, config: TrainingConfig, vocab: Vocab, out: Path) -> None:
    """Each file whole or not at all. A tied matrix is stored once."""
    beside = out / "model.tmp"
    save_model(module.model, str(beside))
    beside.chmod(0o644)  # safetensors makes files that only their owner may read
    beside.replace(out / "model.safetensors")
    said = {"model": config.model.identity(), "vocab_digest": vocab.digest, "training": config.identity()}
    beside.write_text(json.dumps(said, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    beside.replace(out / "config.json")


def _measures(config: TrainingConfig, out: Path, seconds: float) -> Measures:
    """What the run cost. Seconds and speed are this process's, after a restart the rest only."""
    steps = read_metrics(out / "metrics.csv")
    return {
        "n_params": config.model.n_params(),
        **({"flops_per_token": config.model.flops_per_token()} if config.model.kind == "decoder" else {}),
        "steps": config.steps,
        "tokens": config.steps * config.batch_rows * config.model.context,
        "loss": steps[-1]["loss"],
        "training_seconds": seconds,
        "tokens_per_second": steps[-1]["tokens_per_second"],
        "precision": precision(config),
        "threads": torch.get_num_threads(),
    }


def _worth(
    config: TrainingConfig,
    module: LanguageModule,
    data: RowData,
    vocab: Vocab,
    held_out: Sequence[HeldOut],
) -> Measures:
    """On held-out documents: bits per byte where all of a text is predicted and can be told from its tokens, else nats
    per target of the objective; where there is no target, why."""
    if config.objective == "causal" and vocab.lossless:
        torch.manual_seed(config.seed)
        untrained = models.build(config.model)
        return {
            "held_out": bits(module.model, vocab, held_out).measures(),
            "held_out_untrained": bits(untrained, vocab, held_out).measures(),
        }
    row_len, seed, task = config.model.context, config.seed, once(data.objective)
    with held_out_shards([text for text, _ in held_out], vocab, marks=task.marks) as parts:
        scored = task.rows(parts, row_len, seed)
        found = per_target(module.model, task, data.rows, scored, vocab.size, seed)
    if found:
        return {"held_out_targets": found}
    return {"held_out_unmeasured": f"{len(held_out)} held-out documents make no example of {row_len} tokens"}
