"""The job in our own words: the configuration, a vocabulary without words, and the data module over its shards."""

from typing import Any

from job import OBJECTIVES, Job
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from tokenizer.shard import TokenShard
from tokenizer.specials import Specials
from tokenizer.vocab import Vocab
from training.config import TrainingConfig
from training.data import RowData
from training.run_config import RunConfig
from training.spec import ModelSpec

N_SENTINELS = 100  # T5's


def specials(family: str, size: int) -> Specials:
    """As few as the objective needs, at the ends of the vocabulary."""
    if family == "gpt2":
        return Specials(size=size, eod=0)
    if family == "bert":
        return Specials(size=size, pad=0, start=1, eod=2, separator=2, mask=3)
    return Specials(size=size, pad=0, eod=1, sentinels=tuple(range(size - 1, size - 1 - N_SENTINELS, -1)))


def vocab_of(job: Job) -> Vocab:
    """Ids that stand for nothing: tokens are made up, and no text is read."""
    known = specials(job.family, job.spec["vocab"])
    return Vocab(tokenizer=Tokenizer(WordLevel()), family="bpe-bytes", names="gpt2", specials=known, digest="made up")


def config_of(job: Job, **changes: Any) -> TrainingConfig:
    """AdamW for all weights with the rates of the job, unless changed."""
    settings: dict[str, Any] = {
        "model": ModelSpec(**job.spec),
        "steps": job.all_steps,
        "seed": job.seed,
        "objective": OBJECTIVES[job.family],
        "batch_rows": job.rows,
        "optimizer": "adamw",
        "learning_rate": job.learning_rate,
        "betas": job.betas,
        "eps": job.eps,
        "schedule": "constant",
        "warmup_steps": job.rate_warm_up,
        "weight_decay": job.weight_decay,
        "clip_norm": job.clip_norm,
        "precision": job.precision,
        "run": RunConfig(
            accelerator="gpu" if job.device == "cuda" else "cpu",
            compile=job.compile,
            checkpoint_every=10 * job.all_steps,  # the last step alone, behind the clock
        ),
    }
    return TrainingConfig(**settings | changes)


def shards_of(job: Job, part: str) -> list[TokenShard]:
    """The job's `tokens` or `held_tokens`."""
    return [TokenShard.open(job.folder / part, 0, job.spec["vocab"])]


def data_of(job: Job, config: TrainingConfig, part: str) -> RowData:
    """The rows of these."""
    return RowData.over(config, shards_of(job, part), vocab_of(job), part)
