"""Attention that every family uses. Legend: B batch, T queries, K keys, D width, H heads, G heads of keys and values,
E width of one head."""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from training.models.cache import LayerCache
from training.models.mask import Mask
from training.models.positions import Rotation, rotate


class Attention(nn.Module):
    """Heads that mix values by products of queries and keys; several may share one of keys and values (Ainslie et al.
    2023). `scale` multiplies the products, 1 / sqrt(E) unless given. With `qk_norm_eps`, queries and keys have unit
    scale and no gains of their own (Henry et al. 2020): what a score can reach is bounded, so rates can be high.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        kv_heads: int | None = None,
        head_width: int | None = None,
        bias: bool = False,
        scale: float | None = None,
        qk_norm_eps: float | None = None,
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_width = heads, kv_heads or heads, head_width or width // heads
        self.scale, self.qk_norm_eps = scale, qk_norm_eps
        self.query = nn.Linear(width, self.heads * self.head_width, bias=bias)
        self.key = nn.Linear(width, self.kv_heads * self.head_width, bias=bias)
        self.value = nn.Linear(width, self.kv_heads * self.head_width, bias=bias)
        self.out = nn.Linear(self.heads * self.head_width, width, bias=bias)

    def forward(
        self,
        x_BTD: Tensor,
        mask: Mask,
        *,
        source_BKD: Tensor | None = None,
        rotation: Rotation | None = None,
        bias_HTK: Tensor | None = None,
        cache: LayerCache | None = None,
    ) -> Tensor:
        """x_BTD mixed from itself, or from `source_BKD` (an encoder's output, which a cache keeps). `bias_HTK` is added
        to the products."""
        q_BHTE = self._heads(self.query(x_BTD), self.heads)
        if source_BKD is None:
            k_BGKE, v_BGKE = self._pair(x_BTD)
            if self.qk_norm_eps is not None:
                q_BHTE, k_BGKE = (
                    functional.rms_norm(x, (self.head_width,), eps=self.qk_norm_eps) for x in (q_BHTE, k_BGKE)
                )
            if rotation is not None:
                q_BHTE, k_BGKE = rotate(q_BHTE, rotation), rotate(k_BGKE, rotation)
            if cache is not None:
                k_BGKE, v_BGKE = cache.extended(k_BGKE, v_BGKE)
        elif cache is not None:
            k_BGKE, v_BGKE = cache.once(lambda: self._pair(source_BKD))
        else:
            k_BGKE, v_BGKE = self._pair(source_BKD)
        mixed_BHTE = attend(q_BHTE, k_BGKE, v_BGKE, mask, bias_HTK, self.scale)
        out_BTD: Tensor = self.out(mixed_BHTE.transpose(1, 2).flatten(2))
        return out_BTD

    def _pair(self, source_BKD: Tensor) -> tuple[Tensor, Tensor]:
        return (
            self._heads(self.key(source_BKD), self.kv_heads),
            self._heads(self.value(source_BKD), self.kv_heads),
        )

    def _heads(self, x_BTD: Tensor, heads: int) -> Tensor:
        B, T, _ = x_BTD.shape
        return x_BTD.view(B, T, heads, self.head_width).transpose(1, 2)


def attend(
    q_BHTE: Tensor, k_BGKE: Tensor, v_BGKE: Tensor, mask: Mask, bias_HTK: Tensor | None, scale: float | None
) -> Tensor:
    """softmax(scale q k + bias) v over the keys that the mask shows: FlexAttention where the mask is written out in
    blocks (it has no backward on a CPU), else SDPA."""
    B, H, T, _ = q_BHTE.shape
    K, shared = k_BGKE.shape[2], k_BGKE.shape[1] != H
    if isinstance(mask.seen, BlockMask):
        mixed_BHTE: Tensor = _compiled()(q_BHTE, k_BGKE, v_BGKE, None, mask.seen, scale=scale, enable_gqa=shared)
        return mixed_BHTE
    seen = mask.seen
    causal = mask.see == "past" and mask.plain and bias_HTK is None and mask.offset == 0
    if seen is None and not causal and not (mask.see == "all" and mask.plain):
        seen = mask.dense(B, T, K, q_BHTE.device)
    if bias_HTK is not None:
        bias_1HTK = bias_HTK[None].to(q_BHTE.dtype)
        seen = bias_1HTK if seen is None else bias_1HTK.masked_fill(~seen, -torch.inf)
    return functional.scaled_dot_product_attention(
        q_BHTE, k_BGKE, v_BGKE, attn_mask=seen, is_causal=causal, scale=scale, enable_gqa=shared
    )


@cache
def _compiled() -> Any:
    """FlexAttention that never holds every product of a query and a key, as it does uncompiled."""
    return torch.compile(flex_attention)
