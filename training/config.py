"""TrainingConfig: everything that decides what a run learns, and in `run` what does not."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

from corpus.errors import ConfigError
from tokenizer.specials import Specials
from training.objective import Objective
from training.objectives import OBJECTIVES, check_options, objective
from training.run_config import RunConfig
from training.spec import ModelSpec
from training.stretches import Phase, Stretch, stretches, tokens_after


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """A step reads `batch_rows` rows of the model's context, or `batch_tokens` tokens, over all ranks; the steps of a
    `curriculum` read shorter rows first. Shares are of all steps.

    `learning_rate` is for matrices; embeddings and gains move by AdamW at `embedding_learning_rate`, where left out 1.5
    times that of Muon's matrices, the same as AdamW's and Adafactor's. `objective_options` are the objective's own
    fields. `document_mask` keeps attention, and whatever an objective does to a text, inside documents. `precision`
    "auto" is bf16-mixed where the processor multiplies bfloat16 in hardware, else float32. `on_spike` says what becomes
    of a step whose loss or gradient leaps (training/spikes.py): it is told, or its update is left out ("skip"), or the
    run stops; what is no number at all stops a run unless it is left out.
    """

    model: ModelSpec
    steps: int
    seed: int
    objective: str = "causal"
    objective_options: Mapping[str, Any] = field(default_factory=dict)
    document_mask: bool = False
    batch_rows: int | None = None  # 16, where batch_tokens is not given either
    batch_tokens: int | None = None
    curriculum: tuple[Phase, ...] = ()
    optimizer: Literal["muon", "adamw", "adafactor"] = "muon"
    learning_rate: float = 0.01
    embedding_learning_rate: float | None = None
    betas: tuple[float, float] = (0.9, 0.95)  # of AdamW: GPT-3, appendix B
    eps: float = 1e-10  # of AdamW; BERT's is 1e-6
    warmup_share: float = 0.05
    warmup_steps: int | None = None  # instead of the share
    schedule: Literal["cosine", "wsd", "linear", "inverse_sqrt", "constant"] = "cosine"
    decay_share: float = 0.4  # of "wsd": how long the rate falls to 0 at the end
    floor_share: float = 0.05  # of the peak, where "cosine" and "linear" end; Chinchilla's 0.1, halved for short runs
    weight_decay: float = 0.1  # GPT-3, appendix B
    clip_norm: float = 1.0  # GPT-3, appendix B
    precision: Literal["auto", "32-true", "bf16-mixed", "bf16-true"] = "auto"
    on_spike: Literal["tell", "skip", "stop"] = "tell"
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        check_options(self.objective, self.objective_options)
        kind = OBJECTIVES[self.objective].kind
        if kind != self.model.kind:
            fits = sorted(name for name, known in OBJECTIVES.items() if known.kind == self.model.kind)
            raise ConfigError(
                f'objective "{self.objective}" is for models of kind {kind}, and the family "{self.model.family}" is '
                f"of kind {self.model.kind}; take one of {', '.join(fits)}, or another model"
            )
        self._check_rates()
        self._check_batches()
        if not 0 <= self.seed < 2**64:
            raise ConfigError(f"training seed is {self.seed}; it must be in 0 .. 2^64 - 1")

    def _check_batches(self) -> None:
        for name in ("steps", "batch_rows", "batch_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"training {name} is {value}; it must be 1 or more")
        if self.batch_rows is not None and self.batch_tokens is not None:
            raise ConfigError("training gives both batch_rows and batch_tokens; leave one out")
        if over := [phase.context for phase in self.curriculum if phase.context > self.model.context]:
            raise ConfigError(
                f"training curriculum has rows of {over[0]} tokens, and the model's context is {self.model.context}; "
                f"the context is the longest row"
            )
        _ = self.stretches  # says what does not fit together

    def _check_rates(self) -> None:
        for name in ("learning_rate", "embedding_learning_rate", "clip_norm", "eps"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"training {name} is {value}; it must be above 0")
        for name in ("warmup_share", "decay_share", "floor_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"training {name} is {getattr(self, name)}; it must be in 0 .. 1")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ConfigError(f"training betas is {list(self.betas)}; it must be two numbers in 0 .. 1, 1 left out")
        if self.warmup_steps is not None and not 0 <= self.warmup_steps <= self.steps:
            raise ConfigError(f"training warmup_steps is {self.warmup_steps}; it must be in 0 .. steps, {self.steps}")
        if self.schedule == "wsd" and self.warmup / self.steps + self.decay_share > 1:
            raise ConfigError(
                f"training warm-up of {self.warmup} steps and decay_share {self.decay_share} must leave each other "
                f"room in {self.steps} steps; make one smaller"
            )

    @property
    def warmup(self) -> int:
        """Steps in which the rates rise."""
        return round(self.warmup_share * self.steps) if self.warmup_steps is None else self.warmup_steps

    @cached_property
    def stretches(self) -> tuple[Stretch, ...]:
        """Which steps read rows of which length."""
        return stretches(
            self.curriculum,
            self.model.context,
            self.steps,
            batch_rows=self.batch_rows,
            batch_tokens=self.batch_tokens,
        )

    def saves(self, step: int) -> bool:
        """Whether a checkpoint is written once so many steps are done."""
        return step % self.run.checkpoint_every == 0 or step == self.steps

    def tokens_after(self, step: int) -> int:
        """How many tokens so many steps have read."""
        return tokens_after(self.stretches, step)

    def task(self, specials: Specials) -> Objective:
        """The objective over a vocabulary, asked for its features: it says there what it cannot do."""
        options = {"document_mask": self.document_mask, **self.objective_options}
        task = objective(self.objective, specials=specials, **options)
        features = [task.features(stretch.context) for stretch in self.stretches]
        if "is_next_1" in features[0] and not self.model.about.pairs:
            raise ConfigError(
                f'objective "{self.objective}" compares two texts, which the family "{self.model.family}" cannot; take '
                f"bert, or an objective without pairs"
            )
        return task

    def identity(self) -> dict[str, Any]:
        """The fields that decide the weights, as plain values, those that are given: a run may be resumed only with the
        same ones."""
        plain = asdict(self) | {"model": self.model.identity(), "betas": list(self.betas)}
        plain["curriculum"] = [asdict(phase) for phase in self.curriculum] or None
        return {name: value for name, value in plain.items() if value is not None and name != "run"}
