"""The same loop around our model, our optimizer and our way to compile: what is left of our trainer without Lightning,
its callbacks, its records and its data module."""

from functools import partial

import torch
from job import Job
from loop import Batch, loop
from our_side import config_of, data_of
from safetensors.torch import load_model
from torch import Tensor
from watch import Watch, contest

from training import models
from training.optim import optimizer, set_rates
from training.parallel import compiled


def train(job: Job, watch: Watch) -> None:
    """Trains."""
    config = config_of(job)
    data = data_of(job, config, "tokens")
    model = models.build(config.model)
    load_model(model, job.folder / "start.safetensors")
    model.to(job.device)
    watch.begin(model, model)
    for weight in model.idle(data.objective.features(config.model.context)):
        weight.requires_grad_(False)
    if job.compile:
        compiled(model, job.device)

    def loss(batch: Batch) -> Tensor:
        return torch.stack([term.nats / term.targets for term in model.terms(batch).values()]).sum()

    ready = []
    for step in range(job.all_steps):
        batch = data.batch(data.samples(step))
        ready.append({name: tensor.to(job.device) for name, tensor in batch.items()})
    moves = optimizer(model, config)
    loop(job, model, loss, ready, moves, partial(set_rates, moves, config=config))


if __name__ == "__main__":
    contest(train, "our model, blocks compiled one by one, our optimizer, batches on the device beforehand, no records")
