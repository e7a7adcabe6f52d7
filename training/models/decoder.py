"""A decoder in the manner of Llama: RMSNorm before each block, rotary positions, grouped queries, SwiGLU, no biases.

Legend: B batch, T tokens of a row, V vocabulary, D width, H heads, K heads of keys and values, E width of one head.

Rows may hold several documents. With `segments_BT` a token attends only inside its own document and positions start
again at each document; without, a row is one text. Restarting positions alone would still leak across documents.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.spec import ModelSpec

INIT_STD = 0.02  # GPT-2's


class Decoder(nn.Module):
    """Logits for the next token at each position."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.embedding = nn.Embedding(spec.vocab, spec.width)
        self.blocks = nn.ModuleList(Block(spec) for _ in range(spec.layers))
        self.norm = nn.RMSNorm(spec.width, eps=spec.norm_eps)
        self.output = nn.Linear(spec.width, spec.vocab, bias=False)
        if spec.tied:
            self.output.weight = self.embedding.weight
        self.apply(_init)

    def forward(self, tokens_BT: Tensor, segments_BT: Tensor | None = None) -> Tensor:
        """logits_BTV."""
        logits_BTV: Tensor = self.output(self.hidden(tokens_BT, segments_BT))
        return logits_BTV

    def hidden(self, tokens_BT: Tensor, segments_BT: Tensor | None = None) -> Tensor:
        """What the output matrix reads, BTD: a loss can then make logits in pieces."""
        T = tokens_BT.shape[1]
        if segments_BT is None:
            positions_BT, mask_B1TT = torch.arange(T, device=tokens_BT.device)[None], None
        else:
            positions_BT, mask_B1TT = document_positions(segments_BT), document_mask(segments_BT)
        rotation = rotary(positions_BT, self.spec.head_width, self.spec.rope_base)
        x_BTD = self.embedding(tokens_BT)
        for block in self.blocks:
            x_BTD = block(x_BTD, rotation, mask_B1TT)
        hidden_BTD: Tensor = self.norm(x_BTD)
        return hidden_BTD


class Block(nn.Module):
    """Attention, then SwiGLU, each added to the stream."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(spec.width, eps=spec.norm_eps)
        self.attention = Attention(spec)
        self.ffn_norm = nn.RMSNorm(spec.width, eps=spec.norm_eps)
        self.ffn = SwiGLU(spec)

    def forward(self, x_BTD: Tensor, rotation: tuple[Tensor, Tensor], mask_B1TT: Tensor | None) -> Tensor:
        x_BTD = x_BTD + self.attention(self.attention_norm(x_BTD), rotation, mask_B1TT)
        out_BTD: Tensor = x_BTD + self.ffn(self.ffn_norm(x_BTD))
        return out_BTD


class Attention(nn.Module):
    """Causal attention; several heads of queries may share one of keys and values (Ainslie et al. 2023).

    With `qk_norm`, queries and keys have unit scale and no gains of their own (Henry et al. 2020): what a score can
    reach is bounded, so learning rates can be high.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_width = spec.heads, spec.kv_heads, spec.head_width
        self.norm_eps = spec.norm_eps if spec.qk_norm else None
        kv_width = spec.kv_heads * spec.head_width
        self.query = nn.Linear(spec.width, spec.width, bias=False)
        self.key = nn.Linear(spec.width, kv_width, bias=False)
        self.value = nn.Linear(spec.width, kv_width, bias=False)
        self.out = nn.Linear(spec.width, spec.width, bias=False)

    def forward(self, x_BTD: Tensor, rotation: tuple[Tensor, Tensor], mask_B1TT: Tensor | None) -> Tensor:
        B, T, D = x_BTD.shape
        q_BTHE = self.query(x_BTD).view(B, T, self.heads, self.head_width)
        k_BTKE = self.key(x_BTD).view(B, T, self.kv_heads, self.head_width)
        v_BTKE = self.value(x_BTD).view(B, T, self.kv_heads, self.head_width)
        if self.norm_eps is not None:
            q_BTHE, k_BTKE = (functional.rms_norm(x, (self.head_width,), eps=self.norm_eps) for x in (q_BTHE, k_BTKE))
        mixed_BHTE = functional.scaled_dot_product_attention(
            rotate(q_BTHE, rotation).transpose(1, 2),
            rotate(k_BTKE, rotation).transpose(1, 2),
            v_BTKE.transpose(1, 2),
            attn_mask=mask_B1TT,
            is_causal=mask_B1TT is None,
            enable_gqa=self.heads != self.kv_heads,
        )
        out_BTD: Tensor = self.out(mixed_BHTE.transpose(1, 2).reshape(B, T, D))
        return out_BTD


class SwiGLU(nn.Module):
    """down(silu(gate(x)) * up(x)) (Shazeer 2020)."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.gate = nn.Linear(spec.width, spec.ffn, bias=False)
        self.up = nn.Linear(spec.width, spec.ffn, bias=False)
        self.down = nn.Linear(spec.ffn, spec.width, bias=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        out_BTD: Tensor = self.down(functional.silu(self.gate(x_BTD)) * self.up(x_BTD))
        return out_BTD


def rotary(positions_BT: Tensor, head_width: int, base: float) -> tuple[Tensor, Tensor]:
    """Cosine and sine, each B x T x 1 x E/2, of position / base^(2i / E) (Su et al. 2021)."""
    exponent_e = torch.arange(0, head_width, 2, device=positions_BT.device) / head_width
    angle_BTe = positions_BT[..., None].float() * base**-exponent_e
    return angle_BTe.cos()[:, :, None], angle_BTe.sin()[:, :, None]


def rotate(x_BTHE: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Each pair (i, i + E/2) turned by its angle: a query's product with a key then depends on their distance only.
    Pairs are halves apart, as in Hugging Face's Llama, not neighbours as in the paper: a fixed permutation."""
    cos, sin = (part.to(x_BTHE.dtype) for part in rotation)
    first, second = x_BTHE.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def document_mask(segments_BT: Tensor) -> Tensor:
    """B x 1 x T x T, true where a token may look: not ahead, and in its own document."""
    T = segments_BT.shape[1]
    causal_TT = torch.ones(T, T, dtype=torch.bool, device=segments_BT.device).tril()
    same_BTT = segments_BT[:, :, None] == segments_BT[:, None, :]
    return (same_BTT & causal_TT)[:, None]


def document_positions(segments_BT: Tensor) -> Tensor:
    """[[4, 4, 4, 5, 5]] -> [[0, 1, 2, 0, 1]]."""
    index_BT = torch.arange(segments_BT.shape[1], device=segments_BT.device).expand_as(segments_BT)
    starts_BT = functional.pad(segments_BT[:, 1:] != segments_BT[:, :-1], (1, 0), value=True)
    return index_BT - torch.where(starts_BT, index_BT, 0).cummax(dim=1).values


def _init(module: nn.Module) -> None:
    """Small normal weights; zero where a branch joins the stream, so that a fresh model is the identity on it and
    its loss is near ln V (muP and modded-nanogpt start alike)."""
    if isinstance(module, nn.Embedding | nn.Linear):
        nn.init.normal_(module.weight, std=INIT_STD)
    if isinstance(module, Attention):
        nn.init.zeros_(module.out.weight)
    if isinstance(module, SwiGLU):
        nn.init.zeros_(module.down.weight)
