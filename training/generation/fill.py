"""What an encoder expects behind masks. Legend: T tokens, M masks, V vocabulary, D width."""

from typing import NamedTuple

import torch

from corpus.errors import ConfigError
from tokenizer.vocab import Vocab
from training.models import Model


class Guess(NamedTuple):
    """A token for a mask, and its probability."""

    token: int
    text: str
    p: float


@torch.no_grad()
def fill_mask(model: Model, vocab: Vocab, text: str, top: int = 5) -> list[list[Guess]]:
    """The `top` likeliest tokens for each mask of a text, the likeliest first.

    "two and [MASK] make four." -> [[two .7, one .1, ...]]; the mask is written as the vocabulary names it.
    """
    if model.spec.kind != "encoder":
        kind = {"decoder": "a decoder"}.get(model.spec.kind, "an encoder-decoder")
        raise ConfigError(f'family "{model.spec.family}" is {kind}; masks are filled by encoders')
    tokens_1T = torch.tensor([masked(vocab, text, model.spec.context)], device=model.output.weight.device)
    hidden_MD = model.hidden({"tokens": tokens_1T})[tokens_1T == vocab.specials.mask]
    p_MV = torch.softmax(model.output(model.head(hidden_MD)).float(), dim=1)
    found = p_MV.topk(min(top, p_MV.shape[1]))
    return [
        [Guess(token, vocab.decode([token]), p) for p, token in zip(ps, tokens, strict=True)]
        for ps, tokens in zip(found.values.tolist(), found.indices.tolist(), strict=True)
    ]


def masked(vocab: Vocab, text: str, context: int) -> list[int]:
    """<start> text <separator>, with masks where the text names them; ConfigError where it has none or is too long.

    A blank before a mask belongs to what it hides, as words of byte-level vocabularies begin with theirs.
    """
    specials = vocab.specials
    start, separator, mask = specials.start, specials.separator, specials.mask
    if start is None or separator is None or mask is None:
        raise ConfigError("the vocabulary has no start, separator and mask tokens; take one for encoders")
    name = vocab.tokenizer.id_to_token(mask)
    *before, last = text.split(name)
    if not before:
        raise ConfigError(f'the text has no "{name}"; write it where words are to be guessed')
    pieces = vocab.encode_batch([*(part.removesuffix(" ") for part in before), last])
    line = [start, *pieces[0].tolist()]
    for piece in pieces[1:]:
        line += [mask, *piece.tolist()]
    if len(line) >= context:
        raise ConfigError(f"the text has {len(line) + 1} tokens, the model's context is {context}; shorten it")
    return [*line, separator]
