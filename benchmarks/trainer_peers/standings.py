"""What the contestants did, and the page that says it."""

import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from contestants import CONTESTANTS
from job import Job

Record = dict[str, Any]
GIB = 2**30


@dataclass
class Model:
    """A job, each contestant's records round by round, and why one could not run."""

    job: Job
    records: dict[str, list[Record]]
    faults: dict[str, str] = field(default_factory=dict)

    def steps(self, name: str) -> list[float]:
        """Seconds of a step, block by block, of all rounds."""
        per_block = self.job.steps / self.job.blocks
        return [seconds / per_block for record in self.records[name] for seconds in record["block_seconds"]]

    def over(self, name: str, base: str) -> list[float]:
        """How much longer a step of `name` takes than one of `base`, round by round."""
        pairs = zip(self.records[name], self.records[base], strict=False)
        return [median(a["block_seconds"]) / median(b["block_seconds"]) - 1 for a, b in pairs]


class Standings:
    """By model and contestant."""

    def __init__(self) -> None:
        self.models: dict[str, Model] = {}

    def enter(self, job: Job, names: Sequence[str]) -> None:
        """A model and those who are asked to train it."""
        self.models[job.name] = Model(job, {name: [] for name in names})

    def add(self, model: str, name: str, record: Path) -> None:
        """What a contestant left."""
        self.models[model].records[name].append(json.loads(record.read_text(encoding="utf-8")))

    def fail(self, model: str, name: str, why: str) -> None:
        """A contestant that cannot run is not asked again."""
        self.models[model].faults[name] = why.replace("|", "/")

    def failed(self, model: str, name: str) -> bool:
        """Whether it did."""
        return name in self.models[model].faults

    def last(self, model: str, name: str) -> str:
        """The last run in a few words."""
        if self.failed(model, name):
            return self.models[model].faults[name]
        record, job = self.models[model].records[name][-1], self.models[model].job
        if job.target is None:
            return f"{1e3 * sum(record['block_seconds']) / job.steps:.1f} ms a step, held-out {record['after']:.3f}"
        return f"held-out {record['after']:.3f} after {record['curve'][-1][0]} steps"

    def page(self, target: float | None) -> str:
        """Markdown: machine, versions, and a table for each model."""
        table = speeds if target is None else times_to_loss
        parts = [self._head(), *(f"{heading(model)}\n\n{table(model)}" for model in self.models.values())]
        settings = {
            name: record["settings"]
            for model in self.models.values()
            for name, records in model.records.items()
            for record in records[:1]
        }
        parts.append("\n".join(f"- *{CONTESTANTS[name].title}*: {said}." for name, said in settings.items()))
        return "\n\n".join(parts)

    def _head(self) -> str:
        jobs = [model.job for model in self.models.values()]
        found: dict[str, str] = {}
        for model in self.models.values():
            for records in model.records.values():
                for record in records:
                    found |= record["versions"]
        versions = ", ".join(f"{name} {number}" for name, number in found.items())
        machine = jobs[0].facts["device"] if jobs[0].device == "cuda" else f"{processor()}, {jobs[0].facts['device']}"
        said = " ".join(["python benchmarks/trainers.py", *sys.argv[1:]])
        return f"{datetime.now(UTC):%Y-%m-%d}, {machine}, Python {platform.python_version()}, {versions}\n`{said}`"


def heading(model: Model) -> str:
    """What is trained."""
    job, facts = model.job, model.job.facts
    rounds = max((len(records) for records in model.records.values()), default=0)
    return (
        f"**{job.name}**: {facts['parameters'] / 1e6:.1f}M parameters, vocabulary {job.spec['vocab']:,}, "
        f"{job.rows} rows of {job.spec['context']} a step ({facts['tokens']:,} tokens, {facts['targets']:,} targets), "
        f"{job.precision}{'' if job.compile else ', nothing compiled'}, AdamW at {job.learning_rate:g}; "
        f"{job.steps} steps, {rounds} rounds"
    )


def speeds(model: Model) -> str:
    """A line for each contestant; then what Lightning costs."""
    peak = peak_of(model.job)
    lines = [
        f"| trainer | tokens/s | lowest - highest block | of the bare loop | {'MFU' if peak else 'TFLOP/s'} "
        "| waits for data | peak memory, GiB | first step after, s | held-out nats before | after |",
        "|---|" + "---:|" * 9,
    ]
    for name in model.records:
        title = CONTESTANTS[name].title
        if not model.records[name]:
            lines.append(f"| {title} | {model.faults.get(name, 'not run: no time')} |" + " |" * 8)
            continue
        lines.append(f"| {title} | {' | '.join(_cells(model, name, peak))} |")
    if model.records.get("ours") and model.records.get("bare-ours"):
        over = model.over("ours", "bare-ours")
        lines += [
            "",
            f"Lightning, callbacks, records and data over the bare loop around our model: {median(over):+.1%} a step "
            f"({min(over):+.1%} to {max(over):+.1%} in {len(over)} rounds).",
        ]
    return "\n".join(lines)


def _cells(model: Model, name: str, peak: float | None) -> list[str]:
    facts, records, steps = model.job.facts, model.records[name], model.steps(name)
    step = median(steps)
    speed = facts["flops"] / step
    waited = median(record["waited_seconds"] / sum(record["block_seconds"]) for record in records)
    bare = f"{median(model.steps('bare')) / step:.0%}" if model.records.get("bare") else ""
    return [
        f"{facts['tokens'] / step:,.0f}",
        f"{facts['tokens'] / max(steps):,.0f} - {facts['tokens'] / min(steps):,.0f}",
        bare,
        f"{speed / peak:.1%}" if peak else f"{speed / 1e12:.3f}",
        f"{waited:.1%}",
        f"{max(record['peak_bytes'] for record in records) / GIB:.2f}",
        f"{records[0]['first_step_seconds']:.0f}",
        f"{records[0]['before']:.3f}",
        f"{median(record['after'] for record in records):.3f}",
    ]


def times_to_loss(model: Model) -> str:
    """A line for each contestant: how long until the held-out rows cost as little as asked."""
    job = model.job
    lines = [
        f"| trainer | seconds to {job.target} nats | with start-up and compilation | tokens | steps "
        "| tokens/s | nats there |",
        "|---|" + "---:|" * 6,
    ]
    for name, records in model.records.items():
        title = CONTESTANTS[name].title
        if not records:
            lines.append(f"| {title} | {model.faults.get(name, 'not run: no time')} |" + " |" * 5)
            continue
        record = sorted(records, key=lambda record: record["curve"][-1][1])[len(records) // 2]
        step, seconds, nats = record["curve"][-1]
        reached = job.target is not None and nats <= job.target
        tokens = step * job.facts["tokens"]
        cells = [
            f"{seconds:,.1f}" if reached else f"not in {seconds:,.1f}",
            f"{seconds + record['first_step_seconds']:,.1f}",
            f"{tokens:,}",
            f"{step:,}",
            f"{(step - 1) * job.facts['tokens'] / seconds:,.0f}",  # the clock starts behind the first step
            f"{nats:.3f}",
        ]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    lines += ["", f"Held-out rows are scored every {job.evaluate_every} steps with the clock stopped."]
    return "\n".join(lines)


def peak_of(job: Job) -> float | None:
    """FLOP/s of dense bf16 that a known card can do."""
    if job.device != "cuda":
        return None
    from training.cards import card_of

    card = card_of(job.facts["device"])
    return card.flops if card else None


def processor() -> str:
    """The processor's name, as Linux tells it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
