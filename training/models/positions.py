"""Where a token stands: in its document, as a rotation, as a bucket of distances. Legend: B batch, T tokens, K keys,
H heads, E width of one head, e = E / 2."""

import math

import torch
from torch import Tensor
from torch.nn import functional

Rotation = tuple[Tensor, Tensor]


def positions(tokens_BT: Tensor, segments_BT: Tensor | None, offset: int = 0) -> Tensor:
    """Each token's position, from 0 in its document; [1, T] where a row is one text. `offset` tokens came before."""
    if segments_BT is None:
        return torch.arange(offset, offset + tokens_BT.shape[1], device=tokens_BT.device)[None]
    return document_positions(segments_BT)


def document_positions(segments_BT: Tensor) -> Tensor:
    """[[4, 4, 4, 5, 5]] -> [[0, 1, 2, 0, 1]]."""
    index_BT = torch.arange(segments_BT.shape[1], device=segments_BT.device).expand_as(segments_BT)
    starts_BT = functional.pad(segments_BT[:, 1:] != segments_BT[:, :-1], (1, 0), value=True)
    return index_BT - torch.where(starts_BT, index_BT, 0).cummax(dim=1).values


def rotary(positions_BT: Tensor, head_width: int, base: float) -> Rotation:
    """Cosine and sine, each B x 1 x T x e, of position / base^(2i / E) (Su et al. 2021)."""
    exponent_e = torch.arange(0, head_width, 2, device=positions_BT.device) / head_width
    angle_BTe = positions_BT[..., None].float() * base**-exponent_e
    return angle_BTe.cos()[:, None], angle_BTe.sin()[:, None]


def rotate(x_BHTE: Tensor, rotation: Rotation) -> Tensor:
    """Each pair (i, i + E/2) turned by its angle: a query's product with a key then depends on their distance only.
    Pairs are halves apart, as in Hugging Face's Llama, not neighbours as in the paper: a fixed permutation."""
    cos, sin = (part.to(x_BHTE.dtype) for part in rotation)
    first, second = x_BHTE.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def relative_buckets(distance_TK: Tensor, *, buckets: int, longest: int, both_ways: bool) -> Tensor:
    """The bucket of each distance key - query (Raffel et al. 2020, section 2.1; mesh_tensorflow's
    _relative_position_bucket): half of the buckets are single distances, the rest grow logarithmically up to
    `longest`, beyond which all share the last. `both_ways` halves the buckets between before and after; else what
    comes after counts as distance 0.
    """
    bucket_TK = torch.zeros_like(distance_TK)
    if both_ways:
        buckets //= 2
        bucket_TK = bucket_TK + (distance_TK > 0) * buckets
        back_TK = distance_TK.abs()
    else:
        back_TK = (-distance_TK).clamp(min=0)
    exact = buckets // 2
    share_TK = torch.log(back_TK.clamp(min=1).float() / exact) / math.log(longest / exact)
    far_TK = (exact + (share_TK * (buckets - exact)).long()).clamp(max=buckets - 1)
    return bucket_TK + torch.where(back_TK < exact, back_TK, far_TK)
