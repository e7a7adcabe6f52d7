"""Which steps read rows of which length: a curriculum, as arithmetic on the number of a step. No torch.

curriculum [(context 128, share 0.9)], context 512, 10 steps   ->   steps 0 .. 8 read rows of 128, step 9 of 512
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from corpus.errors import ConfigError

ROWS = 16  # of a step, where nothing is said


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A share of the steps on rows shorter than the model's context, of as many rows a step unless said."""

    context: int
    share: float
    batch_rows: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ConfigError(f"curriculum: share is {self.share}; it must be above 0 and below 1")
        for name in ("context", "batch_rows"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"curriculum: {name} is {value}; it must be 1 or more")


class Stretch(NamedTuple):
    """Steps first_step .. stop_step - 1 read `batch_rows` rows of `context` tokens each."""

    first_step: int
    stop_step: int
    context: int
    batch_rows: int

    @property
    def tokens(self) -> int:
        """Of one step."""
        return self.batch_rows * self.context


def stretches(
    curriculum: Sequence[Phase], context: int, steps: int, *, batch_rows: int | None, batch_tokens: int | None
) -> tuple[Stretch, ...]:
    """The phases in order, and the rest of the steps on rows of the whole context; ConfigError where the shares leave
    none, or a batch of so many tokens is not a whole number of rows."""
    ends = [round(steps * sum(phase.share for phase in curriculum[: n + 1])) for n in range(len(curriculum))]
    asked = [(phase.context, phase.batch_rows or batch_rows or ROWS) for phase in curriculum]
    found, start = [], 0
    for (length, rows), stop in zip([*asked, (context, batch_rows or ROWS)], [*ends, steps], strict=True):
        if stop > start:
            found.append(Stretch(start, stop, length, rows if batch_tokens is None else _rows(batch_tokens, length)))
        start = stop
    if start > steps or found[-1].context != context:
        raise ConfigError("the curriculum's shares leave no step for rows of the whole context; make them smaller")
    return tuple(found)


def _rows(batch_tokens: int, length: int) -> int:
    if batch_tokens % length:
        raise ConfigError(
            f"batch_tokens {batch_tokens} is not a whole number of rows of {length} tokens; take a multiple of {length}"
        )
    return batch_tokens // length


def at(some: Sequence[Stretch], step: int) -> int:
    """The number of the stretch that a step is in; the last one's after the end."""
    return next((n for n, stretch in enumerate(some) if step < stretch.stop_step), len(some) - 1)


def tokens_after(some: Sequence[Stretch], step: int) -> int:
    """Tokens that the steps before `step` read, 0 .. step - 1."""
    return sum(max(0, min(step, stretch.stop_step) - stretch.first_step) * stretch.tokens for stretch in some)
