"""Ranks that hold some rows of each weight move them as one process moves the whole."""

import pytest
import torch
import torch.distributed as dist
from rank_processes import run_ranks
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor, distribute_tensor

from training import models
from training.config import TrainingConfig
from training.optim import RULES, optimizer, set_rates
from training.parallel import spread
from training.spec import ModelSpec

STEPS = 4
# rows that no number of ranks divides, some factored by Adafactor and some not, and a rank without types or pair head
SPEC = ModelSpec(family="bert", layers=1, width=130, heads=2, ffn=131, vocab=133, context=16)


def moved(rule: str, mesh: DeviceMesh | None) -> dict[str, torch.Tensor]:
    """Weights and state, whole, after some steps with gradients that only the step decides."""
    config = TrainingConfig(
        model=SPEC, objective="masked", optimizer=rule, learning_rate=0.02, steps=STEPS, seed=0, warmup_steps=0
    )
    torch.manual_seed(0)
    model = models.build(SPEC)
    if mesh is not None:
        spread(model, mesh, "32-true")
    stepper = optimizer(model, config)
    for step in range(STEPS):
        random = torch.Generator().manual_seed(step)
        for n, weight in enumerate(model.parameters()):
            grad = torch.randn(weight.shape, generator=random)
            sharded = isinstance(weight, DTensor)
            weight.grad = distribute_tensor(grad, weight.device_mesh, weight.placements) if sharded else grad
            if (n + step) % 5 == 0:
                weight.grad = None
        set_rates(stepper, step, config)
        stepper.step()
    found = {}
    for name, weight in model.named_parameters():
        found[name] = weight.detach()
        found |= {f"{name}.{key}": value for key, value in stepper.state[weight].items()}
    return {name: value.full_tensor() if isinstance(value, DTensor) else value for name, value in found.items()}


@pytest.mark.parametrize("shape", [(2,), (3,), (2, 2)], ids=["fsdp", "fsdp-uneven", "hsdp"])
def test_ranks_move_their_rows_as_one_moves_all(shape: tuple[int, ...]) -> None:
    def work() -> None:
        torch.set_num_threads(1)
        dist.init_process_group("gloo")
        mesh = init_device_mesh("cpu", shape, mesh_dim_names=("replicate", "shard")[-len(shape) :])
        for rule in RULES:
            alone, together = moved(rule, None), moved(rule, mesh)
            assert alone.keys() == together.keys()
            for name, value in alone.items():
                close = torch.allclose(together[name], value, rtol=1e-4, atol=1e-5)
                assert close, f"{rule}: {name} is off by {(together[name] - value).abs().max()}"
        dist.destroy_process_group()

    run_ranks(torch.Size(shape).numel(), work)
