"""Text that a model writes on from a prompt: for people to look at. Legend: T tokens, V vocabulary."""

import torch
from torch import Tensor

from corpus.errors import ConfigError
from tokenizer.vocab import Vocab
from training.models import Decoder


@torch.no_grad()
def sample(
    model: Decoder,
    vocab: Vocab,
    prompt: str = "",
    *,
    max_tokens: int = 64,
    temperature: float = 0.8,
    top_p: float = 0.95,
    seed: int = 0,
) -> str:
    """The continuation, without the prompt, up to the end of the document; the same for the same seed.

    Temperature 0 takes the likeliest token each time; top_p as in `nucleus`. Limits: the whole context is computed
    again for each token.
    """
    if temperature < 0 or not 0 < top_p <= 1:
        raise ConfigError(f"temperature {temperature} must be 0 or more, and top_p {top_p} in (0, 1]")
    device = model.output.weight.device
    generator = torch.Generator().manual_seed(seed)
    line = [vocab.eod_id, *vocab.encode_batch([prompt])[0].tolist()]
    first = len(line)
    for _ in range(max_tokens):
        tokens_1T = torch.tensor([line[-model.spec.context :]], device=device)
        logits_V = model.output(model.hidden(tokens_1T)[0, -1]).float().cpu()
        token = _draw(logits_V, temperature, top_p, generator)
        if token == vocab.eod_id:
            break
        line.append(token)
    return vocab.decode(line[first:])


def _draw(logits_V: Tensor, temperature: float, top_p: float, generator: torch.Generator) -> int:
    if temperature == 0:
        return int(logits_V.argmax())
    p_V = nucleus(torch.softmax(logits_V / temperature, dim=0), top_p)
    return int(torch.multinomial(p_V, 1, generator=generator))


def nucleus(p_V: Tensor, top_p: float) -> Tensor:
    """The likeliest tokens that together reach top_p, the others 0 (Holtzman et al. 2020); not normalised.

    [.1 .6 .3] with top_p .8 -> [0 .6 .3]
    """
    sorted_V, order_V = p_V.sort(descending=True, stable=True)
    outside_V = sorted_V.cumsum(0) - sorted_V >= top_p
    return p_V.index_fill(0, order_V[outside_V], 0)
