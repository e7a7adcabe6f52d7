"""Our trainer beside Hugging Face's Trainer, litgpt and a bare loop: the same models, rows, batch and precision.

    make bench-training                                      both environments, then this file with what it detects
    python benchmarks/trainers.py                            all models and contestants, on the card or on the cores
    python benchmarks/trainers.py --models gpt2 --rounds 5 --steps 50
    python benchmarks/trainers.py --to-loss 5.5              ours beside Hugging Face's, gpt2
    python benchmarks/trainers.py --gpu-quick                on a card lent for ten minutes

Every contestant begins with the same weights (but litgpt, which has its own), reads the same rows in the same order
(made up, see made_text.py), and learns with AdamW at the same rate, in bf16-mixed on a GPU and float32 on a CPU. What
was chosen for each stands in its file in trainer_peers/ and below the table. Each round runs every contestant of a
model once, in a process of its own, another one first each time: warm-up steps, which compile too, then timed steps in
blocks, at whose ends the clock waits for the device. A contestant that cannot run is said in the table.

`bare-ours` is the bare loop around our model and optimizer: what our trainer takes more is Lightning, callbacks,
records and data. Held-out nats before and behind the steps show that all of them learn the same. MFU counts model FLOPs
(attention not halved, an encoder's head at its targets alone), the same for all, over the card's peak of dense bf16.

`--to-loss X`: how long until held-out rows cost X nats per target, which are measured every `--evaluate-every` steps
with the clock stopped; `ours-muon` is our default optimizer at its default rate.

A machine without network needs this tree and one environment: torch, lightning, tensorboard, safetensors, tokenizers,
regex, numpy, pyarrow and fsspec for ours, transformers and accelerate for the peer. `--gpu-quick` there takes eight
minutes, of which the first round of all models comes first. litgpt is skipped, and said to be, where it is missing.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve().parent
PEERS = HERE / "trainer_peers"
sys.path.append(str(PEERS))
sys.path.append(str(HERE.parent))

from contestants import CONTESTANTS, Contestant  # noqa: E402
from job import SIZES, Job  # noqa: E402
from standings import Standings  # noqa: E402

SPEED = ("bare", "bare-ours", "ours", "hugging-face", "litgpt")
TO_LOSS = ("ours-muon", "ours", "hugging-face")
QUICK = {"models": ["gpt2", "bert-512", "t5-small"], "rounds": 2, "steps": 20, "warm_up": 5, "minutes": 8.0}


def has_gpu(python: Path) -> bool:
    """Whether torch sees one."""
    code = "import torch, sys; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([python, "-c", code], check=False).returncode == 0


def jobs(asked: argparse.Namespace, place: Path) -> Iterator[Job]:
    """A job for each model, its folder made."""
    on_gpu = asked.device == "cuda"
    for name in asked.models:
        folder = place / name
        folder.mkdir()
        to_loss = asked.to_loss is not None
        yield Job(
            name=name,
            folder=folder,
            device=asked.device,
            precision="bf16-mixed" if on_gpu else "32-true",
            compile=not asked.eager,
            warm_up=0 if to_loss else asked.warm_up,
            steps=asked.steps,
            blocks=1 if to_loss else max(n for n in range(1, 6) if asked.steps % n == 0),  # of equal length
            learning_rate=asked.learning_rate,
            rate_warm_up=max(1, asked.steps // 20 if to_loss else min(10, asked.steps)),
            evaluate_every=asked.evaluate_every if to_loss else None,
            target=asked.to_loss,
            **SIZES[asked.size][name],
        )


def command(file: str, python: Path, folder: Path, environment: dict[str, str], *words: str) -> str | None:
    """Runs a file of trainer_peers in a process of its own; None, or the last line of what it said where it failed."""
    own = {
        "PYTHONPATH": str(HERE.parent),
        "PYTHONWARNINGS": "ignore",
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0],  # everybody has one
        "TRAINER_STARTED": repr(time.monotonic()),
        **environment,
    }
    log = folder / "log"
    with log.open("w") as out:
        done = subprocess.run(
            [python, PEERS / file, folder, *words], stdout=out, stderr=out, env={**os.environ, **own}, check=False
        )
    if done.returncode == 0:
        return None
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"ended with {done.returncode}"


class Time:
    """What is left of the minutes, if they are counted."""

    def __init__(self, minutes: float | None) -> None:
        self.until = None if minutes is None else time.monotonic() + 60 * minutes
        self.took: dict[tuple[str, str], float] = {}

    def enough(self, what: tuple[str, str]) -> bool:
        """Whether there is time for as long as this took before, or as the longest of all where it never ran."""
        needed = self.took.get(what, max(self.took.values(), default=0.0))
        return self.until is None or time.monotonic() + needed < self.until


def run(asked: argparse.Namespace, place: Path) -> Standings:
    """All rounds, as far as there is time."""
    left, standings, made = Time(asked.minutes), Standings(), []
    for job in jobs(asked, place):
        job.write()
        if (fault := command("prepare.py", Path(sys.executable), job.folder, {})) is not None:
            sys.exit(f"{job.name}: its rows could not be made: {fault}\n{(job.folder / 'log').read_text()[-4000:]}")
        made.append(Job.read(job.folder))
        standings.enter(made[-1], asked.contestants)
        for name in asked.contestants:
            if job.family not in CONTESTANTS[name].families:
                standings.fail(job.name, name, f"has no {job.family}")
    for number in range(asked.rounds):
        for job in made:
            for name in turned(asked.contestants, number):
                if standings.failed(job.name, name):
                    continue
                if not left.enough((job.name, name)):
                    print(f"time is up before round {number + 1} of {name} on {job.name}", file=sys.stderr)
                    return standings
                began = time.monotonic()
                once(standings, job, name, CONTESTANTS[name], place)
                left.took[job.name, name] = time.monotonic() - began
    return standings


def turned(names: Sequence[str], number: int) -> list[str]:
    """The names, from another one on in each round."""
    first = number % len(names)
    return [*names[first:], *names[:first]]


def once(standings: Standings, job: Job, name: str, contestant: Contestant, place: Path) -> None:
    """One run of a contestant."""
    cache = place / "inductor" / job.name / name  # of its own: nobody finds another's kernels there
    environment = {"TORCHINDUCTOR_CACHE_DIR": str(cache), "TRITON_CACHE_DIR": str(cache / "triton")}
    out = job.folder / f"{name}.json"
    out.unlink(missing_ok=True)
    fault = command(contestant.file, contestant.python(), job.folder, environment, str(out), *contestant.words)
    if fault is not None:
        standings.fail(job.name, name, fault)
    else:
        standings.add(job.name, name, out)
    print(f"{job.name}: {name}: {standings.last(job.name, name)}", file=sys.stderr)


def asked_for() -> argparse.Namespace:
    """The command line, with what it leaves open filled in."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), help="a card where torch sees one, else the cores")
    parser.add_argument("--size", choices=tuple(SIZES), help="of the models; gpu on a card, cpu on cores")
    parser.add_argument("--models", nargs="+", choices=tuple(SIZES["gpu"]))
    parser.add_argument("--contestants", nargs="+", choices=tuple(CONTESTANTS))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--steps", type=int, help="timed ones; with --to-loss the most")
    parser.add_argument("--warm-up", type=int)
    parser.add_argument("--minutes", type=float, help="start nothing that would end later")
    parser.add_argument("--learning-rate", type=float, help="of AdamW, on all sides; 6e-4, small models 2e-3")
    parser.add_argument("--eager", action="store_true", help="nobody compiles")
    parser.add_argument("--to-loss", type=float, metavar="X", help="time until held-out rows cost X nats per target")
    parser.add_argument("--evaluate-every", type=int, default=50, metavar="STEPS", help="with --to-loss")
    parser.add_argument("--gpu-quick", action="store_true", help=f"{QUICK}, unless given")
    asked = parser.parse_args()
    asked.device = asked.device or ("cuda" if has_gpu(Path(sys.executable)) else "cpu")
    asked.size = asked.size or ("gpu" if asked.device == "cuda" else "cpu")
    to_loss = asked.to_loss is not None
    usual = {
        "models": ["gpt2"] if to_loss else list(SIZES["gpu"]),
        "contestants": list(TO_LOSS if to_loss else SPEED),
        "rounds": 1 if to_loss else 3,
        "steps": 30 if not to_loss else 2000 if asked.device == "cuda" else 300,
        "warm_up": 10,
        "learning_rate": 6e-4 if asked.size == "gpu" else 2e-3,  # GPT-3, table 2.1, 125M
    }
    for name, value in {**usual, **(QUICK if asked.gpu_quick else {})}.items():
        if getattr(asked, name, None) is None:
            setattr(asked, name, value)
    return asked


def main() -> None:
    asked = asked_for()
    with TemporaryDirectory() as place:
        standings = run(asked, Path(place))
    print(standings.page(asked.to_loss))


if __name__ == "__main__":
    main()
