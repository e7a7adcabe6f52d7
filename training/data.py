"""Batches of rows, in an order that is computed from one number: how many samples the weights have seen.

Sample s of a run is a row that depends on (seed, s) alone, and its noise on (seed, epoch, row). So the state of the
data is one counter, and a resumed run reads exactly the samples it would have read. Rows are copied from memory maps,
which costs less than handing them to worker processes: there are none. Legend: B batch, T tokens, N rows, S = T + 1.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor

from corpus.errors import ConfigError
from tokenizer.order import Order
from training.objective import Example, Objective, Rows, noise

Batch = dict[str, Tensor]


def collated(examples: Sequence[Example]) -> Batch:
    """Examples as tensors, a row each, names without their shapes: tokens, targets, ..."""
    return {
        name.rsplit("_", 1)[0]: torch.from_numpy(np.stack([example[name] for example in examples]))
        for name in examples[0]
    }


class Batches:
    """Batches `first_step` .. `steps` - 1 of one rank, each from samples start + step x (rows of all ranks).

    Its length is that of the whole run, which is how Lightning counts its own progress over a restart.
    """

    def __init__(self, data: "RowData", rank: int, world: int) -> None:
        self.data, self.rank, self.world = data, rank, world

    def __len__(self) -> int:
        return self.data.steps

    def __iter__(self) -> Iterator[Batch]:
        local, sample = self.data.batch_rows // self.world, self.data.first_sample
        for _ in range(self.data.first_step, self.data.steps):
            start = sample + self.rank * local
            yield self.data.batch(start, start + local)
            sample += self.data.batch_rows


class RowData(lightning.LightningDataModule):
    """The rows of a token artifact under an objective; `fingerprint` names the artifact's content, and a checkpoint
    made on another one is refused with a ConfigError, as is a batch that does not split evenly over ranks."""

    def __init__(
        self, rows: Rows, objective: Objective, *, seed: int, batch_rows: int, steps: int, fingerprint: str
    ) -> None:
        super().__init__()
        self.rows, self.objective, self.seed = rows, objective, seed
        self.batch_rows, self.steps, self.fingerprint = batch_rows, steps, fingerprint
        self.order = Order(n_rows=len(rows), seed=seed)
        self.first_step = self.first_sample = 0

    def train_dataloader(self) -> Batches:
        assert self.trainer is not None
        world = self.trainer.world_size
        if self.batch_rows % world:
            raise ConfigError(f"batch_rows {self.batch_rows} does not split over {world} ranks; take a multiple")
        return Batches(self, self.trainer.global_rank, world)

    def batch(self, start: int, stop: int) -> Batch:
        """Samples start .. stop - 1 of the run."""
        rows_N = self.order.samples(start, stop)
        examples = [
            self._example(int(row), sample // len(self.rows))
            for row, sample in zip(rows_N, range(start, stop), strict=True)
        ]
        return collated(examples)

    def _example(self, row: int, epoch: int) -> Example:
        copies = self.objective.static_copies
        return self.objective.draw(self.rows.row(row), noise(self.seed, epoch % copies if copies else epoch, row))

    def state_dict(self) -> dict[str, Any]:
        """The counter of samples that the weights have seen, and what they were samples of."""
        assert self.trainer is not None
        steps = self.trainer.global_step - self.first_step
        return {"samples": self.first_sample + steps * self.batch_rows, "fingerprint": self.fingerprint}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict["fingerprint"] != self.fingerprint:
            raise ConfigError(
                f"the checkpoint was trained on tokens {state_dict['fingerprint']}, these are {self.fingerprint}; "
                "train into another folder, or give back the tokens it began with"
            )
        assert self.trainer is not None
        self.first_sample, self.first_step = state_dict["samples"], self.trainer.global_step
