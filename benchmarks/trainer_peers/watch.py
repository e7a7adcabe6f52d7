"""The clock that every contestant carries, the loss on held-out rows, and the record that it leaves.

The clock hangs on torch's own hook behind `Optimizer.step`, so it reads the same moment in all of them. It waits for
the device before it looks at the time, at the ends of blocks alone. Legend: B batch, T tokens, V vocabulary.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import torch
from job import IGNORED, Job, cores
from torch import Tensor, nn
from torch.compiler import set_stance
from torch.nn import functional
from torch.optim.optimizer import register_optimizer_step_post_hook

T = TypeVar("T")
Batch = dict[str, Tensor]
STARTED = "TRAINER_STARTED"  # when the process was started, in the environment
PACKAGES = ("torch", "lightning", "transformers", "accelerate", "litgpt")


class Reached(Exception):  # noqa: N818 - a run's end, no error
    """The held-out loss is down to the job's target."""


class Watch:
    """Times the steps of a job; `begin` once there is a model, `finish` behind the last step."""

    def __init__(self, job: Job) -> None:
        self.job, self.step = job, 0
        self.ends = [job.warm_up + n * job.steps // job.blocks for n in range(job.blocks + 1)]
        self.times: list[float] = []
        self.waits: list[float] = []
        self.first_step = self.waited = self.outside = 0.0
        self.curve: list[tuple[int, float, float]] = []
        self.before = self.after = float("nan")
        self.peak = self._n_parameters = 0
        self._score: Callable[[], float] = lambda: float("nan")
        self._hook = register_optimizer_step_post_hook(self._stepped)

    def begin(self, model: nn.Module, logits: Callable[[Batch], Tensor]) -> None:
        """`logits` gives logits_BTV of the held-out batches, by the model as it stands."""
        self._n_parameters = sum(weight.numel() for weight in model.parameters())

        def score() -> float:
            training = model.training
            model.eval()
            found = held_out_nats(self.job, logits)
            model.train(training)
            return found

        self._score = score
        self.before = score()
        forget_peak(self.job.device)

    def _stepped(self, *_: Any) -> None:
        self.step += 1
        if self.step == 1:
            self.first_step = self._now() - float(os.environ.get(STARTED, "nan"))
            self._after_first = self._now()
        if self.step in self.ends:
            self.times.append(self._now() - self.outside)
            self.waits.append(self.waited)
        if self.step % (self.job.evaluate_every or self.job.all_steps) == 0 or self.step == self.job.all_steps:
            self._look()

    def _look(self) -> None:
        began = self._now()
        self.peak = self.peak or peak_bytes(self.job.device)  # what scoring takes is left out
        self.after = self._score()
        self.curve.append((self.step, began - self.outside - self._after_first, self.after))
        self.outside += self._now() - began
        if self.job.target is not None and self.after <= self.job.target:
            raise Reached

    def _now(self) -> float:
        if self.job.device == "cuda":
            torch.cuda.synchronize()
        return time.monotonic()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """What passes inside is time spent waiting for data."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.waited += time.monotonic() - began

    def each(self, items: Iterable[T]) -> Iterator[T]:
        """The items; waiting for them is counted."""
        iterator = iter(items)
        while True:
            with self.waiting():
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def finish(self, out: Path, settings: str) -> None:
        """Writes the record."""
        if self.job.target is None and self.step != self.job.all_steps:
            sys.exit(f"{self.step} steps of the optimizer instead of {self.job.all_steps}")
        self._hook.remove()
        seconds = [later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False)]
        record = {
            "block_seconds": seconds,
            "waited_seconds": self.waits[-1] - self.waits[0] if self.waits else None,
            "first_step_seconds": self.first_step,
            "peak_bytes": self.peak,
            "parameters": self._n_parameters,
            "before": self.before,
            "after": self.after,
            "curve": self.curve,
            "settings": settings,
            "versions": dict(versions()),
        }
        out.write_text(json.dumps(record), encoding="utf-8")


@torch.no_grad()
def held_out_nats(job: Job, logits: Callable[[Batch], Tensor]) -> float:
    """Nats per target over the job's held-out batches, softmax in float32."""
    total, count = 0.0, 0
    for batch in batches(job, "held_out"):
        # what was compiled would be compiled again for it
        with torch.autocast(job.device, torch.bfloat16, enabled=job.autocast), set_stance("force_eager"):
            logits_BTV = logits(batch)
        for logits_TV, targets_T in zip(logits_BTV, batch["targets"], strict=True):
            chosen_T = targets_T != IGNORED
            total += functional.cross_entropy(logits_TV[chosen_T].float(), targets_T[chosen_T], reduction="sum").item()
            count += int(chosen_T.sum())
    return total / count


def batches(job: Job, part: str) -> Iterator[Batch]:
    """Batch after batch, int64, on the job's device."""
    arrays = job.examples(part)
    for start in range(0, len(arrays["tokens"]), job.rows):
        yield {
            name: torch.from_numpy(rows[start : start + job.rows].astype("int64")).to(job.device)
            for name, rows in arrays.items()
        }


def peak_bytes(device: str) -> int:
    """The most that tensors held on a card; on a CPU, that the process was resident with."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def forget_peak(device: str) -> None:
    """From now on; what scoring took before is nobody's."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the peak of the resident set


def versions() -> Iterator[tuple[str, str]]:
    """Of the packages that speed hangs on."""
    for name in PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def contest(train: Callable[[Job, Watch], None], settings: str) -> None:
    """What a contestant's file runs, `python FILE FOLDER OUT.json`; `settings` says what was chosen for it."""
    job, out = Job.read(Path(sys.argv[1])), Path(sys.argv[2])
    torch.set_num_threads(cores())
    torch.manual_seed(job.seed)
    watch = Watch(job)
    with suppress(Reached):
        train(job, watch)
    watch.finish(out, settings)
