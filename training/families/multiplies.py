"""Multiply-adds of matrices in a forward pass over a row: each weight as often as it meets a position, and attention's
products of positions. Gains, biases and look-ups multiply no matrix and count nothing.

Legend: T tokens of a decoder or of the only stack, I inputs of an encoder before it.
"""

from typing import TYPE_CHECKING, NamedTuple

from training.families.family import attention

if TYPE_CHECKING:
    from training.spec import ModelSpec


class Positions(NamedTuple):
    """How many positions of a row each part of a model reads: `targets` are those that an encoder's heads look at,
    `pairs` is 1 where the row's two texts are compared. What comes after a decoder meets all of its tokens."""

    tokens: int
    inputs: int = 0
    targets: float = 0
    pairs: int = 0


def decoder(spec: "ModelSpec", row: Positions) -> float:
    """A stack over the tokens, and the output matrix."""
    return stack(spec, spec.layers, row.tokens) + output(spec, row.tokens)


def encoder_decoder(spec: "ModelSpec", row: Positions) -> float:
    """A stack over the inputs; one over the tokens, which look at the inputs too; and the output matrix. Parameters
    that the stacks share work in both."""
    encoder, own = stack(spec, spec.layers, row.inputs), stack(spec, spec.decoder_layers, row.tokens)
    return encoder + own + cross(spec, spec.decoder_layers, row.tokens, row.inputs) + output(spec, row.tokens)


def stack(spec: "ModelSpec", layers: int, T: int) -> int:
    """Layers of attention and a feed-forward part."""
    weights = attention(spec, bias=False) + spec.ffn_matrices * spec.width * spec.ffn
    return layers * (T * weights + products(spec, T, T))


def cross(spec: "ModelSpec", layers: int, T: int, I: int) -> int:  # noqa: E741
    """Layers of attention of T tokens to I inputs: queries and their results at the tokens, keys and values at the
    inputs, once in each layer."""
    at_tokens, at_inputs = (2 * spec.width * heads * spec.head_width for heads in (spec.heads, spec.kv_heads))
    return layers * (T * at_tokens + I * at_inputs + products(spec, T, I))


def products(spec: "ModelSpec", T: int, K: int) -> int:
    """Each query with each key, and each weight with its value: not halved where a token sees only those before it
    (Chowdhery et al. 2022, PaLM, appendix B)."""
    return 2 * T * K * spec.heads * spec.head_width


def output(spec: "ModelSpec", n_positions: float) -> float:
    """The output matrix, tied or not."""
    return n_positions * spec.vocab * spec.width
