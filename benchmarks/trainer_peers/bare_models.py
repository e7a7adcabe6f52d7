"""GPT-2, BERT and T5 with nothing but what training them needs, from torch's own layers: the yardstick.

Queries, keys and values come from one matrix; only masked positions meet BERT's head. Weights are those of our models
under the same names, but for the matrices that are put together (`fused`). No dropout.
Legend: B batch, T tokens, K keys, N targets, D width, H heads.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from bare_loss import mean_nats
from job import IGNORED, Job
from torch import Tensor, nn
from torch.nn import functional

Batch = Mapping[str, Tensor]


class Attention(nn.Module):
    """Attention to itself, or with `cross` to an encoder's output."""

    def __init__(self, spec: Mapping[str, Any], *, bias: bool, scale: float | None = None, cross: bool = False) -> None:
        super().__init__()
        self.heads, self.scale = spec["heads"], scale
        width, inner = spec["width"], spec["heads"] * spec.get("head_width", spec["width"] // spec["heads"])
        if cross:
            self.query, self.kv = nn.Linear(width, inner, bias=bias), nn.Linear(width, 2 * inner, bias=bias)
        else:
            self.qkv = nn.Linear(width, 3 * inner, bias=bias)
        self.out = nn.Linear(inner, width, bias=bias)

    def forward(
        self, x_BTD: Tensor, *, causal: bool = False, bias_HTK: Tensor | None = None, source_BKD: Tensor | None = None
    ) -> Tensor:
        if source_BKD is None:
            q, k, v = (self._heads(part) for part in self.qkv(x_BTD).chunk(3, dim=-1))
        else:
            q, (k, v) = self._heads(self.query(x_BTD)), (self._heads(p) for p in self.kv(source_BKD).chunk(2, dim=-1))
        mask = None if bias_HTK is None else bias_HTK[None].to(q.dtype)
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, scale=self.scale)
        return self.out(y.transpose(1, 2).flatten(2))

    def _heads(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class FeedForward(nn.Module):
    """down(act(up(x)))."""

    def __init__(self, spec: Mapping[str, Any], act: Any, *, bias: bool) -> None:
        super().__init__()
        self.act = act
        self.up = nn.Linear(spec["width"], spec["ffn"], bias=bias)
        self.down = nn.Linear(spec["ffn"], spec["width"], bias=bias)

    def forward(self, x_BTD: Tensor) -> Tensor:
        return self.down(self.act(self.up(x_BTD)))


class Block(nn.Module):
    """GPT-2's norms come before (`post` False), BERT's after; T5's have neither bias nor mean, and may look across."""

    def __init__(self, spec: Mapping[str, Any], act: Any, *, post: bool = False, t5: bool = False, cross: bool = False):
        super().__init__()
        norm = nn.RMSNorm if t5 else nn.LayerNorm
        scale = 1.0 if t5 else None
        self.post = post
        self.attention_norm = norm(spec["width"], eps=spec["norm_eps"])
        self.attention = Attention(spec, bias=not t5, scale=scale)
        if cross:
            self.cross_norm = norm(spec["width"], eps=spec["norm_eps"])
            self.cross = Attention(spec, bias=not t5, scale=scale, cross=True)
        self.ffn_norm = norm(spec["width"], eps=spec["norm_eps"])
        self.ffn = FeedForward(spec, act, bias=not t5)

    def forward(self, x: Tensor, *, source_BKD: Tensor | None = None, **how: Any) -> Tensor:
        if self.post:
            x = self.attention_norm(x + self.attention(x, **how))
            return self.ffn_norm(x + self.ffn(x))
        x = x + self.attention(self.attention_norm(x), **how)
        if source_BKD is not None:
            x = x + self.cross(self.cross_norm(x), source_BKD=source_BKD)
        return x + self.ffn(self.ffn_norm(x))


def gelu_tanh(x: Tensor) -> Tensor:
    """GPT-2's GELU."""
    return functional.gelu(x, approximate="tanh")


class Embedded(nn.Module):
    """Embeddings and blocks."""

    def __init__(self, spec: Mapping[str, Any], *, types: int = 0, **block: Any) -> None:
        super().__init__()
        self.tokens = nn.Embedding(spec["vocab"], spec["width"])
        self.positions = nn.Embedding(spec["context"], spec["width"])
        if types:
            self.types = nn.Embedding(types, spec["width"])
            self.norm = nn.LayerNorm(spec["width"], eps=spec["norm_eps"])
        self.blocks = nn.ModuleList(Block(spec, **block) for _ in range(spec["layers"]))

    def forward(self, tokens_BT: Tensor, **how: Any) -> Tensor:
        x = self.tokens(tokens_BT) + self.positions.weight[: tokens_BT.shape[1]]
        if hasattr(self, "types"):
            x = self.norm(x + self.types.weight[0])
        for block in self.blocks:
            x = block(x, **how)
        return x


class Gpt2(nn.Module):
    """Loss of the next tokens."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        super().__init__()
        self.decoder = Embedded(spec, act=gelu_tanh)
        self.norm = nn.LayerNorm(spec["width"], eps=spec["norm_eps"])

    def _hidden(self, batch: Batch) -> Tensor:
        return self.norm(self.decoder(batch["tokens"], causal=True))

    def logits(self, batch: Batch) -> Tensor:
        return functional.linear(self._hidden(batch), self.decoder.tokens.weight)

    def forward(self, batch: Batch) -> Tensor:
        return mean_nats(self._hidden(batch).flatten(0, 1), self.decoder.tokens.weight, batch["targets"].flatten())


class Bert(nn.Module):
    """Loss of the masked tokens; a batch says beside them where they are (`prepared`)."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        super().__init__()
        self.encoder = Embedded(spec, types=2, act=functional.gelu, post=True)
        self.masked_head = nn.ModuleDict(
            {
                "dense": nn.Linear(spec["width"], spec["width"]),
                "norm": nn.LayerNorm(spec["width"], eps=spec["norm_eps"]),
            }
        )
        self.output = nn.Linear(spec["width"], spec["vocab"])
        self.output.weight = self.encoder.tokens.weight

    def _head(self, x: Tensor) -> Tensor:
        return self.masked_head["norm"](functional.gelu(self.masked_head["dense"](x)))

    def logits(self, batch: Batch) -> Tensor:
        return self.output(self._head(self.encoder(batch["tokens"])))

    def forward(self, batch: Batch) -> Tensor:
        chosen_ND = self.encoder(batch["tokens"]).flatten(0, 1)[batch["at"]]
        return mean_nats(self._head(chosen_ND), self.output.weight, batch["chosen_targets"], self.output.bias)


class Stack(nn.Module):
    """T5's blocks, which share their biases of distances."""

    def __init__(self, spec: Mapping[str, Any], *, encoder: bool) -> None:
        super().__init__()
        self.is_encoder = encoder
        self.distances = nn.Embedding(32, spec["heads"])
        blocks = (Block(spec, functional.relu, t5=True, cross=not encoder) for _ in range(spec["layers"]))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.RMSNorm(spec["width"], eps=spec["norm_eps"])

    def forward(self, x: Tensor, source_BKD: Tensor | None = None) -> Tensor:
        at_T = torch.arange(x.shape[1], device=x.device)
        bucket_TT = buckets(at_T[None] - at_T[:, None], both_ways=self.is_encoder)
        bias_HTT = self.distances(bucket_TT).permute(2, 0, 1)
        if not self.is_encoder:
            bias_HTT = bias_HTT.masked_fill(at_T[None] > at_T[:, None], -torch.inf)
        for block in self.blocks:
            x = block(x, bias_HTK=bias_HTT, source_BKD=source_BKD)
        return self.norm(x)


def buckets(distance_TK: Tensor, *, both_ways: bool, n: int = 32, longest: int = 128) -> Tensor:
    """Of key - query (Raffel et al. 2020, section 2.1; mesh_tensorflow, _relative_position_bucket)."""
    n = n // 2 if both_ways else n
    side_TK = n * (distance_TK > 0) if both_ways else 0
    back_TK = distance_TK.abs() if both_ways else (-distance_TK).clamp(min=0)
    far_TK = n // 2 + (torch.log(back_TK.clamp(min=1) / (n // 2)) / math.log(longest / (n // 2)) * (n - n // 2)).long()
    return side_TK + torch.where(back_TK < n // 2, back_TK, far_TK.clamp(max=n - 1))


class T5(nn.Module):
    """Loss of the targets."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(spec["vocab"], spec["width"])
        self.encoder, self.decoder = Stack(spec, encoder=True), Stack(spec, encoder=False)

    def _hidden(self, batch: Batch) -> Tensor:
        memory_BKD = self.encoder(self.embedding(batch["inputs"]))
        hidden_BTD = self.decoder(self.embedding(batch["tokens"]), memory_BKD)
        return hidden_BTD * hidden_BTD.shape[-1] ** -0.5  # the embedding is the output matrix

    def logits(self, batch: Batch) -> Tensor:
        return functional.linear(self._hidden(batch), self.embedding.weight)

    def forward(self, batch: Batch) -> Tensor:
        return mean_nats(self._hidden(batch).flatten(0, 1), self.embedding.weight, batch["targets"].flatten())


MODELS = {"gpt2": Gpt2, "bert": Bert, "t5": T5}


def prepared(job: Job, batch: Batch) -> Batch:
    """The batch as these models read it: BERT's with the places of its targets, whose number never changes."""
    if job.family != "bert":
        return batch
    targets_N = batch["targets"].flatten()
    at_N = (targets_N != IGNORED).nonzero()[:, 0]
    return {"tokens": batch["tokens"], "at": at_N, "chosen_targets": targets_N[at_N]}


def fused(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Our weights as these models name them; a tied matrix under each of its names, and nothing that they have not."""
    made: dict[str, Tensor] = {}
    for name, tensor in state.items():
        part = re.fullmatch(r"(.*)\.(query|key|value)\.(weight|bias)", name)
        together = {"attention": "query", "cross": "key"}
        if part is None or (part[2] == "query" and part[1].endswith("cross")):
            made[name] = tensor
        elif part[2] == together[part[1].rpartition(".")[2]]:
            names = ("query", "key", "value") if part[2] == "query" else ("key", "value")
            new = f"{part[1]}.{'qkv' if part[2] == 'query' else 'kv'}.{part[3]}"
            made[new] = torch.cat([state[f"{part[1]}.{n}.{part[3]}"] for n in names])
    own = model.state_dict()
    tied = next(name for name in own if name.endswith(("tokens.weight", "embedding.weight")))
    shared = made.get("output.weight", made.get(tied))  # which of its names it was stored under
    return {name: shared if name in (tied, "output.weight") else made[name] for name in own}
