"""What a run is worth on documents that it never read, measured while it trains.

held_out.csv: step,measure,value      200,bits_per_byte,1.9231      200,bits_per_byte/en,1.8444
"""

import csv
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import lightning

from tokenizer.vocab import Vocab
from training.config import TrainingConfig
from training.data import RowData
from training.evaluation.perplexity import HeldOut, bits
from training.evaluation.share import ALONE, Share
from training.evaluation.targets import by_term, held_out_shards, once
from training.models import Model
from training.module import LanguageModule
from training.parallel import beside_training
from training.record import keep_rows, show

COLUMNS = ("step", "measure", "value")


class Scorer:
    """Figures of a model on held-out documents: bits per byte, whole and by domain, where all of a text is predicted
    and can be told from its tokens; else nats per target of each term of the loss. Examples are made when entered."""

    def __init__(self, config: TrainingConfig, data: RowData, vocab: Vocab, documents: Sequence[HeldOut]) -> None:
        self.config, self.task, self.vocab, self.documents = config, once(data.objective), vocab, documents
        self.in_bytes = config.objective == "causal" and vocab.lossless
        self.rows: Any = None
        self._open = ExitStack()

    def __enter__(self) -> "Scorer":
        if not self.in_bytes:
            texts = [document.text for document in self.documents]
            shards = self._open.enter_context(held_out_shards(texts, self.vocab, marks=self.task.marks))
            self.rows = self.task.rows(shards, self.config.model.context, self.config.seed)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def figures(self, model: Model, share: Share = ALONE) -> dict[str, float]:
        """By name: `bits_per_byte`, `bits_per_byte/en`, or `nats_per_target/tokens`."""
        if self.in_bytes:
            found = bits(model, self.vocab, self.documents, share=share).measures()
            by_domain = {f"bits_per_byte/{name}": value for name, value in found["by_domain"].items()}
            return {"bits_per_byte": found["bits_per_byte"], **by_domain}
        terms = by_term(model, self.task, self.rows, self.config.seed, share)
        return {f"nats_per_target/{name}": term["nats_per_target"] for name, term in terms.items()}


Figures = Callable[[Model, Share], dict[str, float]]
"""What a model is worth, by name; ranks may share the work."""


class HeldOutScores(lightning.Callback):
    """Measures every `evaluate_every` steps, on all ranks together."""

    def __init__(self, path: Path, every: int, figures: Figures) -> None:
        self.path, self.every, self.figures = path, every, figures

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if trainer.is_global_zero:
            keep_rows(self.path, COLUMNS, trainer.global_step)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        if (batch_idx + 1) % trainer.accumulate_grad_batches or step % self.every:
            return
        share = Share(trainer.global_rank, trainer.world_size, str(trainer.strategy.root_device))
        model = cast(LanguageModule, module).model
        with beside_training(model):
            found = self.figures(model, share)
        if not trainer.is_global_zero:
            return
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows((step, name, repr(value)) for name, value in found.items())
        show(trainer, {f"held_out/{name}": value for name, value in found.items()}, step)
