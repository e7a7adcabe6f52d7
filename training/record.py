"""What a run tells while it trains: metrics.csv with each step once, loggers, and a progress function.

    step,loss,learning_rate,grad_norm,tokens,tokens_per_second

The loss is in nats per target over all ranks, before the step's update; the gradient's norm is that before clipping;
tokens per second are those of the last steps. Lightning's own CSV logger is not used: started again in the same folder,
it deletes what was logged before.
"""

import csv
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import lightning
import torch
from torch import Tensor

from training.config import TrainingConfig
from training.module import LanguageModule
from training.throughput import Throughput

COLUMNS = ("step", "loss", "learning_rate", "grad_norm", "tokens", "tokens_per_second")
SPEED_STEPS = 50
"""Tokens per second are those of so many steps: enough to be steady, few enough to show a run that slows down."""

Progress = Callable[[int, float, float], None]
"""Called after each step with its number, its loss and tokens per second."""
Judge = Callable[[int, float, float], None]
"""Called with a step's number, loss and gradient norm, on every rank; it may end the run."""


class Step(NamedTuple):
    """A step whose figures are on their way from the device."""

    number: int
    rate: float
    at: float
    names: tuple[str, ...]
    figures: Tensor
    arrived: Any


class Record(lightning.Callback):
    """Writes a row as soon as a step's figures are there: at once on a CPU, on a GPU a step late, for it is never
    waited for, save before a checkpoint. Rows after the step that a run goes on from are removed first: those steps are
    done again."""

    def __init__(
        self,
        path: Path,
        config: TrainingConfig,
        *,
        judge: Judge | None = None,
        on_progress: Progress | None = None,
        throughput: Throughput | None = None,
    ) -> None:
        self.path, self.config = path, config
        self.judge, self.on_progress, self.throughput = judge, on_progress, throughput
        self.times: deque[tuple[int, float]] = deque(maxlen=SPEED_STEPS + 1)
        self.late: Step | None = None

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if trainer.is_global_zero:
            keep_rows(self.path, COLUMNS, trainer.global_step)
        self.times.append((trainer.global_step, time.perf_counter()))

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        late, self.late = self.late, _sent(trainer, cast(LanguageModule, module))
        if late:
            self._write(trainer, late)
        if self.late.arrived is None or self.config.saves(trainer.global_step):
            self.flush(trainer)

    def on_train_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.flush(trainer)

    def flush(self, trainer: lightning.Trainer) -> None:
        """Waits for the last step's figures."""
        late, self.late = self.late, None
        if late:
            self._write(trainer, late)

    def _write(self, trainer: lightning.Trainer, step: Step) -> None:
        if step.arrived is not None:
            step.arrived.synchronize()
        found = dict(zip(step.names, step.figures.tolist(), strict=True))
        if self.judge:
            self.judge(step.number, found["loss"], found["grad_norm"])
        self.times.append((step.number, step.at))
        if not trainer.is_global_zero:
            return
        (first, since), (last, until) = self.times[0], self.times[-1]
        tokens = self.config.tokens_after(step.number)
        speed = (tokens - self.config.tokens_after(first)) / (until - since) if last > first else 0.0
        row = (step.number, *map(repr, (found["loss"], step.rate, found["grad_norm"])), tokens, f"{speed:.1f}")
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(row)
        told = {**found, "learning_rate": step.rate, "tokens": tokens, "tokens_per_second": speed}
        if self.throughput:
            told["mfu"] = self.throughput.mfu(step.number, speed, found["targets"])
        show(trainer, told, step.number)
        if self.on_progress:
            self.on_progress(step.number, found["loss"], speed)


def _sent(trainer: lightning.Trainer, module: LanguageModule) -> Step:
    """The figures of the step that was just done, sent to the CPU without waiting for them."""
    figures = module.figures
    assert figures is not None
    terms = figures.terms if len(figures.terms) > 1 else {}
    names = ("loss", "grad_norm", "targets", *(f"loss/{name}" for name in terms))
    values = [figures.loss, figures.grad_norm, figures.targets, *terms.values()]
    sent = torch.stack([value.float() for value in values]).to("cpu", non_blocking=True)
    arrived = None
    if figures.loss.is_cuda:
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record()
    rate = trainer.optimizers[0].param_groups[0]["lr"]
    return Step(trainer.global_step, rate, time.perf_counter(), names, sent, arrived)


def show(trainer: lightning.Trainer, told: Mapping[str, float], step: int) -> None:
    """Tells every logger."""
    for logger in trainer.loggers:
        try:
            logger.log_metrics(dict(told), step=step)
        except ValueError as error:  # Lightning says so of a full disk too
            raise error.__cause__ or error from None


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The rows of metrics.csv, in the order of steps; a last row that a kill cut short is left out."""
    if not path.exists():
        return []
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
    return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(whole.splitlines())]


def keep_rows(path: Path, columns: Sequence[str], last_step: int) -> None:
    """Rewrites the file with its rows up to a step, or makes it with its head alone; it is never half written."""
    lines = path.read_text(encoding="utf-8").rpartition("\n")[0].splitlines() if path.exists() else []
    kept = [line for line in lines[1:] if int(line.split(",", 1)[0]) <= last_step]
    beside = path.with_suffix(".tmp")
    beside.write_text("\n".join([",".join(columns), *kept]) + "\n", encoding="utf-8")
    beside.replace(path)
