"""Our trainer, `training.fit`, with everything that it does on the way: steps recorded and shown to TensorBoard, spikes
and hangs watched, sources counted, examples drawn as it goes; a checkpoint behind the last step.

A third word after FOLDER OUT.json names the optimizer: adamw unless said, then with the job's rate; muon has its own.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from job import Job
from our_side import config_of, shards_of, vocab_of
from watch import Watch, contest

from training.config import TrainingConfig
from training.data import RowData
from training.fit import fit

OPTIMIZER = sys.argv[3] if len(sys.argv) > 3 else "adamw"


class Waited:
    """A loader, with a clock around the waiting for it."""

    def __init__(self, loader: Any, watch: Watch) -> None:
        self.loader, self.watch = loader, watch

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        return self.watch.each(self.loader)


def watched(watch: Watch) -> None:
    """From now on loaders are watched, and models from where they are first asked to read one."""
    loader_of = RowData.train_dataloader

    def train_dataloader(self: RowData) -> Any:
        model = self.trainer.lightning_module.model
        watch.begin(model, model)
        return Waited(loader_of(self), watch)

    RowData.train_dataloader = train_dataloader


def train(job: Job, watch: Watch) -> None:
    """Trains; the seed gives the weights that all begin with."""
    watched(watch)
    config = config_of(job, **settings(OPTIMIZER))
    with TemporaryDirectory(dir=job.folder) as out:  # a run would go on from what it finds
        fit(config, shards_of(job, "tokens"), "made up", vocab_of(job), Path(out))


def settings(optimizer: str) -> dict[str, Any]:
    """Muon goes at its own rate, the configuration's default."""
    if optimizer == "adamw":
        return {}
    return {"optimizer": optimizer, "learning_rate": TrainingConfig.__dataclass_fields__["learning_rate"].default}


if __name__ == "__main__":
    contest(
        train, f"`training.fit`, {OPTIMIZER}, blocks compiled one by one, each step recorded, examples drawn as it goes"
    )
