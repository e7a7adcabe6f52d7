"""Text that a model writes on from a prompt, token by token. Legend: T tokens, V vocabulary."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from corpus.errors import ConfigError
from tokenizer.vocab import Vocab
from training.generation.decoding import Decoding, opened, text_of
from training.generation.frame import Frame
from training.models import Model


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How tokens are drawn. `temperature` divides the logits, 0 takes the likeliest token each time; `top_k` keeps so
    many of the likeliest (0: all; Fan et al. 2018, section 5.4), then `top_p` as in `nucleus`."""

    max_tokens: int = 64
    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.temperature < 0 or self.top_k < 0 or self.max_tokens < 0 or not 0 < self.top_p <= 1:
            raise ConfigError(
                f"temperature {self.temperature}, top_k {self.top_k} and max_tokens {self.max_tokens} must be 0 or "
                f"more, and top_p {self.top_p} in (0, 1]"
            )


GREEDY = Sampling(temperature=0)


def sample(
    model: Model, vocab: Vocab, prompt: str = "", sampling: Sampling = Sampling(), frame: Frame | None = None
) -> str:
    """What the model writes, without the prompt, up to the end of the document; the same for the same seed."""
    decoding, line = opened(model, vocab, prompt, frame)
    return text_of(vocab, continued(decoding, line, sampling, vocab.eod_id))


def continued(decoding: Decoding, line: Sequence[int], sampling: Sampling, end: int) -> list[int]:
    """The tokens after `line`, without it and without `end`."""
    generator = torch.Generator().manual_seed(sampling.seed)
    tokens = list(line)
    for _ in range(sampling.max_tokens):
        token = drawn(decoding.after(torch.tensor([tokens]))[0], sampling, generator)
        if token == end:
            break
        tokens.append(token)
    return tokens[len(line) :]


def drawn(logits_V: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """One token."""
    if sampling.temperature == 0:
        return int(logits_V.argmax())
    return int(torch.multinomial(chances(logits_V, sampling), 1, generator=generator))


def chances(logits_V: Tensor, sampling: Sampling) -> Tensor:
    """What tokens are drawn by, not normalised."""
    p_V = torch.softmax(logits_V / sampling.temperature, dim=0)
    return nucleus(top(p_V, sampling.top_k), sampling.top_p)


def top(p_V: Tensor, k: int) -> Tensor:
    """The k likeliest tokens, normalised, the others 0; all where k is 0.

    [.1 .6 .3] with k 2 -> [0 .67 .33]
    """
    if not 0 < k < len(p_V):
        return p_V
    kept_K = p_V.topk(k).indices
    kept_V = torch.zeros_like(p_V).index_copy(0, kept_K, p_V[kept_K])
    return kept_V / kept_V.sum()


def nucleus(p_V: Tensor, top_p: float) -> Tensor:
    """The likeliest tokens that together reach top_p, the others 0 (Holtzman et al. 2020); not normalised.

    [.1 .6 .3] with top_p .8 -> [0 .6 .3]
    """
    sorted_V, order_V = p_V.sort(descending=True, stable=True)
    outside_V = sorted_V.cumsum(0) - sorted_V >= top_p
    return p_V.index_fill(0, order_V[outside_V], 0)
