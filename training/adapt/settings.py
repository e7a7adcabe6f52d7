"""How a model is fine-tuned: settings, and what the literature has for each kind of model."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from corpus.errors import ConfigError
from training.config import TrainingConfig
from training.families.family import Kind
from training.spec import ModelSpec

PUBLISHED: Mapping[Kind, Mapping[str, Any]] = {
    # Devlin et al. 2019, appendix A.3: 2e-5, 3e-5 or 5e-5; google-research/bert, run_classifier.py, warmup_proportion
    "encoder": {"learning_rate": 3e-5, "optimizer": "adamw", "schedule": "linear", "warmup_share": 0.1},
    # Radford et al. 2018, section 4.1
    "decoder": {"learning_rate": 6.25e-5, "optimizer": "adamw", "schedule": "linear", "warmup_share": 0.002},
    # Raffel et al. 2020, section 3.1.3
    "encoder-decoder": {
        "learning_rate": 1e-3, "optimizer": "adafactor", "schedule": "constant", "warmup_share": 0.0,
    },
}  # fmt: skip
"""By kind, for whatever is left out. The rates of the first two are those of models of 100 million parameters and more;
small ones want higher rates."""


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """A fine-tuning. What is None is as PUBLISHED for the kind of model.

    3 epochs of batches of 32 are GPT's (section 4.1) and among BERT's (appendix A.3); decay, which biases and gains are
    spared, and clipping are those of google-research/bert, optimization.py. `max_tokens` is the longest row, the
    model's context unless given; `max_examples` takes so many examples at random instead of all. `auxiliary` weighs a
    decoder's loss as a language model (Radford et al. 2018, section 4.1). No dropout, as the models have none.
    """

    epochs: float = 3
    batch: int = 32
    learning_rate: float | None = None
    optimizer: Literal["adamw", "adafactor"] | None = None
    schedule: Literal["linear", "constant"] | None = None
    warmup_share: float | None = None
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-6
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    auxiliary: float = 0.5
    max_tokens: int | None = None
    max_examples: int | None = None
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("batch", "max_tokens", "max_examples"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ConfigError(f"fine-tuning {name} is {value}; it must be 1 or more")
        if not self.epochs > 0:
            raise ConfigError(f"fine-tuning epochs is {self.epochs}; it must be above 0")
        if not self.auxiliary >= 0:
            raise ConfigError(f"fine-tuning auxiliary is {self.auxiliary}; it must be 0 or more")

    def room(self, spec: ModelSpec) -> int:
        """Tokens of the longest row; ConfigError for more than the model has positions."""
        if (self.max_tokens or 0) > spec.context:
            raise ConfigError(
                f"fine-tuning max_tokens is {self.max_tokens}, and the model's context is {spec.context}; take no more"
            )
        return self.max_tokens or spec.context

    def config(self, spec: ModelSpec, objective: str, n_examples: int) -> TrainingConfig:
        """The same in the words of training, for so many examples."""
        left_out = ("learning_rate", "optimizer", "schedule", "warmup_share")
        said = {name: value for name in left_out if (value := getattr(self, name)) is not None}
        return TrainingConfig(
            model=spec,
            objective=objective,
            steps=math.ceil(self.epochs * math.ceil(n_examples / self.batch)),
            seed=self.seed,
            batch_rows=self.batch,
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
            floor_share=0.0,
            clip_norm=self.clip_norm,
            precision=self.precision,
            **{**PUBLISHED[spec.kind], **said},
        )
