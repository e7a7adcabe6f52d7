"""Held-out documents that are training documents too: a model is not to be scored on what it has read.

Two documents are the same if their tokens are. Lengths, which the shards' indices give, leave few candidates, and only
their tokens are read: at most CANDIDATES documents, the rarest lengths first. Where there are more, the held-out
documents of the commonest lengths are not compared: what leaks in part of the documents shows in the others.
Legend: N documents of a shard, H held-out documents.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from corpus.errors import ConfigError
from tokenizer.shard import TokenShard, file_names

SHORTEST = 16
"""Tokens, some 13 words: the n-gram that GPT-3's authors took for a sign that a text was read (Brown et al. 2020,
appendix C). Shorter ones ("page not found") come about twice by themselves."""
CANDIDATES = 1 << 16
"""Training documents that are read at most."""
NAMED = 3

Tokens = npt.NDArray[Any]


class Leak(NamedTuple):
    """Held-out document `number` is document `document` of `shard`."""

    number: int
    shard: TokenShard
    document: int


class Leaks(NamedTuple):
    """Each held-out document that was found, once, and how many were looked for."""

    found: tuple[Leak, ...]
    compared: int


def check_apart(training: Sequence[TokenShard], held_out: Sequence[Tokens]) -> None:
    """ConfigError where held-out documents, given as their tokens without eod, are in the training shards."""
    leaks = leaked(training, held_out)
    if not leaks.found:
        return
    few = "; ".join(_place(leak) for leak in leaks.found[:NAMED])
    more = f" and {len(leaks.found) - NAMED:,} more" if len(leaks.found) > NAMED else ""
    raise ConfigError(
        f"{len(leaks.found):,} of {leaks.compared:,} held-out documents that were compared are among the training "
        f"tokens: {few}{more}; hold documents out by hash before they are mixed (corpus.holdout), or deduplicate, and "
        f"make the tokens again"
    )


def leaked(training: Sequence[TokenShard], held_out: Sequence[Tokens], candidates: int = CANDIDATES) -> Leaks:
    """The held-out documents that are in the shards, in their order."""
    lengths_H = np.array([len(tokens) + 1 for tokens in held_out], np.int64)  # shards count the eod
    chosen_H = _affordable(training, lengths_H, candidates)
    found: dict[int, Leak] = {}
    for shard in training:
        wanted: dict[bytes, list[int]] = {}
        for number in np.flatnonzero(chosen_H).tolist():
            wanted.setdefault(held_out[number].astype(shard.tokens.dtype).tobytes(), []).append(number)
        for document, content in _read(shard, _of_lengths(shard, lengths_H[chosen_H])):
            for number in wanted.get(content, ()):
                found.setdefault(number, Leak(number, shard, document))
    return Leaks(tuple(found[number] for number in sorted(found)), int(chosen_H.sum()))


def _affordable(training: Sequence[TokenShard], lengths_H: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.bool_]:
    """Which held-out documents are looked for: of the lengths that together have so many training documents or fewer,
    the rarest first."""
    wanted = np.unique(lengths_H[lengths_H > SHORTEST])
    if not len(wanted):
        return np.zeros(len(lengths_H), np.bool_)
    longest = int(wanted[-1])
    counts = sum(
        (np.bincount(np.minimum(np.diff(shard.starts), longest + 1), minlength=longest + 2) for shard in training),
        start=np.zeros(longest + 2, np.int64),
    )
    rarest = wanted[np.argsort(counts[wanted], kind="stable")]
    affordable: npt.NDArray[np.bool_] = np.isin(lengths_H, rarest[np.cumsum(counts[rarest]) <= most])
    return affordable


def _of_lengths(shard: TokenShard, lengths: npt.NDArray[np.int64]) -> list[int]:
    """The documents of a shard that have one of these lengths."""
    hit = np.zeros(int(lengths.max(initial=0)) + 2, np.bool_)
    hit[lengths] = True
    documents: list[int] = np.flatnonzero(hit[np.minimum(np.diff(shard.starts), len(hit) - 1)]).tolist()
    return documents


def _read(shard: TokenShard, documents: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Documents and their tokens without eod. Not through the map, which reads 128 kilobytes around each of them."""
    if not documents:
        return
    size = shard.tokens.dtype.itemsize
    with (shard.folder / file_names(shard.part)[0]).open("rb", buffering=0) as file:
        for document in documents:
            start, stop = shard.starts[document : document + 2].tolist()
            yield document, os.pread(file.fileno(), (stop - 1 - start) * size, start * size)


def _place(leak: Leak) -> str:
    origin = leak.shard.origins.slice(leak.document, 1).to_pylist()[0]
    name = ", ".join(str(value) for value in (origin["id"], origin["url"]) if value is not None)
    return f"held-out document {leak.number} is document {leak.document} of part {leak.shard.part} ({name or 'no id'})"
