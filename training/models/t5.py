"""T5 (Raffel et al. 2020, section 2.1): RMSNorm before each part, no biases, products of queries and keys as they are,
and for position a number added to them that depends on head and distance. Version 1.1 gates its feed-forward parts and
has an output matrix of its own. No dropout.

Legend: B batch, T tokens, I inputs of the encoder, K keys, D width, H heads.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from training.models.attention import Attention
from training.models.cache import Cache, LayerCache
from training.models.feedforward import FeedForward, GatedFeedForward
from training.models.mask import Mask
from training.models.model import Batch, Model
from training.models.positions import relative_buckets
from training.spec import ModelSpec


class Source(NamedTuple):
    """What an encoder made of its inputs, and what of it a token may see."""

    memory_BID: Tensor
    mask: Mask


class T5(Model):
    """Logits for the next token of the targets, in the light of the whole inputs. With segments a token sees the inputs
    of its own document only. With `shared`, encoder and decoder have one set of weights, to which the decoder adds its
    cross-attention (google-research/text-to-text-transfer-transformer, gin/models/bi_v1_shared.gin)."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.embedding = nn.Embedding(spec.vocab, spec.width)
        self.encoder = Stack(spec, spec.layers, both_ways=True)
        self.decoder = Stack(spec, spec.decoder_layers, both_ways=False, cross=True)
        if spec.shared:
            _share(self.encoder, self.decoder)
        self.output = _output_matrix(spec, self.embedding)
        _initialise(self)

    def encode(self, batch: Batch) -> Tensor:
        """memory_BID. Reads inputs, and input_segments where there are any."""
        mask = Mask.within(batch.get("input_segments"), "all").prepared(batch["inputs"], biased=True)
        memory_BID: Tensor = self.encoder(self.embedding(batch["inputs"]), mask)
        return memory_BID

    def hidden(self, batch: Batch, cache: Cache | None = None, memory: Tensor | None = None) -> Tensor:
        """BTD. Reads tokens, and segments and input_segments where there are any, and inputs unless `memory` is what
        `encode` made of them; with a cache, tokens that go on from it."""
        tokens_BT, segments_BT = batch["tokens"], batch.get("segments")
        mask = Mask.within(segments_BT, "past", offset=cache.length if cache else 0).prepared(tokens_BT, biased=True)
        memory_BID = self.encode(batch) if memory is None else memory
        across = Mask.across(tokens_BT, segments_BT, batch.get("input_segments"))
        source = Source(memory_BID, across.prepared(tokens_BT, memory_BID.shape[1]))
        hidden_BTD: Tensor = self.decoder(self.embedding(tokens_BT), mask, cache, source)
        return hidden_BTD

    def head(self, hidden_D: Tensor) -> Tensor:
        return _scaled(hidden_D, self.spec)


