"""What a run tells while it trains: metrics.csv with each step once, TensorBoard, and a progress function.

    step,loss,learning_rate,tokens,tokens_per_second       loss in nats per target, before the step's update

Lightning's own CSV logger is not used: started again in the same folder, it deletes what was logged before.
"""

import csv
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from corpus.errors import GateError
from training.config import TrainingConfig

COLUMNS = ("step", "loss", "learning_rate", "tokens", "tokens_per_second")

Progress = Callable[[int, float, float], None]
"""Called after each step with its number, its loss and tokens per second since this process began to train."""


class Record(lightning.Callback):
    """Writes a row as soon as its step is done. Rows after the step that a run resumes from are removed first: those
    steps are done again. A loss that is no finite number stops the run with a GateError, its row not written."""

    def __init__(self, path: Path, config: TrainingConfig, on_progress: Progress | None) -> None:
        self.path, self.config, self.on_progress = path, config, on_progress
        self.tokens_per_step = config.batch_rows * config.model.context

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if trainer.is_global_zero:
            keep_rows(self.path, trainer.global_step)
        self.started, self.first_step = time.perf_counter(), trainer.global_step

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step, loss = trainer.global_step, float(_loss(outputs))
        if not math.isfinite(loss):
            raise GateError(
                f"training diverged: the loss is {loss} at step {step:,}, with training.learning_rate "
                f"{self.config.learning_rate:g}; take a lower rate, or a longer training.warmup_share"
            )
        if not trainer.is_global_zero:
            return
        seconds = time.perf_counter() - self.started
        tokens_per_second = (step - self.first_step) * self.tokens_per_step / seconds
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        row = (step, repr(loss), repr(rate), step * self.tokens_per_step, f"{tokens_per_second:.1f}")
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(row)
        for logger in trainer.loggers:
            logger.log_metrics({"loss": loss, "learning_rate": rate, "tokens_per_second": tokens_per_second}, step=step)
        if self.on_progress:
            self.on_progress(step, loss, tokens_per_second)

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        # what TensorBoard's writer still holds would be lost in a kill, and its steps are not done again
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.flush()


def _loss(outputs: Any) -> Tensor:
    loss: Tensor = outputs["loss"]
    return loss


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The rows of metrics.csv, in the order of steps; a last row that a kill cut short is left out."""
    if not path.exists():
        return []
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
    return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(whole.splitlines())]


def keep_rows(path: Path, last_step: int) -> None:
    """Rewrites the file with its rows up to a step, or makes it with its head alone; it is never half written."""
    lines = path.read_text(encoding="utf-8").rpartition("\n")[0].splitlines() if path.exists() else []
    kept = [line for line in lines[1:] if int(line.split(",", 1)[0]) <= last_step]
    beside = path.with_suffix(".tmp")
    beside.write_text("\n".join([",".join(COLUMNS), *kept]) + "\n", encoding="utf-8")
    beside.replace(path)
