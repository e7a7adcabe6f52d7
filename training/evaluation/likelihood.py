"""-ln p of a text after another, as lm-evaluation-harness has it (0.4.13, TemplateLM._encode_pair, HFLM).

White space at the end of a context goes to its continuation, the two are encoded as one, and the continuation is what
comes after as many tokens as the context has alone. Where both do not fit the model, the left of the context goes.

Our decoders learnt every text after an <eod>, so that one stands before all contexts: the harness does so with
add_bos_token=True, and by default, which is `before=()`, only before empty ones. Not as there: a continuation longer
than the model's context, at which the harness stops, is read through the windows of perplexity.py.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from corpus.errors import ConfigError, DataError
from tokenizer.vocab import Vocab
from training.evaluation.answers import Asked, answers
from training.evaluation.holes import hole
from training.evaluation.perplexity import windows
from training.generation.frame import Frame, natural
from training.models import Model
from training.objective import IGNORED

Request = tuple[str, str]  # a context and its continuation


class Scored(NamedTuple):
    """A continuation's -ln p, whether each of its tokens was the likeliest, and its length."""

    nats: float
    greedy: bool
    tokens: int
    n_bytes: int


def scored(
    model: Model,
    vocab: Vocab,
    requests: Sequence[Request],
    before: tuple[int, ...] | None = None,
    objective: str | None = None,
) -> list[Scored]:
    """Each request's score, in their order; equal ones are asked once.

    A decoder reads `before`, which is what its objective put before texts unless given, context and continuation. An
    encoder-decoder is asked what stands in a hole behind the context. The objective is the family's natural one unless
    named. ConfigError for an encoder, DataError for a continuation without a token of its own.
    """
    if model.spec.kind == "encoder":
        raise ConfigError(
            f'family "{model.spec.family}" is an encoder, which continues no text; pseudo_likelihood does'
        )
    objective = objective or natural(model.spec)
    frame = Frame.of(objective, vocab.specials)
    start = list(frame.before if before is None else before)
    unique = list(dict.fromkeys(requests))
    pairs = encoded(vocab, unique)
    rows = [
        list(_after(model, start, *pair, vocab.eod_id, prefix=frame.prefix))
        if model.spec.kind == "decoder"
        else [_in_hole(model, vocab, objective, *pair)]
        for pair in pairs
    ]
    found = answers(model, list(chain.from_iterable(rows)))
    each = iter(zip(found.nats_N.tolist(), found.greedy_N.tolist(), strict=True))
    scores: dict[Request, Scored] = {}
    for request, (_, tokens), parts in zip(unique, pairs, rows, strict=True):
        nats, greedy = zip(*(next(each) for _ in parts), strict=True)
        scores[request] = Scored(sum(nats), all(greedy), len(tokens), len(request[1].encode()))
    return [scores[request] for request in requests]


def encoded(vocab: Vocab, requests: Sequence[Request]) -> list[tuple[list[int], list[int]]]:
    """The tokens of contexts and continuations.

    ("to be ", "or not") -> those of "to be", and what comes after as many in those of "to be or not"
    """
    contexts = vocab.encode_batch([context.rstrip() for context, _ in requests])
    wholes = vocab.encode_batch([context + continuation for context, continuation in requests])
    pairs = [
        (context.tolist(), whole[len(context) :].tolist()) for context, whole in zip(contexts, wholes, strict=True)
    ]
    for (context, continuation), (_, tokens) in zip(requests, pairs, strict=True):
        if not tokens:
            raise DataError(f"{continuation!r} after {context[-40:]!r} has no token of its own; leave the item out")
    return pairs


def _after(
    model: Model, start: list[int], context: list[int], asked: list[int], eod: int, *, prefix: bool
) -> Iterator[Asked]:
    """The row of a decoder, or the rows of a continuation that is longer than its context."""
    line = [*start, *context] or [eod]
    longest = model.spec.context
    if len(asked) > longest:
        cut = windows(0, np.array(asked), line[-1], longest, max(1, longest // 2))
        rows = [(window.tokens_T, window.targets_T) for window in cut]
    else:
        seen = line[-(longest + 1 - len(asked)) :]
        rows = [([*seen, *asked[:-1]], [IGNORED] * (len(seen) - 1) + asked)]
    for tokens, targets in rows:
        read = sum(target == IGNORED for target in targets) + 1
        marks = {"prefix": [1] * read + [0] * (len(tokens) - read)} if prefix else {}
        yield {"tokens": tokens, "targets": targets, **marks}


def _in_hole(model: Model, vocab: Vocab, objective: str, context: list[int], asked: list[int]) -> Asked:
    """The row of an encoder-decoder, its context cut from the left until both stacks have room."""
    row = hole(objective, vocab.specials, context, asked)
    over = max(len(row["inputs"]), len(row["tokens"])) - model.spec.context
    if over > len(context):
        raise DataError(
            f"a continuation of {len(asked)} tokens does not fit a context of {model.spec.context}; leave it out"
        )
    return row if over <= 0 else hole(objective, vocab.specials, context[over:], asked)
