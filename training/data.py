"""Batches of rows, in an order that is computed from one number: how many steps the weights have seen.

Sample s of a stretch is a row that depends on (seed, s) alone, and its noise on (seed, epoch, row). So the state
of the data is one counter, and a resumed run reads exactly the rows it would have read, on any number of ranks and
workers. Rank r of R reads the r-th of R equal parts of a step, in one or more equal pieces, one after the other.
Legend: B batch, T tokens, N rows, S = T + 1.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from corpus.errors import ConfigError
from tokenizer.order import Order
from tokenizer.shard import TokenShard
from tokenizer.vocab import Vocab
from training.config import TrainingConfig
from training.launched import cores, launched
from training.mixture import Mixture
from training.objective import IGNORED, Example, Ints, Kind, Objective, Rows, noise
from training.sources import Sources
from training.stretches import at

Batch = dict[str, Tensor]

ROUNDED_TO = 128
"""The number of an encoder's targets is made a multiple of this: oneDNN keeps what it has compiled for each of the last
1,024 shapes, which took gigabytes where every batch had its own."""


READ = "read"
"""What the first piece of a step calls the rows and tokens of each source that its rank reads in the step, [S, 2]."""


class Sample(NamedTuple):
    """A row as it is read at a step: `stretch` says which rows it is one of."""

    stretch: int
    row: int
    epoch: int


def collated(examples: Sequence[Example], kind: Kind) -> Batch:
    """Examples as tensors, a row each, names without their shapes: tokens, targets, ... An encoder has few targets, so
    its batch says where they are."""
    batch = {
        name.rsplit("_", 1)[0]: torch.from_numpy(np.stack([example[name] for example in examples]))
        for name in examples[0]
    }
    return batch | {"chosen": chosen(batch["targets"])} if kind == "encoder" else batch


def chosen(targets_BT: Tensor) -> Tensor:
    """Where targets are in the batch as one line; filled up with -1 to a multiple of ROUNDED_TO."""
    chosen_N = (targets_BT.flatten() != IGNORED).nonzero()[:, 0]
    return functional.pad(chosen_N, (0, -len(chosen_N) % ROUNDED_TO), value=-1)


def target_counts(batches: Sequence[Batch]) -> Batch:
    """How many targets each term of a loss has in all of the batches, as `n_` and the term's name."""
    counts = {"n_tokens": sum(int((batch["targets"] != IGNORED).sum()) for batch in batches)}
    if "is_next" in batches[0]:
        counts["n_next_sentence"] = sum(len(batch["is_next"]) for batch in batches)
    return {name: torch.tensor(count) for name, count in counts.items()}


