"""A small recipe, and its training on two hosts by the scripts that docs/nodes.md shows."""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from hosts import Host
from small_run import archive, millstream, prose
from waiting import soon

from training.record import read_metrics

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "nodes.md"
STEPS, CHECKPOINT_EVERY = 50, 10
RECIPE = f"""
name: hosts
seed: 17
sources: {{web: {{format: warc, paths: [web.warc.gz]}}}}
corpus: {{}}
mix: {{weights: {{web: 1.0}}, budget: {{bytes: 18_000}}, max_epochs: 1}}
tokenizer: {{model: bpe-bytes, vocab_size: 300}}
training:
  model: {{family: llama, layers: 2, width: 128, heads: 4, kv_heads: 2, ffn: 256}}
  objective: causal
  context: 64
  steps: {STEPS}
  batch_rows: 8
  optimizer: adamw
  learning_rate: 0.003
  precision: 32-true
  run: {{accelerator: cpu, threads: 1, checkpoint_every: {CHECKPOINT_EVERY}}}
"""
SECONDS = 150
"""Bounds a wait; four processes may have to import torch on two busy cores."""


def written(folder: Path) -> Path:
    """A recipe in the folder; beside it, in `root`, all that its model is made from."""
    archive(folder / "web.warc.gz", [prose(subject) for subject in ("castle", "harbour", "forest", "script")])
    recipe = folder / "hosts.yaml"
    recipe.write_text(RECIPE)
    said = millstream("run", recipe, "--only", "tokens/main", "--root", folder / "root")
    assert said.code == 0, said.err
    return recipe


def script(word: str, instead: Mapping[str, str]) -> str:
    """The script of the page that has the word in it, with other words in place of some."""
    blocks: list[str] = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (text,) = (block for block in blocks if word in block)
    for old, new in instead.items():
        assert old in text, f"{PAGE.name} has no {old}"
        text = text.replace(old, new)
    return text


def environment() -> dict[str, str]:
    """With the commands of this Python, and this project's code."""
    return {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)}


@dataclass(frozen=True)
class Training:
    """A training of a recipe into a root, where its tokens are; what the hosts say goes to files in `logs`."""

    recipe: Path
    root: Path
    logs: Path

    @property
    def model(self) -> Path:
        return self.root / "checkpoint" / "main" / "dev"

    @property
    def instead(self) -> dict[str, str]:
        """What the page's scripts call otherwise."""
        return {"my.yaml": str(self.recipe), "/shared/my_run": str(self.root)}

    def steps(self) -> list[dict[str, float]]:
        """What is recorded of each step, but for its speed."""
        rows = read_metrics(self.model / "metrics.csv")
        return [{name: value for name, value in row.items() if name != "tokens_per_second"} for row in rows]

    def start(self, host: Host, command: str) -> Popen[bytes]:
        """A shell on the host."""
        return host.start(["sh", "-c", command], self.logs / host.name, environment())

    def amid(self, checkpoint: int = 1) -> None:
        """Returns a step or more after the n-th checkpoint, and before the end."""
        step = checkpoint * CHECKPOINT_EVERY
        folder = self.model / "checkpoints" / f"step-{step:08d}"
        soon(lambda: folder.exists() and len(self.steps()) > step, f"step {step}", SECONDS)
        assert len(self.steps()) < STEPS

    def ends(self, *processes: Popen[bytes]) -> None:
        """Returns when the processes have ended well and the model is there."""
        soon(lambda: all(process.poll() is not None for process in processes), "the end", SECONDS)
        said = "".join(f"--- {log.name}\n{log.read_text()}" for log in sorted(self.logs.iterdir()))
        assert [process.returncode for process in processes] == [0] * len(processes), said
        assert (self.model / "manifest.json").exists(), said


def copied(recipe: Path, folder: Path) -> Training:
    """A training of the recipe in a folder of its own, ready to begin."""
    shutil.copytree(recipe.parent / "root", folder / "root")
    (folder / "logs").mkdir()
    return Training(recipe, folder / "root", folder / "logs")
