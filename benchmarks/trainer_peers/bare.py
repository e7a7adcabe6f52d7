"""The yardstick: a plain loop over the whole model and its loss compiled as one, as fast as it can be had.

Batches lie ready on the device before the clock runs, the optimizer is torch's fused AdamW, nothing is logged or saved.
"""

from bare_models import MODELS, fused, prepared
from job import Job
from loop import loop
from safetensors.torch import load_file
from torch.optim import AdamW
from watch import Watch, batches, contest


def train(job: Job, watch: Watch) -> None:
    """Trains."""
    model = MODELS[job.family](job.spec).to(job.device)
    model.load_state_dict(fused(load_file(job.folder / "start.safetensors"), model))
    watch.begin(model, model.logits)
    if job.compile:
        model.compile(fullgraph=True, dynamic=False)
    optimizer = AdamW(
        model.parameters(), job.learning_rate, job.betas, job.eps, weight_decay=job.weight_decay, fused=True
    )

    def set_rates(step: int) -> None:
        for group in optimizer.param_groups:
            group["lr"] = job.learning_rate * job.rate_share(step)

    ready = [prepared(job, batch) for batch in batches(job, "train")]
    loop(job, model, model, ready, optimizer, set_rates)


if __name__ == "__main__":
    contest(train, "model and loss compiled as one graph, fused AdamW, batches on the device beforehand, no records")
