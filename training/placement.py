"""The ranks that share a run and the devices that they hold: asked of what started them, and checked before any work.

torchrun and Slurm start a process for each rank and say in its environment which it is; else there is one rank.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, Strategy

from corpus.errors import ConfigError
from training.config import TrainingConfig
from training.data import pieces
from training.launched import launched

MIXED = "bf16-mixed"
CLUSTERS: dict[str, Callable[[], ClusterEnvironment]] = {
    "": LightningEnvironment,  # said, or Lightning takes a batch script of Slurm for a rank
    "torchrun": TorchElasticEnvironment,
    "slurm": lambda: SLURMEnvironment(auto_requeue=False),  # it would write checkpoints of its own when told to stop
}


@dataclass(frozen=True)
class Placement:
    """`world` ranks, `per_node` on each of `nodes` hosts, of which this process is number `rank`, on `device`, "cpu" or
    "cuda". A rank takes its part of a step in `pieces`. `precision` is what is computed in."""

    rank: int
    world: int
    per_node: int
    nodes: int
    device: str
    precision: str
    pieces: int
    cluster: ClusterEnvironment

    @classmethod
    def of(cls, config: TrainingConfig) -> "Placement":
        """ConfigError for a GPU or a precision that is not there, rows that do not split over the ranks, and a strategy
        that the model or the number of ranks has no use for."""
        rank, world, per_node, by = launched()
        if world % per_node:
            raise ConfigError(f"{world} ranks, {per_node} of them on this host; start as many on each host")
        device = _device(config, per_node)
        _check_strategy(config, world, per_node)
        try:
            cluster = CLUSTERS[by]()
        except RuntimeError as error:  # Slurm's variables, of which it wants more
            raise ConfigError(str(error)) from error
        said = precision(config, device)
        return cls(rank, world, per_node, world // per_node, device, said, pieces(config, world), cluster)

    def trainer(self, config: TrainingConfig) -> dict[str, Any]:
        """What Lightning's Trainer must be told of them."""
        return {
            "accelerator": "gpu" if self.device == "cuda" else "cpu",
            "devices": self.per_node,
            "num_nodes": self.nodes,
            "strategy": self._strategy(config),
            "precision": self.precision,
            "accumulate_grad_batches": self.pieces,
            "plugins": [self.cluster],
            "deterministic": self.device == "cpu" or config.run.deterministic,
            "use_distributed_sampler": False,
        }

    def _strategy(self, config: TrainingConfig) -> Strategy | str:
        run, timeout = config.run, timedelta(seconds=2 * config.run.timeout)  # the watchdog tells more than a timeout
        if self.world == 1:
            return "auto"
        # checkpoints are written beside the training, whose messages they must not meet: they go over the CPU
        backend = "cpu:gloo,cuda:nccl" if self.device == "cuda" else "gloo"
        if run.strategy in ("auto", "ddp"):
            return DDPStrategy(process_group_backend=backend, timeout=timeout, gradient_as_bucket_view=True)
        return ModelParallelStrategy(
            data_parallel_size=self.world, tensor_parallel_size=1, process_group_backend=backend, timeout=timeout
        )


def _check_strategy(config: TrainingConfig, world: int, per_node: int) -> None:
    run, shards = config.run, config.run.shards or per_node
    if world == 1 or run.strategy in ("auto", "ddp"):
        return
    if config.model.shared:
        raise ConfigError(
            f'training.run.strategy "{run.strategy}" cannot spread stacks that share their weights; take "ddp"'
        )
    if run.strategy == "hsdp" and world % shards:
        raise ConfigError(f"{world} ranks do not make groups of {shards}; take another training.run.shards")


def precision(config: TrainingConfig, device: str) -> str:
    """What "auto" means here: bf16-mixed where bfloat16 is multiplied in hardware (AMX, or a GPU), else 32-true."""
    if device == "cuda":
        multiplies = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        multiplies = bool(torch.cpu.get_capabilities().get("amx_bf16"))
    if config.precision == "auto":
        return MIXED if multiplies else "32-true"
    if config.precision != "32-true" and device == "cuda" and not multiplies:
        raise ConfigError(
            f"training.precision is {config.precision}, and {torch.cuda.get_device_name()} does not multiply bfloat16; "
            f"take 32-true, or a card of the year 2020 or later"
        )
    return config.precision


def _device(config: TrainingConfig, per_node: int) -> str:
    """ "cuda" or "cpu"."""
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    asked = config.run.accelerator
    if asked == "cpu" or (asked == "auto" and not there):
        return "cpu"
    if not there:
        raise ConfigError("training.run.accelerator is gpu, and torch sees none on this host; take auto or cpu")
    if per_node > there:
        raise ConfigError(
            f"{per_node} ranks on this host ask for a GPU each, and torch sees {there}; start no more than {there} "
            f"here, let each see all of the host's (srun without --gpus-per-task and --gpu-bind), or take "
            f"training.run.accelerator cpu"
        )
    return "cuda"
