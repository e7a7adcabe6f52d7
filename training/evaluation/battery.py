"""All that a pretrained model is asked; no torch.

battery.jsonl, one line an item:    {"set": "clean", "kind": "held_out", "id": "4f..", "text": "..."}
                                    {"set": "blimp", "kind": "pairs", "id": "..", "good": "..", "bad": "..", ...}
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from training.evaluation.items import Choices, Completion, MinimalPair

HELD_OUT = "held_out"


class Document(NamedTuple):
    """A text of a held-out set."""

    id: str
    text: str


KINDS: dict[str, Callable[..., Any]] = {
    HELD_OUT: Document,
    "pairs": MinimalPair,
    "choices": Choices,
    "completions": Completion,
}


@dataclass(frozen=True)
class Battery:
    """Items by kind and by the name of their set."""

    items: Mapping[str, Mapping[str, Sequence[Any]]] = field(default_factory=dict)

    def of(self, kind: str) -> Mapping[str, Sequence[Any]]:
        """The sets of a kind."""
        return self.items.get(kind, {})

    def joined(self, kind: str, sets: Mapping[str, Sequence[Any]]) -> "Battery":
        """The same with more sets of a kind."""
        return Battery({**self.items, kind: {**sets, **self.of(kind)}})

    def without(self, left: Mapping[str, set[str]]) -> "Battery":
        """The same less the items of these ids, by set."""
        return Battery(
            {
                kind: {name: [i for i in items if i.id not in left.get(name, ())] for name, items in sets.items()}
                for kind, sets in self.items.items()
            }
        )

    def lines(self) -> Iterator[str]:
        """As they are stored."""
        for kind, sets in self.items.items():
            for name, items in sets.items():
                for item in items:
                    yield json.dumps({"set": name, "kind": kind, **item._asdict()}, ensure_ascii=False)

    @classmethod
    def read(cls, path: Path) -> "Battery":
        """What `lines` wrote."""
        found: dict[str, dict[str, list[Any]]] = {}
        with path.open(encoding="utf-8") as file:
            for line in file:
                said = json.loads(line)
                kind, name = said.pop("kind"), said.pop("set")
                plain = {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
                found.setdefault(kind, {}).setdefault(name, []).append(KINDS[kind](**plain))
        return cls(found)
