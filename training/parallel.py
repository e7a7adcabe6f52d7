"""What is done to a model before it trains: its blocks are compiled, compute their inside again, are spread over ranks.

In this order: what is computed again is what was compiled, and weights are gathered outside of both. Parameters keep
their names.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.utils.checkpoint import checkpoint

from training.loss import fusible_nats
from training.models import Model
from training.placement import MIXED
from training.run_config import RunConfig

CALLED = ("terms", "scores")
"""What is called of a model beside its `forward`: sharded weights are gathered before."""


def blocks(model: nn.Module) -> Iterator[nn.Module]:
    """The layers of all stacks."""
    for name, part in model.named_modules():
        if isinstance(part, nn.ModuleList) and name.rpartition(".")[2] == "blocks":
            yield from part


def compiled(model: Model, device: str) -> None:
    """Compiles each block by itself, which takes one compilation for all that are alike; and on "cuda" the loss."""
    for block in blocks(model):
        block.forward = torch.compile(block.forward, dynamic=False)  # rows have one length, or a curriculum's few
    if device == "cuda":
        model.softmax = torch.compile(fusible_nats)


def recompute(model: Model) -> None:
    """Keeps only what enters each block for the backward pass (Chen et al. 2016)."""
    for block in blocks(model):
        # nothing in a block is random
        block.forward = partial(checkpoint, block.forward, use_reentrant=False, preserve_rng_state=False)


def spread(model: Model, mesh: DeviceMesh, precision: str) -> None:
    """Spreads weights, gradients and optimizer state over the mesh (FSDP2, Zhao et al. 2023); over its last dimension
    where it has two."""
    mixed: dict[str, Any] = {}
    if precision == MIXED:  # gradients are summed in float32
        mixed["mp_policy"] = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    for block in blocks(model):
        fully_shard(block, mesh=mesh, **mixed)
    fully_shard(model, mesh=mesh, **mixed)
    for name in CALLED:
        register_fsdp_forward_method(model, name)


@contextmanager
def beside_training(model: Model) -> Iterator[None]:
    """For forward passes between two steps: nothing is compiled for their shapes, and weights that were gathered are
    let go at the end, for ranks move and save their parts."""
    with torch.compiler.set_stance("force_eager"), torch.no_grad():
        yield
    for part in model.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def mesh_of(run: RunConfig, world: int, per_node: int, device: str) -> DeviceMesh:
    """All ranks in one group, or in groups of `shards` with a copy of the model each."""
    if run.strategy == "fsdp":
        return init_device_mesh(device, (world,), mesh_dim_names=("shard",))
    shards = run.shards or per_node
    return init_device_mesh(device, (world // shards, shards), mesh_dim_names=("replicate", "shard"))
