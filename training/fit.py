"""Builds a run, runs it, records it.

    out/model.safetensors   the weights          out/metrics.csv     each step once
    out/config.json         spec, vocabulary     out/held_out.csv    measured on the way
    out/checkpoints/        to go on from        out/logs/           TensorBoard

Started again in the same folder with the same settings, a run goes on from its last whole checkpoint, and its losses
are those of a run that was never stopped, to the last bit (same processor, same numbers of ranks and threads). torchrun
and Slurm start it once for each rank.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lightning
import torch
import torch.distributed as dist
from lightning.pytorch.loggers import Logger
from safetensors import SafetensorError
from safetensors.torch import save_model
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

from corpus.errors import MillstreamError
from corpus.storage import FULL, explained
from tokenizer.shard import TokenShard
from tokenizer.vocab import Vocab
from training import loggers, models, weights
from training.checkpoint import Checkpoints
from training.config import TrainingConfig
from training.data import RowData
from training.evaluation.leak import check_apart
from training.evaluation.perplexity import HeldOut, bits
from training.evaluation.targets import held_out_shards, once, per_target
from training.hang import Watchdog
from training.held_out import Figures, HeldOutScores, Scorer
from training.launched import cores, launched
from training.models import Model
from training.module import LanguageModule
from training.placement import Placement
from training.quiet import quiet
from training.record import Progress, Record, read_metrics
from training.source_counts import SourceCounts
from training.throughput import throughput
from training.watch import Beats, Watch

Measures = dict[str, Any]


class Trained(NamedTuple):
    """The module, the seconds that this process trained for, and what was read of each source."""

    module: LanguageModule
    seconds: float
    sources: dict[str, dict[str, float]]


def fit(
    config: TrainingConfig,
    shards: Sequence[TokenShard],
    fingerprint: str,
    vocab: Vocab,
    out: Path,
    *,
    held_out: Sequence[HeldOut] = (),
    figures: Figures | None = None,
    on_progress: Progress | None = None,
    before_saving: Callable[[], None] | None = None,
) -> Measures:
    """Trains on the shards and returns the measures, {} on all but the first rank; ConfigError before any work if parts
    do not fit together, GateError once the loss is no number, MillstreamError for a full disk. Held-out documents are
    scored on the way and at the end; `figures`, in their place, are asked for on the way alone. What `before_saving`
    raises keeps the weights of an earlier run in place."""
    with quiet(), explained(str(out), FULL):
        loggers.check(config.run.loggers)
        place = Placement.of(config)
        data = RowData.over(config, shards, vocab, fingerprint)
        torch.set_num_threads(config.run.threads or cores(launched()))
        if place.rank == 0:
            check_apart(shards, vocab.encode_batch([text for text, _ in held_out]))
        trained = _run(config, place, data, vocab, out, held_out, figures, on_progress)
        model = _whole(trained.module)
        if dist.is_initialized():
            dist.destroy_process_group()  # NCCL's complains otherwise
    if model is None or place.rank:
        return {}
    if before_saving:
        before_saving()
    _save(model, config, vocab, out)
    measures = _measures(config, place, out, trained)
    if held_out:
        measures |= _worth(config, place, data, vocab, held_out, out)
    return measures


def _run(
    config: TrainingConfig,
    place: Placement,
    data: RowData,
    vocab: Vocab,
    out: Path,
    held_out: Sequence[HeldOut],
    figures: Figures | None,
    on_progress: Progress | None,
) -> Trained:
    torch.manual_seed(config.seed)
    module = LanguageModule(config)
    out.mkdir(parents=True, exist_ok=True)
    # a step is recorded, counted and measured before its checkpoint is written
    watch = Watch(out / "spikes.jsonl", config)
    speed = throughput(config, data.objective, place.world, place.device)
    record = Record(out / "metrics.csv", config, judge=watch.late, on_progress=on_progress, throughput=speed)
    counts, checkpoints = SourceCounts(data), Checkpoints(out / "checkpoints", config)
    callbacks: list[lightning.Callback] = [watch, record, counts]
    start = checkpoints.newest if place.rank == 0 else None
    names, done = config.run.loggers if place.rank == 0 else (), start[1]["step"] if start else 0
    every = config.run.evaluate_every
    with (
        loggers.opened(names, out, config, data.fingerprint, done) as shown,
        Scorer(config, data, vocab, held_out if every else ()) as scorer,
        Watchdog(config.run.timeout, out / "hangs", place.rank, place.world) as watchdog,
    ):
        if every and (held_out or figures):
            callbacks.append(HeldOutScores(out / "held_out.csv", every, figures or scorer.figures))
        callbacks += [checkpoints, Beats(watchdog)]
        began = time.perf_counter()
        _trainer(config, place, out, callbacks, shown).fit(module, data)
        seconds = time.perf_counter() - began
    return Trained(module.eval(), seconds, counts.measures())


def _trainer(
    config: TrainingConfig, place: Placement, out: Path, callbacks: list[lightning.Callback], shown: list[Logger]
) -> lightning.Trainer:
    trainer = lightning.Trainer(
        **place.trainer(config),
        max_steps=config.steps,
        max_epochs=-1,
        logger=shown,
        callbacks=callbacks,
        default_root_dir=out,
        limit_val_batches=0,
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    # SIGTERM ends a run at once, which costs nothing. Lightning would go on to the end of a piece, its signal handler
    # sending messages between the training's, and end with code 0; and before each piece all ranks would ask whether
    # one was told to end, and wait for their devices until they know
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
    return trainer


def _whole(module: LanguageModule) -> Model | None:
    """The model with all of its weights on the first rank, on the CPU; all ranks must ask."""
    if not dist.is_initialized():
        return module.model.cpu()
    state = get_model_state_dict(module.model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if not state:
        return None
    model = models.build(module.config.model).to(module.model.output.weight.dtype)  # ties what is tied
    model.load_state_dict(state)
    return model


def _save(model: Model, config: TrainingConfig, vocab: Vocab, out: Path) -> None:
    """Each file whole or not at all. A tied matrix is stored once."""
    beside = out / "model.tmp"
    try:
        save_model(model, str(beside))
    except SafetensorError as error:
        raise MillstreamError(
            f"the weights cannot be written to {out}: {error}; make room, and start again: the run goes on from its "
            f"last checkpoint"
        ) from error
    beside.chmod(0o644)  # safetensors makes files that only their owner may read
    beside.replace(out / "model.safetensors")
    said = {"model": config.model.identity(), "vocab_digest": vocab.digest, "training": config.identity()}
    beside.write_text(json.dumps(said, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    beside.replace(out / "config.json")


def _measures(config: TrainingConfig, place: Placement, out: Path, trained: Trained) -> Measures:
    """What the run cost. Seconds and speed are this process's, after a restart the rest only."""
    steps = read_metrics(out / "metrics.csv")
    return {
        "n_params": config.model.n_params(),
        **({"flops_per_token": config.model.flops_per_token()} if config.model.kind == "decoder" else {}),
        "steps": config.steps,
        "tokens": config.tokens_after(config.steps),
        "loss": steps[-1]["loss"],
        "sources": trained.sources,
        "training_seconds": trained.seconds,
        "tokens_per_second": steps[-1]["tokens_per_second"],
        "precision": place.precision,
        "ranks": place.world,
        "threads": torch.get_num_threads(),
    }


def _worth(
    config: TrainingConfig,
    place: Placement,
    data: RowData,
    vocab: Vocab,
    held_out: Sequence[HeldOut],
    out: Path,
) -> Measures:
    """Of the weights that were saved, on held-out documents: bits per byte where all of a text is predicted and can be
    told from its tokens, else nats per target of the objective; where there is no target, why."""
    model = weights.trained(out).model.to(place.device)
    if config.objective == "causal" and vocab.lossless:
        torch.manual_seed(config.seed)
        untrained = models.build(config.model).to(place.device)
        return {
            "held_out": bits(model, vocab, held_out).measures(),
            "held_out_untrained": bits(untrained, vocab, held_out).measures(),
        }
    row_len, seed, task = config.model.context, config.seed, once(data.objective)
    with held_out_shards([text for text, _ in held_out], vocab, marks=task.marks) as parts:
        scored = task.rows(parts, row_len, seed)
        found = per_target(model, task, data.rows[-1], scored, vocab.size, seed)
    if found:
        return {"held_out_targets": found}
    return {"held_out_unmeasured": f"{len(held_out)} held-out documents make no example of {row_len} tokens"}
