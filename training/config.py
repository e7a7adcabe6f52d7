"""TrainingConfig: everything that decides what a run learns, and the few knobs that do not."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from corpus.errors import ConfigError
from tokenizer.specials import Specials
from training.objective import Objective
from training.objectives import OBJECTIVES, check_options, objective
from training.spec import ModelSpec


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """A step reads `batch_rows` rows of the model's context. Shares are of all steps.

    `learning_rate` is for matrices, which Muon or AdamW moves; embeddings and gains move by AdamW at
    `embedding_learning_rate`. `objective_options` are the objective's own fields. `document_mask` keeps attention, and
    whatever an objective does to a text, inside documents. `precision` "auto" is bf16-mixed where the processor
    multiplies bfloat16 in hardware, else float32.
    """

    model: ModelSpec
    steps: int
    seed: int
    objective: str = "causal"
    objective_options: Mapping[str, Any] = field(default_factory=dict)
    document_mask: bool = False
    batch_rows: int = 16
    optimizer: Literal["muon", "adamw"] = "muon"
    learning_rate: float = 0.01
    embedding_learning_rate: float = 0.015
    warmup_share: float = 0.05
    schedule: Literal["cosine", "wsd"] = "cosine"
    decay_share: float = 0.4  # of "wsd": how long the rate falls to 0 at the end
    weight_decay: float = 0.1  # GPT-3, appendix B
    clip_norm: float = 1.0  # GPT-3, appendix B
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    checkpoint_every: int = 100  # steps
    keep_checkpoints: int = 2
    threads: int | None = None  # as many as there are cores

    def __post_init__(self) -> None:
        check_options(self.objective, self.objective_options)
        kind = OBJECTIVES[self.objective].kind
        if kind != self.model.kind:
            fits = sorted(name for name, known in OBJECTIVES.items() if known.kind == self.model.kind)
            raise ConfigError(
                f'objective "{self.objective}" is for models of kind {kind}, and the family "{self.model.family}" is '
                f"of kind {self.model.kind}; take one of {', '.join(fits)}, or another model"
            )
        for name in ("steps", "batch_rows", "checkpoint_every", "keep_checkpoints", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"training {name} is {value}; it must be 1 or more")
        for name in ("learning_rate", "embedding_learning_rate", "clip_norm"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"training {name} is {getattr(self, name)}; it must be above 0")
        if not 0 <= self.seed < 2**64:
            raise ConfigError(f"training seed is {self.seed}; it must be in 0 .. 2^64 - 1")
        for name in ("warmup_share", "decay_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"training {name} is {getattr(self, name)}; it must be in 0 .. 1")
        if self.schedule == "wsd" and self.warmup_share + self.decay_share > 1:
            raise ConfigError(
                f"training warmup_share {self.warmup_share} and decay_share {self.decay_share} must sum to 1 or less"
            )

    def task(self, specials: Specials) -> Objective:
        """The objective over a vocabulary, asked for its features: it says there what it cannot do."""
        options = {"document_mask": self.document_mask, **self.objective_options}
        task = objective(self.objective, specials=specials, **options)
        if "is_next_1" in task.features(self.model.context) and not self.model.about.pairs:
            raise ConfigError(
                f'objective "{self.objective}" compares two texts, which the family "{self.model.family}" cannot; take '
                f"bert, or an objective without pairs"
            )
        return task

    def identity(self) -> dict[str, Any]:
        """The fields that decide the weights, as plain values: a run may be resumed only with the same ones."""
        fields = asdict(self) | {"model": self.model.identity()}
        for name in ("checkpoint_every", "keep_checkpoints", "threads"):
            del fields[name]
        return fields