class T5LM(Model):
    """T5's decoder alone (Raffel et al. 2020, section 3.2.1): a language model, or a prefix LM where the batch has a
    prefix. `relative_both_ways` then tells distances after a token from those before it, as in
    mesh_tensorflow/transformer/transformer_layers.py (bidirectional = not fully_autoregressive)."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.embedding = nn.Embedding(spec.vocab, spec.width)
        self.decoder = Stack(spec, spec.layers, both_ways=spec.relative_both_ways)
        self.output = _output_matrix(spec, self.embedding)
        _initialise(self)

    def hidden(self, batch: Batch, cache: Cache | None = None) -> Tensor:
        """BTD. Reads tokens, and segments and prefix where there are any; with a cache, tokens that go on from it."""
        offset = cache.length if cache else 0
        mask = Mask.within(batch.get("segments"), "past", batch.get("prefix"), offset)
        mask = mask.prepared(batch["tokens"], biased=True)
        hidden_BTD: Tensor = self.decoder(self.embedding(batch["tokens"]), mask, cache)
        return hidden_BTD

    def head(self, hidden_D: Tensor) -> Tensor:
        return _scaled(hidden_D, self.spec)


class Stack(nn.Module):
    """Blocks that share their biases of distances, and a norm."""

    def __init__(self, spec: ModelSpec, layers: int, *, both_ways: bool, cross: bool = False) -> None:
        super().__init__()
        self.both_ways, self.longest = both_ways, spec.relative_distance
        self.distances = nn.Embedding(spec.relative_buckets, spec.heads)
        self.blocks = nn.ModuleList(Block(spec, cross=cross) for _ in range(layers))
        self.norm = nn.RMSNorm(spec.width, eps=spec.norm_eps)

    def forward(self, x_BTD: Tensor, mask: Mask, cache: Cache | None = None, source: Source | None = None) -> Tensor:
        bias_HTK = self.bias(mask.offset, x_BTD.shape[1])
        for n, block in enumerate(self.blocks):
            x_BTD = block(x_BTD, mask, bias_HTK, source, cache.layers[n] if cache else None)
        out_BTD: Tensor = self.norm(x_BTD)
        return out_BTD

    def bias(self, offset: int, T: int) -> Tensor:
        """bias_HTK of T queries after `offset` tokens. Within a document, distances in the row are its own."""
        at_K = torch.arange(offset + T, device=self.distances.weight.device)
        bucket_TK = relative_buckets(
            at_K - at_K[offset:, None],
            buckets=self.distances.num_embeddings,
            longest=self.longest,
            both_ways=self.both_ways,
        )
        bias_TKH: Tensor = self.distances(bucket_TK)
        return bias_TKH.permute(2, 0, 1)


class Block(nn.Module):
    """Attention to itself, perhaps to a source, then the feed-forward part, each added to the stream."""

    def __init__(self, spec: ModelSpec, *, cross: bool) -> None:
        super().__init__()
        self.attention_norm, self.attention = _norm(spec), _attention(spec)
        if cross:
            self.cross_norm, self.cross = _norm(spec), _attention(spec)
        self.ffn_norm = _norm(spec)
        self.ffn = (
            GatedFeedForward(spec.width, spec.ffn, "gelu_tanh")
            if spec.gated
            else FeedForward(spec.width, spec.ffn, "relu", bias=False)
        )

    def forward(
        self, x_BTD: Tensor, mask: Mask, bias_HTK: Tensor, source: Source | None, cache: LayerCache | None
    ) -> Tensor:
        x_BTD = x_BTD + self.attention(self.attention_norm(x_BTD), mask, bias_HTK=bias_HTK, cache=cache)
        if source is not None:
            seen_BTD = self.cross(self.cross_norm(x_BTD), source.mask, source_BKD=source.memory_BID, cache=cache)
            x_BTD = x_BTD + seen_BTD
        out_BTD: Tensor = x_BTD + self.ffn(self.ffn_norm(x_BTD))
        return out_BTD


def _norm(spec: ModelSpec) -> nn.RMSNorm:
    return nn.RMSNorm(spec.width, eps=spec.norm_eps)


def _attention(spec: ModelSpec) -> Attention:
    return Attention(spec.width, spec.heads, head_width=spec.head_width, scale=1.0)


def _share(encoder: Stack, decoder: Stack) -> None:
    """Gives the decoder every part that the encoder has."""
    decoder.distances, decoder.norm = encoder.distances, encoder.norm
    for source, block in zip(encoder.blocks, decoder.blocks, strict=True):
        for name, part in source.named_children():
            setattr(block, name, part)


def _output_matrix(spec: ModelSpec, embedding: nn.Embedding) -> nn.Linear:
    output = nn.Linear(spec.width, spec.vocab, bias=False)
    if spec.tied:
        output.weight = embedding.weight
    return output


def _scaled(hidden_D: Tensor, spec: ModelSpec) -> Tensor:
    """Down to where logits are of unit scale, as a tied output matrix is not (mesh_tensorflow, transformer.py)."""
    return hidden_D * spec.width**-0.5 if spec.tied else hidden_D


def _initialise(model: T5 | T5LM) -> None:
    """Normal weights that keep the scale of what they read: 1 / sqrt(inputs); queries smaller by sqrt(E), in place of
    attention's scale; embeddings of scale 1 (mesh_tensorflow/transformer; transformers, T5's _init_weights, but for its
    untied output matrix, of scale 1)."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
    for module in model.modules():
        if isinstance(module, Attention):
            inputs = module.query.in_features
            nn.init.normal_(module.query.weight, std=(inputs * module.head_width) ** -0.5)
        if isinstance(module, Stack):
            nn.init.normal_(module.distances.weight, std=model.spec.width**-0.5)
    nn.init.normal_(model.embedding.weight)  # last: a tied output matrix is it
