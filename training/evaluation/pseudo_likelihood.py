"""-ln p of a text's tokens, each in the light of all others: pseudo-log-likelihood (Salazar et al. 2020, section 2).

An encoder sees the text with a token masked, an encoder-decoder sees a hole in its place and is asked what it is;
special tokens are not asked for. Masked one by one, the pieces of a rare word give each other away, so that texts with
such words seem likely. Hence with the token also those after it in its word are hidden, which mends that, and agrees
better with autoregressive models (Kauf & Ivanova 2023, PLL-word-l2r, section 3); our small vocabularies have many words
in pieces. `within_words=False` is Salazar's. Words are as the vocabulary's pre-tokenizer cuts, as there.

    [CLS] the traveler lost the [SEP], trav ##eler asked for:  the [MASK] [MASK] lost ..., the trav [MASK] lost ...
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding

from corpus.errors import ConfigError, DataError
from tokenizer.vocab import Vocab
from training.evaluation.answers import Asked, answers
from training.evaluation.holes import hole
from training.generation.frame import natural
from training.models import Model
from training.objective import IGNORED


def pseudo_nats(
    model: Model, vocab: Vocab, texts: Sequence[str], objective: str | None = None, *, within_words: bool = True
) -> npt.NDArray[np.float64]:
    """-ln p summed over the tokens of each text; equal texts are asked once. The objective, the family's natural one
    unless named, says how an encoder-decoder is asked. ConfigError for a decoder, DataError for a text too long."""
    if model.spec.kind == "decoder":
        raise ConfigError(
            f'family "{model.spec.family}" is a decoder, which reads no masks; likelihood.scored is for it'
        )
    unique = list(dict.fromkeys(texts))
    rows: list[Asked] = []
    of_row: list[int] = []
    for number, encoding in enumerate(vocab.tokenizer.encode_batch(unique, add_special_tokens=False)):
        asked = list(_rows(model, vocab, objective or natural(model.spec), encoding, within_words))
        rows += asked
        of_row += [number] * len(asked)
    _check(model, rows)
    nats_U = np.zeros(len(unique))
    np.add.at(nats_U, np.array(of_row, np.int64), answers(model, rows).nats_N)
    place = {text: number for number, text in enumerate(unique)}
    return nats_U[[place[text] for text in texts]]


def _rows(model: Model, vocab: Vocab, objective: str, encoding: Encoding, within_words: bool) -> Iterator[Asked]:
    """One for each token."""
    tokens, words = encoding.ids, encoding.word_ids
    for n, token in enumerate(tokens):
        stop = n + 1
        while within_words and stop < len(tokens) and words[stop] == words[n]:
            stop += 1
        if model.spec.kind == "encoder":
            yield _masked(vocab, tokens, n, stop)
        else:
            yield hole(objective, vocab.specials, tokens[:n], [token], tokens[stop:])


def _masked(vocab: Vocab, tokens: Sequence[int], n: int, stop: int) -> Asked:
    """<start> tokens <separator>, n to stop - 1 masked and n asked for."""
    start, separator, mask = vocab.specials.start, vocab.specials.separator, vocab.specials.mask
    if start is None or separator is None or mask is None:
        raise ConfigError("the vocabulary has no start, separator and mask tokens; take one for encoders")
    return {
        "tokens": [start, *tokens[:n], *[mask] * (stop - n), *tokens[stop:], separator],
        "targets": [*[IGNORED] * (n + 1), tokens[n], *[IGNORED] * (len(tokens) - n)],
    }


def _check(model: Model, rows: Sequence[Asked]) -> None:
    longest = max((len(values) for row in rows for values in row.values()), default=0)
    if longest > model.spec.context:
        raise DataError(
            f"a text needs {longest} tokens with its frame, the model's context is {model.spec.context}; leave it out"
        )
