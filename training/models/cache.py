"""Keys and values of tokens that a decoder has seen, so that the next one costs one position. Legend: B K H E."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]


@dataclass
class LayerCache:
    """Of one layer: `own` grows token by token, `cross` is an encoder's output, made once."""

    own: Pair | None = None
    cross: Pair | None = None

    def extended(self, keys_BHTE: Tensor, values_BHTE: Tensor) -> Pair:
        """All keys and values so far, the new ones at the end."""
        if self.own is not None:
            keys_BHTE, values_BHTE = (
                torch.cat(pair, dim=2) for pair in zip(self.own, (keys_BHTE, values_BHTE), strict=True)
            )
        self.own = keys_BHTE, values_BHTE
        return self.own

    def once(self, make: Callable[[], Pair]) -> Pair:
        """What `make` gave the first time."""
        if self.cross is None:
            self.cross = make()
        return self.cross

    def select(self, rows_B: Tensor) -> None:
        """Goes on with these rows of the batch, in this order."""
        self.own, self.cross = (
            None if pair is None else (pair[0][rows_B], pair[1][rows_B]) for pair in (self.own, self.cross)
        )


@dataclass
class Cache:
    """Of a whole decoder."""

    layers: list[LayerCache] = field(default_factory=list)

    @classmethod
    def of(cls, n_layers: int) -> "Cache":
        """An empty one."""
        return cls([LayerCache() for _ in range(n_layers)])

    @property
    def length(self) -> int:
        """Tokens seen so far."""
        own = self.layers[0].own
        return 0 if own is None else own[0].shape[2]

    def select(self, rows_B: Tensor) -> None:
        """Goes on with these rows of the batch, in this order: what a beam search asks for."""
        for layer in self.layers:
            layer.select(rows_B)
