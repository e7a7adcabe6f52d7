"""What every contestant does, as one file: model, examples, batch, precision, rates, and when the clock runs.

A job's folder has `tokens/` and `held_tokens/` (shards, which our trainer reads), `train/` and `held_out/` (the same
rows as examples, a file a feature, in the order in which our trainer reads them), and the weights that all begin with:
`start.safetensors` in our names, `hf/` in those of transformers.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

OBJECTIVES = {"gpt2": "causal", "bert": "masked", "t5": "span_corruption"}
IGNORED = -100  # torch's own choice for cross_entropy


def _of(family: str, layers: int, width: int, vocab: int, context: int, rows: int) -> dict[str, Any]:
    more = {"gpt2": {"norm_eps": 1e-5}, "bert": {"norm_eps": 1e-12}, "t5": {"norm_eps": 1e-6, "head_width": 64}}
    shape = {"layers": layers, "width": width, "heads": width // 64, "ffn": 4 * width}
    return {"spec": {"family": family, **shape, "vocab": vocab, "context": context, **more[family]}, "rows": rows}


# Vocabularies are the published ones, filled up to a multiple of 64 for everybody (nanoGPT's 50,304; the others alike)
ON_GPU = {
    "gpt2": _of("gpt2", 12, 768, 50_304, 1024, 32),
    "bert-128": _of("bert", 12, 768, 30_528, 128, 256),
    "bert-512": _of("bert", 12, 768, 30_528, 512, 64),
    "t5-small": _of("t5", 6, 512, 32_128, 512, 128),
}
ON_CPU = {
    "gpt2": _of("gpt2", 2, 256, 8192, 256, 8),
    "bert-128": _of("bert", 2, 256, 8192, 128, 16),
    "bert-512": _of("bert", 2, 256, 8192, 512, 4),
    "t5-small": _of("t5", 2, 256, 8192, 256, 8),
}
TINY = {  # for tests
    "gpt2": _of("gpt2", 1, 64, 512, 32, 2),
    "bert-128": _of("bert", 1, 64, 512, 32, 2),
    "bert-512": _of("bert", 1, 64, 512, 64, 2),
    "t5-small": _of("t5", 1, 64, 512, 32, 2),
}
SIZES = {"gpu": ON_GPU, "cpu": ON_CPU, "tiny": TINY}


@dataclass(frozen=True, kw_only=True)
class Job:
    """A step is `rows` rows. `warm_up` steps compile and warm up, `steps` are timed, in `blocks` of equal length.

    The rate rises over `rate_warm_up` steps and then stays. With `target`, the held-out loss is measured every
    `evaluate_every` steps outside of the clock, and the run ends where it is reached.
    """

    name: str
    folder: Path
    spec: Mapping[str, Any]
    rows: int
    device: str
    precision: str
    compile: bool = True
    warm_up: int = 10
    steps: int = 30
    blocks: int = 5
    learning_rate: float = 6e-4
    rate_warm_up: int = 10
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    clip_norm: float = 1.0
    seed: int = 17
    held_out_batches: int = 4
    evaluate_every: int | None = None
    target: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def all_steps(self) -> int:
        """With those that nobody times."""
        return self.warm_up + self.steps

    def rate_share(self, step: int) -> float:
        """Of the learning rate, after so many steps."""
        return min(1.0, (step + 1) / self.rate_warm_up)

    @property
    def family(self) -> str:
        """gpt2, bert or t5."""
        return str(self.spec["family"])

    @property
    def autocast(self) -> bool:
        """Whether matrices are multiplied in bfloat16."""
        return self.precision == "bf16-mixed"

    def write(self) -> None:
        """As job.json in its folder."""
        text = json.dumps(asdict(self) | {"folder": str(self.folder)}, indent=1)
        (self.folder / "job.json").write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Job":
        """The job of a folder."""
        said = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        return cls(**said | {"folder": folder, "betas": tuple(said["betas"])})

    def examples(self, part: str) -> dict[str, np.ndarray[Any, Any]]:
        """Features by name, int32, a row each, step after step; `part` is train or held_out."""
        return {path.stem: np.load(path, mmap_mode="r") for path in sorted((self.folder / part).glob("*.npy"))}


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))
