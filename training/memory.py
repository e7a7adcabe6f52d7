"""What a training step holds in the memory of one card: weights, gradients and optimizer state by count, the rest as an
estimate for compiled blocks. No torch.

Activations follow Korthikanti et al. 2022, "Reducing activation recomputation", section 4.1, without dropout (there is
none), without the products of queries and keys (SDPA keeps none) and without whole logits (training/loss.py makes them
in pieces). Not counted: a gradient's T x T products where T5's distances are learnt, one layer at a time.

Legend: T tokens, I inputs of an encoder, D width, V vocabulary.
"""

from dataclasses import dataclass
from typing import NamedTuple

from training.config import TrainingConfig
from training.families.multiplies import Positions
from training.spec import ModelSpec

PIECE_TOKENS = 4096  # whose logits stand at once on a GPU; training/loss.py
LOGIT_BYTES = 8  # in bfloat16, their gradient in float32, and that in bfloat16
FACTORED = 3  # Adafactor keeps a matrix's row and column means and vectors as they are: some 3 / width of all


class Bytes(NamedTuple):
    """Of one number: as it is stored, as it is multiplied, and in the stream that layers add to."""

    stored: int
    multiplied: int
    stream: int


BYTES = {"32-true": Bytes(4, 4, 4), "bf16-mixed": Bytes(4, 2, 4), "bf16-true": Bytes(2, 2, 2)}


@dataclass(frozen=True)
class Memory:
    """Bytes on one card. `gathered` is what stands whole for a while of weights and gradients that are spread."""

    weights: int
    gradients: int
    optimizer: int
    gathered: int
    activations: int
    loss: int

    @property
    def total(self) -> int:
        """All of it at the worst moment, when the loss is made."""
        return self.weights + self.gradients + self.optimizer + self.gathered + self.activations + self.loss


def memory(
    config: TrainingConfig,
    row: Positions,
    precision: str,
    *,
    rows: int,
    shards: int = 1,
    recompute: bool = False,
) -> Memory:
    """Of a card that takes `rows` rows at once, the model spread over `shards` cards."""
    spec, size = config.model, BYTES[precision]
    n_params, tables = spec.n_params(), _tables(spec)
    layers = spec.layers + spec.decoder_layers
    block = (n_params - tables) // layers
    # a block and the next one with the first one's gradients, and the tables, which stay until the step ends
    gathered = (3 * block + tables) * size.multiplied + max(block, tables) * size.stored
    return Memory(
        weights=n_params * size.stored // shards,
        gradients=n_params * size.stored // shards,
        optimizer=round(_states(config, n_params, tables) * size.stored) // shards,
        gathered=gathered if shards > 1 else 0,
        activations=rows * _activations(spec, row, size, recompute),
        # pieces of logits, the output matrix as it is multiplied, and its gradient before it is added to what is there
        loss=round(min(rows * row.targets, PIECE_TOKENS)) * spec.vocab * LOGIT_BYTES
        + spec.vocab * spec.width * (4 + size.stored + size.multiplied),
    )


def _tables(spec: ModelSpec) -> int:
    """Embedding and output matrix."""
    return (1 if spec.tied else 2) * spec.vocab * spec.width


def _states(config: TrainingConfig, n_params: int, tables: int) -> float:
    """Numbers that the optimizer keeps: AdamW's two means; Muon's momentum for matrices, AdamW's for the tables;
    Adafactor's rows and columns."""
    match config.optimizer:
        case "adamw":
            return 2 * n_params
        case "muon":
            return n_params + tables
        case "adafactor":
            return n_params * FACTORED / config.model.width


def _activations(spec: ModelSpec, row: Positions, size: Bytes, recompute: bool) -> int:
    """Of one row: what each layer keeps for the backward pass, and what enters and leaves the loss (the last norm's
    input, its result, the gradient). With `recompute`, what enters each layer, and the inside of one."""
    T, I = row.tokens, row.inputs  # noqa: E741
    own = _attention(spec, T, T, size) + _feed_forward(spec, T, size)
    entering, ends = T * spec.width * size.stream, 3 * T * spec.width * size.stream
    if not I:
        return ends + (spec.layers * entering + own if recompute else spec.layers * own)
    decoder = own + _attention(spec, T, I, size)
    encoder = _attention(spec, I, I, size) + _feed_forward(spec, I, size)
    source = I * spec.width * (size.stream + size.multiplied)
    if recompute:
        layers = spec.decoder_layers * entering + spec.layers * I * spec.width * size.stream
        return ends + source + layers + max(encoder, decoder)
    return ends + source + spec.layers * encoder + spec.decoder_layers * decoder


def _attention(spec: ModelSpec, T: int, K: int, size: Bytes) -> int:
    """The stream before its norm and after it, queries and what was mixed, keys and values."""
    heads, kv_heads = spec.heads * spec.head_width, spec.kv_heads * spec.head_width
    return T * spec.width * (size.stream + size.multiplied) + 2 * (T * heads + K * kv_heads) * size.multiplied


def _feed_forward(spec: ModelSpec, T: int, size: Bytes) -> int:
    """The stream before its norm and after it, and what enters and leaves the activation; the gate's product too."""
    return T * (spec.width * (size.stream + size.multiplied) + spec.ffn_matrices * spec.ffn * size.multiplied)