def pieces(config: TrainingConfig, world: int) -> int:
    """In how many pieces each rank goes through its part of a step: as few as `micro_rows` allows and divide every
    stretch's part; ConfigError where the rows of a step do not split evenly over the ranks."""
    parts = []
    for stretch in config.stretches:
        rows, left = divmod(stretch.batch_rows, world)
        if left or not rows:
            raise ConfigError(
                f"batch_rows {stretch.batch_rows} does not split over {world} ranks; take a multiple of {world}, or "
                f"another number of ranks"
            )
        parts.append((rows, stretch.context))
    if config.run.micro_rows is None:
        return 1
    room = config.run.micro_rows * config.model.context
    fits = (
        n
        for n in range(1, parts[0][0] + 1)
        if all(rows % n == 0 and rows // n * context <= room for rows, context in parts)
    )
    if (found := next(fits, None)) is None:
        raise ConfigError(
            f"the rows of a step, {', '.join(str(rows) for rows, _ in parts)} a rank, do not divide into equal pieces "
            f"of {config.run.micro_rows} rows or fewer; take another training.run.micro_rows or batch_rows"
        )
    return found


class RowData(lightning.LightningDataModule):
    """The rows of a token artifact under an objective; `fingerprint` names the artifact's content, and a checkpoint
    made on another one is refused with a ConfigError. `rows` has those of each stretch of the configuration.

    Usable in any `lightning.Trainer` with `max_steps=config.steps` and `use_distributed_sampler=False`, and
    `accumulate_grad_batches=pieces(config, world)`.
    """

    def __init__(
        self, config: TrainingConfig, objective: Objective, rows: Sequence[Rows], sources: Sources, fingerprint: str
    ) -> None:
        super().__init__()
        self.config, self.objective, self.rows, self.fingerprint = config, objective, rows, fingerprint
        self.sources = sources
        self.orders = [Order(n_rows=len(some), seed=config.seed) for some in rows]
        self.first_step = 0

    @classmethod
    def over(cls, config: TrainingConfig, shards: Sequence[TokenShard], vocab: Vocab, fingerprint: str) -> "RowData":
        """The rows of these shards; ConfigError where vocabulary, shards, model and objective do not fit together. A
        mixture's rows come by its weights, and its own fingerprint stands for what is given."""
        if config.model.vocab != vocab.size:
            raise ConfigError(
                f"the model has {config.model.vocab} tokens, the vocabulary {vocab.size}; make the model with that "
                f"number"
            )
        if other := {shard.vocab_size for shard in shards} - {vocab.size}:
            raise ConfigError(f"shards of {max(other)} tokens, a vocabulary of {vocab.size}: make the shards with it")
        task = config.task(vocab.specials)
        if isinstance(shards, Mixture):
            return cls(config, task, shards.rows(task, config), shards.sources(), shards.fingerprint)
        rows = [task.rows(shards, stretch.context, config.seed) for stretch in config.stretches]
        for some, stretch in zip(rows, config.stretches, strict=True):
            if len(some) == 0:
                raise ConfigError(
                    f"the tokens do not fill one row of {stretch.context}; take a shorter context or more text"
                )
        return cls(config, task, rows, Sources.of(shards), fingerprint)

    def samples(self, step: int, part: slice = slice(None)) -> list[Sample]:
        """What a step reads, or a part of it."""
        n = at(self.config.stretches, step)
        stretch, n_rows = self.config.stretches[n], len(self.rows[n])
        first = (step - stretch.first_step) * stretch.batch_rows
        start, stop, _ = part.indices(stretch.batch_rows)
        rows_N = self.orders[n].samples(first + start, first + stop)
        epochs = [sample // n_rows for sample in range(first + start, first + stop)]
        return [Sample(n, int(row), epoch) for row, epoch in zip(rows_N, epochs, strict=True)]

    def pieces(self, step: int, rank: int, world: int) -> Iterator[list[Sample]]:
        """What a rank reads at a step, piece by piece."""
        part = self.config.stretches[at(self.config.stretches, step)].batch_rows // world
        samples = self.samples(step, slice(rank * part, (rank + 1) * part))
        size = part // pieces(self.config, world)
        return (samples[start : start + size] for start in range(0, part, size))

    def batch(self, samples: Sequence[Sample]) -> Batch:
        """Their examples."""
        return collated([self._example(sample) for sample in samples], self.objective.kind)

    def read(self, samples: Iterable[Sample]) -> Ints:
        """Rows and tokens of each source in them, [S, 2]."""
        total_S2 = self.sources.nothing()
        for sample in samples:
            total_S2 += self.sources.counted(self.rows[sample.stretch], [sample.row])
        return total_S2

    def _example(self, sample: Sample) -> Example:
        copies = self.objective.static_copies
        epoch = sample.epoch % copies if copies else sample.epoch
        row = self.rows[sample.stretch].row(sample.row)
        return self.objective.draw(row, noise(self.config.seed, epoch, sample.row))

    def train_dataloader(self) -> "Steps":
        assert self.trainer is not None
        rank, world = self.trainer.global_rank, self.trainer.world_size
        steps = RankSteps(self, rank, world)
        if steps.n_pieces != self.trainer.accumulate_grad_batches:
            raise ConfigError(
                f"a step comes in {steps.n_pieces} pieces, the trainer takes {self.trainer.accumulate_grad_batches}; "
                f"give it accumulate_grad_batches={steps.n_pieces}"
            )
        on_gpu = self.trainer.strategy.root_device.type == "cuda"
        return Steps(steps, _workers(self.config, self.trainer), pin_memory=on_gpu)

    def state_dict(self) -> dict[str, Any]:
        """The counter of steps that the weights have seen, and what they were steps over."""
        assert self.trainer is not None
        return {"step": self.trainer.global_step, "fingerprint": self.fingerprint}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict["fingerprint"] != self.fingerprint:
            raise ConfigError(
                f"the checkpoint was trained on tokens {state_dict['fingerprint']}, these are {self.fingerprint}; "
                "train into another folder, or give back the tokens it began with"
            )
        self.first_step = state_dict["step"]


class RankSteps(Dataset[list[Batch]]):
    """The pieces of one rank's part of each step, by the step's number; each says the targets of them all."""

    def __init__(self, data: RowData, rank: int, world: int) -> None:
        self.data, self.rank, self.world = data, rank, world
        self.n_pieces = pieces(data.config, world)

    def __len__(self) -> int:
        return self.data.config.steps

    def __getitem__(self, step: int) -> list[Batch]:
        samples = list(self.data.pieces(step, self.rank, self.world))
        found = [self.data.batch(some) for some in samples]
        counts = target_counts(found)
        first = {READ: torch.from_numpy(self.data.read(sample for some in samples for sample in some))}
        return [piece | counts | (first if n == 0 else {}) for n, piece in enumerate(found)]


class Steps:
    """The pieces one after the other, drawn by `workers` processes ahead of time or by none; from the data's first step
    on, which is known once a checkpoint has been read.

    Its length is that of the whole run, which is how Lightning counts its own progress over a restart.
    """

    def __init__(self, steps: RankSteps, workers: int, *, pin_memory: bool) -> None:
        self.steps, self.workers, self.pin_memory = steps, workers, pin_memory

    def __len__(self) -> int:
        return len(self.steps) * self.steps.n_pieces

    def __iter__(self) -> Iterator[Batch]:
        ahead: dict[str, Any] = {"multiprocessing_context": "fork", "prefetch_factor": AHEAD} if self.workers else {}
        loader = DataLoader(
            self.steps,
            batch_size=None,
            sampler=range(self.steps.data.first_step, len(self.steps)),
            num_workers=self.workers,
            pin_memory=self.pin_memory,
            **ahead,
        )
        for step in loader:
            yield from step


AHEAD = 4  # steps that each worker draws before they are asked for
MAX_WORKERS = 4


def _workers(config: TrainingConfig, trainer: lightning.Trainer) -> int:
    """On a CPU none: they would take the cores that train."""
    if config.run.workers is not None:
        return config.run.workers
    if trainer.strategy.root_device.type != "cuda":
        return 0
    return min(MAX_WORKERS, max(1, cores(launched()) - 1))
