"""What attention may see, as one predicate: same document AND (anything | no later position | no later one, or prefix).

The explicit mask that SDPA takes on a CPU and FlexAttention's block mask on a GPU are made from the same function.
Legend: B batch, T queries, K keys.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask

See = Literal["all", "past"]


@dataclass(frozen=True, kw_only=True)
class Mask:
    """Query i of row b sees key j where both are of one document, and, under "past", j <= i + offset or j is prefix.

    Documents are numbers per position (padding is 0, and sees padding); None is one document a row. `prefix_BK` is
    true where every position of the document may look. `offset` is the position of the first query: above 0 when
    keys of earlier tokens come from a cache. `seen` is the mask written out, which all layers share.
    """

    see: See = "all"
    queries_BT: Tensor | None = None
    keys_BK: Tensor | None = None
    prefix_BK: Tensor | None = None
    offset: int = 0
    seen: Tensor | BlockMask | None = None

    @classmethod
    def within(cls, segments_BT: Tensor | None, see: See, prefix_BT: Tensor | None = None, offset: int = 0) -> "Mask":
        """Attention of positions to each other."""
        prefix_BK = None if prefix_BT is None else prefix_BT.bool()
        return cls(see=see, queries_BT=segments_BT, keys_BK=segments_BT, prefix_BK=prefix_BK, offset=offset)

    @classmethod
    def across(cls, tokens_BT: Tensor, segments_BT: Tensor | None, input_segments_BK: Tensor | None) -> "Mask":
        """Attention of a decoder's tokens to an encoder's output; tokens without segments are of document 1."""
        queries_BT = torch.ones_like(tokens_BT) if segments_BT is None else segments_BT
        return cls(queries_BT=queries_BT, keys_BK=input_segments_BK)

    @property
    def plain(self) -> bool:
        """Whether nothing but the order of positions decides."""
        return self.keys_BK is None and self.prefix_BK is None

    def prepared(self, tokens_BT: Tensor, K: int | None = None, *, biased: bool = False) -> "Mask":
        """Written out once for all layers, if more than the order of positions decides: for FlexAttention on a GPU,
        else for SDPA, as where biases are added to the products. K is the number of keys, if not of `offset` + T."""
        if self.plain:
            return self
        (B, T), device = tokens_BT.shape, tokens_BT.device
        make = self.blocks if tokens_BT.is_cuda and not biased else self.dense
        return replace(self, seen=make(B, T, K or self.offset + T, device))

    def visible(self, b: Tensor, i: Tensor, j: Tensor) -> Tensor:
        """The predicate, for indices that broadcast."""
        seen = torch.ones_like(i + j, dtype=torch.bool) if self.see == "all" else i + self.offset >= j
        if self.prefix_BK is not None:
            seen = seen | self.prefix_BK[b, j]
        if self.queries_BT is not None and self.keys_BK is not None:
            seen = seen & (self.queries_BT[b, i] == self.keys_BK[b, j])
        return seen

    def dense(self, B: int, T: int, K: int, device: torch.device) -> Tensor:
        """B x 1 x T x K, true where a query sees a key; B is 1 where rows do not differ."""
        b, i, j = (torch.arange(n, device=device) for n in (1 if self.plain else B, T, K))
        return self.visible(b[:, None, None], i[None, :, None], j[None, None, :])[:, None]

    def blocks(self, B: int, T: int, K: int, device: torch.device) -> BlockMask:
        """The same for FlexAttention."""
        return create_block_mask(
            lambda b, h, i, j: self.visible(b, i, j), None if self.plain else B, None, T, K, device=device
        )
