"""What a run will cost, before it runs: FLOPs, hours, dollars, and whether it fits in a card's memory. No torch."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

from corpus.errors import ConfigError
from training.cards import Card
from training.config import TrainingConfig
from training.families.multiplies import Positions
from training.flops import positions
from training.memory import Memory, memory
from training.objective import Objective
from training.objectives.noise_masks import bert_count

MFU = 0.4
"""The share of a card's peak that the model's own FLOPs reach: PaLM 0.46 (Chowdhery et al. 2022, table 3), Llama 0.46
to 0.54 (the hours of Touvron et al. 2023, table 15). Small models reach less."""
USABLE = 0.92  # of a card's memory; the rest is CUDA's, NCCL's and the allocator's gaps
Layout = Literal["one card", "ddp", "fsdp", "hsdp"]
PER_NODE = 8  # cards of a host, hence of a group of hsdp where the recipe names no other


@dataclass(frozen=True)
class Work:
    """What a run computes. `tokens` are those of the rows that are read, as the run's own measures have them."""

    n_params: int
    steps: int
    tokens: int
    flops: int

    @property
    def flops_per_token(self) -> float:
        """Of all rows' tokens alike."""
        return self.flops / self.tokens

    @property
    def tokens_per_param(self) -> float:
        """Hoffmann et al. 2022 have 20 for what a compute budget can do best."""
        return self.tokens / self.n_params


@dataclass(frozen=True)
class Cards:
    """So many cards of a kind, how much of their peak is reached, and what an hour of one costs in dollars."""

    card: Card
    count: int
    mfu: float
    dollars_per_hour: float

    def hours(self, flops: float) -> float:
        """From first to last."""
        return flops / (self.count * self.card.flops * self.mfu) / 3600

    def dollars(self, flops: float) -> float:
        """Of all cards."""
        return self.hours(flops) * self.count * self.dollars_per_hour


@dataclass(frozen=True)
class Fit:
    """How one way to lay out a run, the model spread over `shards` cards, sits in the memory of one: with `rows` rows
    at once, and the most that would fit."""

    layout: Layout
    shards: int
    recompute: bool
    rows: int
    memory: Memory
    fits: bool
    most_rows: int


def work(config: TrainingConfig, task: Objective) -> Work:
    """Over all stretches of the run."""
    flops = sum(
        (stretch.stop_step - stretch.first_step)
        * stretch.batch_rows
        * config.model.flops(planned_positions(task, stretch.context))
        for stretch in config.stretches
    )
    return Work(config.model.n_params(), config.steps, config.tokens_after(config.steps), flops)


def planned_positions(task: Objective, row_len: int) -> Positions:
    """What a model will read of a row; of an encoder's targets as many as the objective's density makes."""
    features = task.features(row_len)
    targets = features["targets_T"].length
    if task.kind == "encoder":
        targets = bert_count(targets, getattr(task, "density", 1.0), getattr(task, "max_predictions", None))
    return positions(features, targets)


def fits(config: TrainingConfig, task: Objective, cards: Cards) -> list[Fit]:
    """Each layout that so many cards allow, as it is and with activations computed again; ConfigError where the rows of
    a step do not split evenly over them."""
    for stretch in config.stretches:
        if stretch.batch_rows % cards.count:
            raise ConfigError(
                f"batch_rows {stretch.batch_rows} does not split over {cards.count} cards; take a number of cards that "
                f"divides it"
            )
    share = config.stretches[-1].batch_rows // cards.count
    row, precision = planned_positions(task, config.model.context), precision_on(config, cards.card)
    usable = USABLE * cards.card.memory_gib * 2**30

    def fit(layout: Layout, shards: int, recompute: bool) -> Fit:
        def held(rows: int) -> Memory:
            return memory(config, row, precision, rows=rows, shards=shards, recompute=recompute)

        rows = min(config.run.micro_rows or share, share)
        most = bisect_right(range(1, share + 1), usable, key=lambda rows: held(rows).total)
        return Fit(layout, shards, recompute, rows, held(rows), rows <= most, most)

    layouts = layouts_of(config, cards.count).items()
    return [fit(layout, shards, recompute) for layout, shards in layouts for recompute in (False, True)]


def layouts_of(config: TrainingConfig, n_cards: int) -> dict[Layout, int]:
    """Over how many cards each layout spreads a model; stacks that share their weights cannot be spread."""
    if n_cards == 1:
        return {"one card": 1}
    found: dict[Layout, int] = {"ddp": 1}
    shards = config.run.shards or PER_NODE
    if not config.model.shared:
        found["fsdp"] = n_cards
        if shards < n_cards and n_cards % shards == 0:
            found["hsdp"] = shards
    return found


def precision_on(config: TrainingConfig, card: Card) -> str:
    """What "auto" is there (training/placement.py)."""
    if config.precision != "auto":
        return config.precision
    return "bf16-mixed" if card.dtype == "bfloat16" else "32-true"
