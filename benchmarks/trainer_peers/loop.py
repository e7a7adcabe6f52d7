"""A training loop with nothing around it."""

from collections.abc import Callable, Mapping, Sequence

import torch
from job import Job
from torch import Tensor, nn

Batch = Mapping[str, Tensor]


def loop(
    job: Job,
    model: nn.Module,
    loss: Callable[[Batch], Tensor],
    batches: Sequence[Batch],
    optimizer: torch.optim.Optimizer,
    set_rates: Callable[[int], None],
) -> None:
    """A step for each batch, which lies on the device; `set_rates` is told the steps before it."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    for step, batch in enumerate(batches):
        with torch.autocast(job.device, torch.bfloat16, enabled=job.autocast):
            nats = loss(batch)
        nats.backward()
        set_rates(step)
        torch.nn.utils.clip_grad_norm_(weights, job.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
