"""What a model expects after tokens that grow from step to step. Legend: B batch, T tokens, I inputs of the encoder, D
width, V vocabulary."""

from collections.abc import Sequence

import torch
from torch import Tensor

from corpus.errors import ConfigError
from tokenizer.vocab import Vocab
from training.generation.frame import Frame, natural
from training.models import Batch, Model
from training.models.cache import Cache


class Decoding:
    """One text being written by a decoder, or by an encoder-decoder that has read `inputs`, in any number of rows.

    Rows longer than the model's context go on from their last half. With `prefix` the tokens of the first call see
    all of each other. `cached` keeps keys and values of earlier tokens: the same numbers, in less time.
    """

    def __init__(
        self, model: Model, inputs: Sequence[int] | None = None, *, prefix: bool = False, cached: bool = True
    ) -> None:
        if model.spec.kind == "encoder":
            raise ConfigError(f'family "{model.spec.family}" is an encoder and writes no text; fill masks with it')
        if (inputs is not None) != (model.spec.kind == "encoder-decoder"):
            raise ConfigError(
                f'family "{model.spec.family}" is of kind {model.spec.kind}; inputs are for an encoder-decoder'
            )
        self.model, self.prefix, self.cached, self.first, self.prompt = model, prefix, cached, 0, 0
        self.cache = self._fresh()
        self.memory_1ID = None if inputs is None else _encoded(model, inputs)

    @torch.no_grad()
    def after(self, tokens_BT: Tensor) -> Tensor:
        """logits_BV of the next token, on the CPU. Each call has the rows of the last one, each with a token more."""
        B, T = tokens_BT.shape
        if T - self.first > self.model.spec.context:
            self.first, self.cache = T - max(self.model.spec.context // 2, 1), self._fresh()
        seen = self.first + (self.cache.length if self.cache else 0)
        batch = {"tokens": tokens_BT[:, seen:].to(self.model.output.weight.device)}
        self.prompt = self.prompt or T
        if self.prefix and self.prompt > seen:
            prefix_T = torch.arange(seen, T, device=batch["tokens"].device) < self.prompt
            batch["prefix"] = prefix_T.expand(B, -1)
        hidden_BD = self._hidden(batch, B)[:, -1]
        logits_BV: Tensor = self.model.output(self.model.head(hidden_BD))
        return logits_BV.float().cpu()

    def select(self, rows_B: Tensor) -> None:
        """Goes on with these rows, in this order."""
        if self.cache is not None:
            self.cache.select(rows_B.to(self.model.output.weight.device))

    def _hidden(self, batch: Batch, B: int) -> Tensor:
        more = {} if self.memory_1ID is None else {"memory": self.memory_1ID.expand(B, -1, -1)}
        hidden_BTD: Tensor = self.model.hidden(batch, cache=self.cache, **more)  # type: ignore[call-arg]
        return hidden_BTD

    def _fresh(self) -> Cache | None:
        spec = self.model.spec
        return Cache.of(spec.layers if spec.kind == "decoder" else spec.decoder_layers) if self.cached else None


@torch.no_grad()
def _encoded(model: Model, inputs: Sequence[int]) -> Tensor:
    inputs_1I = torch.tensor([list(inputs)], device=model.output.weight.device)
    memory_1ID: Tensor = model.encode({"inputs": inputs_1I})  # type: ignore[operator]
    return memory_1ID


def opened(model: Model, vocab: Vocab, prompt: str, frame: Frame | None = None) -> tuple[Decoding, list[int]]:
    """A prompt put to a model in a frame, its family's natural one unless it is said, and the tokens to begin with."""
    frame = frame or Frame.of(natural(model.spec), vocab.specials)
    framed = [*frame.before, *vocab.encode_batch([prompt])[0].tolist(), *frame.after]
    if frame.decoder_start is None:
        return Decoding(model, prefix=frame.prefix), framed
    return Decoding(model, framed), [frame.decoder_start]


def text_of(vocab: Vocab, ids: Sequence[int]) -> str:
    """The text of what was written, without the token that begins rows."""
    return vocab.decode([i for i in ids if i != vocab.specials.start])
