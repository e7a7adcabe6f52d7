"""RunConfig: where and how a run is computed. Nothing here decides what is learnt; a sum's last digits may differ."""

from dataclasses import dataclass
from typing import Literal

from corpus.errors import ConfigError

Strategy = Literal["auto", "ddp", "fsdp", "hsdp"]
Accelerator = Literal["auto", "cpu", "gpu"]


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """How many processes share a run is said by what starts them, torchrun or Slurm; this is the rest.

    `strategy`: "ddp" gives each rank the whole model, "fsdp" spreads it over all ranks, "hsdp" over groups of `shards`
    ranks, each with a copy. `micro_rows` is how many rows of the model's context a rank takes at once; it goes through
    its part of a step in as many pieces as that needs. None lets the machine decide: `compile` on a GPU, `workers` that
    draw examples beside the training on a GPU, `threads` as there are cores.
    """

    accelerator: Accelerator = "auto"
    strategy: Strategy = "auto"  # ddp where there are several ranks
    shards: int | None = None  # of hsdp; as many as a node has ranks
    micro_rows: int | None = None  # all at once
    compile: bool | None = None  # each block by itself
    activation_checkpointing: bool = False  # a block's inside is computed again for the backward pass
    deterministic: bool = False  # on a GPU; a CPU always is
    workers: int | None = None
    threads: int | None = None
    checkpoint_every: int = 100  # steps
    keep_checkpoints: int = 2
    evaluate_every: int | None = None  # steps between measurements on held-out documents; only after the last
    loggers: tuple[str, ...] = ("tensorboard",)  # also wandb, mlflow; metrics.csv is always written
    timeout: int = 1800  # seconds without a step, after which a rank counts as hung

    def __post_init__(self) -> None:
        for name in ("shards", "micro_rows", "threads", "checkpoint_every", "keep_checkpoints", "evaluate_every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"training run {name} is {value}; it must be 1 or more")
        if self.workers is not None and self.workers < 0:
            raise ConfigError(f"training run workers is {self.workers}; it must be 0 or more")
        if self.timeout < 1:
            raise ConfigError(f"training run timeout is {self.timeout} seconds; it must be 1 or more")
        if self.shards is not None and self.strategy != "hsdp":
            raise ConfigError(f'training run shards belongs to strategy "hsdp", not "{self.strategy}"; leave it out')
