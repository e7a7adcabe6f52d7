"""What `millstream budget` tells: what a recipe's training costs, whether it fits, what else its FLOPs could buy."""

import json as json_text
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from corpus.errors import ConfigError
from pipelines.recipe import load
from pipelines.training_plan import planned_objective, training_config
from pipelines.wording import listed
from training.budget import MFU, USABLE, Cards, Fit, Work, fits, work
from training.cards import CARDS, card_of
from training.scaling_laws import Optimal, optima, verdict

PARTS = ("weights", "gradients", "optimizer", "gathered", "activations", "loss")


def budget(
    name: str, sets: Sequence[str], card: str, n_cards: int, mfu: float | None, price: float | None,
    flops: float | None, as_json: bool,
) -> None:  # fmt: skip
    """Prints the plan; ConfigError for a recipe that trains nothing, a card that is not known, a share that is none."""
    recipe, cards = load(name, sets), _cards(card, n_cards, mfu, price)
    if recipe.training is None or recipe.tokenizer is None:
        raise ConfigError(f"recipe {recipe.name} has no training section; add one, or take one that trains: gpt2_small")
    if flops is not None and not flops > 0:
        raise ConfigError(f"--flops {flops:g}: it must be above 0")
    config, task = training_config(recipe, recipe.tokenizer.vocab_size), planned_objective(recipe)
    planned, layouts = work(config, task), fits(config, task, cards)
    best = optima(flops or planned.flops)
    if as_json:
        said = _plain(planned, cards, layouts, best) | {"recipe": recipe.name, "family": config.model.family}
        sys.stdout.write(json_text.dumps(said, indent=2) + "\n")
        return
    console = Console()
    about = f"  {config.model.family}, {planned.n_params:,} parameters"
    console.print(Text(recipe.name, "bold") + Text(about, "not bold"))
    console.print(_costs(planned, cards))
    for line in _memory(layouts, cards):
        console.print(line)
    for line in _optima(best, planned, flops):
        console.print(line)


def _cards(name: str, count: int, mfu: float | None, price: float | None) -> Cards:
    card = CARDS.get(name) or card_of(name)
    if card is None:
        meant = " or ".join([known for known in CARDS if known.startswith(name)] or get_close_matches(name, CARDS))
        guess = f"did you mean {meant}? " if meant else ""
        raise ConfigError(f"--card {name} is unknown; {guess}known: {listed([*CARDS])}")
    share = MFU if mfu is None else mfu
    if not 0 < share <= 1:
        raise ConfigError(f"--mfu {share:g}: a share of the peak, above 0 and at most 1; {MFU} is usual")
    if price is not None and price < 0:
        raise ConfigError(f"--price {price:g}: dollars an hour for one card, 0 or more")
    return Cards(card, count, share, card.dollars_per_hour if price is None else price)


def _plain(planned: Work, cards: Cards, layouts: Sequence[Fit], best: Sequence[Optimal]) -> dict[str, Any]:
    """All of it as JSON has it."""
    return {
        **asdict(planned),
        "flops_per_token": planned.flops_per_token,
        "tokens_per_param": planned.tokens_per_param,
        "verdict": verdict(planned.n_params, planned.tokens),
        "cards": asdict(cards),
        "hours": cards.hours(planned.flops),
        "dollars": cards.dollars(planned.flops),
        "layouts": [asdict(fit) | {"total": fit.memory.total} for fit in layouts],
        "optima": [asdict(optimal) for optimal in best],
    }


def _costs(planned: Work, cards: Cards) -> Padding:
    """Names and numbers, one under the other."""
    card, hours = cards.card, cards.hours(planned.flops)
    speed = planned.tokens / hours / 3600
    said = {
        "tokens": f"{planned.tokens:,} in {planned.steps:,} steps",
        "FLOPs": f"{planned.flops:.3g}, {planned.flops_per_token:.3g} a token",
        "cards": f"{cards.count} x {card.name}, {card.flops / 1e12:,.0f} TFLOP/s ({card.dtype}), {cards.mfu:.0%} of it",
        "time": f"{_time(hours)}, {speed:,.0f} tokens a second",
        "cost": f"${cards.dollars(planned.flops):,.2f} at ${cards.dollars_per_hour:,.2f} an hour for a card",
    }
    if card.dtype != "bfloat16":
        said["note"] = "no bfloat16 there: training is in float32, which comes nowhere near this peak; lower --mfu"
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, words in said.items():
        table.add_row(name, words)
    return Padding(table, (0, 0, 1, 2))


def _memory(layouts: Sequence[Fit], cards: Cards) -> Iterator[Any]:
    """What a card holds in each layout, in GiB."""
    room = cards.card.memory_gib * USABLE
    yield Text(f"memory of a card in GiB with {layouts[0].rows:,} rows at once, estimated; {room:.1f} can be used")
    table = _table("", *(_heading(fit) for fit in layouts))
    for part in PARTS:
        sizes = [getattr(fit.memory, part) for fit in layouts]
        if any(sizes):
            table.add_row(part, *map(_gib, sizes))
    table.add_row("in all", *(_gib(fit.memory.total) for fit in layouts), style="bold")
    table.add_row("fits", *("yes" if fit.fits else "[red]no[/]" for fit in layouts))
    table.add_row("most rows", *(f"{fit.most_rows:,}" for fit in layouts))
    yield Padding(table, (0, 0, 1, 2))


def _heading(fit: Fit) -> str:
    """`fsdp 64` and what it does, on two lines."""
    return f"{fit.layout}{f' {fit.shards}' if fit.shards > 1 else ''}\n{'recomputing' if fit.recompute else ''}"


def _gib(size: int) -> str:
    return f"{size / 2**30:,.{2 if size < 2**30 else 1}f}" if size else ""


def _optima(best: Sequence[Optimal], planned: Work, flops: float | None) -> Iterator[Any]:
    """What the FLOPs could buy at best, by each law, and what the recipe makes of its own."""
    yield Text(f"lowest loss of a decoder for {flops or planned.flops:.3g} FLOPs")
    table = _table("", "parameters", "tokens", "tokens a parameter")
    for optimal in best:
        table.add_row(optimal.law, *_size(optimal.n_params, optimal.tokens))
    if flops is None:
        table.add_row("this recipe", *_size(planned.n_params, planned.tokens), style="bold")
    yield Padding(table, (0, 0, 0, 2))
    if flops is None:
        yield Padding(verdict(planned.n_params, planned.tokens), (0, 0, 0, 2))


def _size(n_params: float, tokens: float) -> tuple[str, str, str]:
    return _short(n_params), _short(tokens), f"{tokens / n_params:.1f}"


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for at, name in enumerate(names):
        table.add_column(name, justify="right" if at else "left", no_wrap=True)
    return table


def _short(number: float) -> str:
    """`1.10 B`: millions, billions or trillions."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if number >= size:
            return f"{number / size:,.2f} {letter}"
    return f"{number:,.0f}"


def _time(hours: float) -> str:
    for size, unit in ((24, "days"), (1, "hours"), (1 / 60, "minutes")):
        if hours >= 2 * size:
            return f"{hours / size:,.1f} {unit}"
    return f"{hours * 3600:,.1f} seconds"
