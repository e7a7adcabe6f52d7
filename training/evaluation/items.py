"""What a model is asked: pairs, choices, endings and labelled texts, whatever file they came from."""

from dataclasses import dataclass
from typing import Literal, NamedTuple


class MinimalPair(NamedTuple):
    """Two sentences that differ in one point of grammar (Warstadt et al. 2020, BLiMP, section 3)."""

    id: str
    good: str
    bad: str
    group: str  # the phenomenon


class Choices(NamedTuple):
    """Texts of which one is right: contexts with what follows each. Either side may be one text, repeated."""

    id: str
    contexts: tuple[str, ...]
    continuations: tuple[str, ...]
    gold: int


class Completion(NamedTuple):
    """A text whose end is to be guessed (Paperno et al. 2016, LAMBADA)."""

    id: str
    context: str
    continuation: str


class Labelled(NamedTuple):
    """One text or two, with the number of a label, or a score."""

    id: str
    first: str
    second: str | None
    label: int | float


@dataclass(frozen=True, kw_only=True)
class FineTask:
    """A task to be learnt from examples; without labels a regression. The first metric is the one that counts."""

    name: str
    suite: Literal["glue", "superglue"]
    fields: tuple[str, ...]  # what T5 calls the texts: "sentence1", "sentence2"
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    train: tuple[Labelled, ...]
    dev: tuple[Labelled, ...]
