"""Bits per byte on held-out documents, which stays comparable where vocabularies differ.

    bits per byte = sum of -log2 p(token) / bytes of the texts in UTF-8

Every document is scored from its start, after the eod that closes the one before it; the eod after it is not scored,
for it is no byte of the text. A document longer than the context goes through windows that overlap: with context 4
and stride 2,

    eod a b c d e f g   ->   [eod a b c] scores a b c d,   [b c d e] scores e f,   [d e f] scores g

so that each token is scored once, and, past the first window, after at least context - stride tokens.
Legend: B batch, T tokens of a window.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tokenizer.vocab import Vocab
from training.evaluation.share import ALONE, Share
from training.models import Model
from training.objective import IGNORED

BATCH_WINDOWS = 16

Tokens = npt.NDArray[Any]


class HeldOut(NamedTuple):
    """A document that no training row came from; measures are split by domain."""

    text: str
    domain: str = "all"


class Window(NamedTuple):
    """Inputs, and targets of which those scored before are IGNORED; the number of the document they are from."""

    document: int
    tokens_T: list[int]
    targets_T: list[int]


@dataclass(frozen=True, kw_only=True)
class Bits:
    """Bits and bytes of each document, in the order given."""

    domains: tuple[str, ...]
    bits: tuple[float, ...]
    n_bytes: tuple[int, ...]

    def per_byte(self, domain: str | None = None) -> float:
        """Bits per byte over all documents, or over a domain's: a ratio of sums, not a mean of ratios."""
        chosen = [i for i, name in enumerate(self.domains) if domain in (None, name)]
        return sum(self.bits[i] for i in chosen) / max(1, sum(self.n_bytes[i] for i in chosen))

    def measures(self) -> dict[str, Any]:
        """Plain values for a manifest."""
        return {
            "bits_per_byte": self.per_byte(),
            "bits": sum(self.bits),
            "bytes": sum(self.n_bytes),
            "documents": len(self.bits),
            "by_domain": {domain: self.per_byte(domain) for domain in sorted(set(self.domains))},
        }


def bits(
    model: Model, vocab: Vocab, documents: Sequence[HeldOut], stride: int | None = None, share: Share = ALONE
) -> Bits:
    """Scores where the model's weights are; `stride` is half the context unless given. Ranks may share the work."""
    context = model.spec.context
    texts = [document.text for document in documents]
    cut = [
        window
        for number, tokens in enumerate(vocab.encode_batch(texts))
        for window in windows(number, tokens, vocab.eod_id, context, stride or max(1, context // 2))
    ]
    nats_N = np.zeros(len(documents))
    batches = [cut[start : start + BATCH_WINDOWS] for start in range(0, len(cut), BATCH_WINDOWS)]
    for number, counts in share.of(len(batches)):
        nats_B = _score(model, batches[number], vocab.eod_id)
        np.add.at(nats_N, [window.document for window in batches[number]], nats_B * counts)
    nats_N = share.total(nats_N)
    return Bits(
        domains=tuple(document.domain for document in documents),
        bits=tuple((nats_N / math.log(2)).tolist()),
        n_bytes=tuple(len(text.encode()) for text in texts),
    )


def windows(document: int, tokens: Tokens, eod_id: int, context: int, stride: int) -> Iterator[Window]:
    """The windows of a document; see this file's head. None for an empty one."""
    line = [eod_id, *tokens.tolist()]
    scored, start = 1, 0  # line[0] is only read
    while scored < len(line):
        stop = min(start + context, len(line) - 1)
        targets_T = line[start + 1 : stop + 1]
        seen = scored - start - 1
        yield Window(document, line[start:stop], [IGNORED] * seen + targets_T[seen:])
        scored, start = stop + 1, start + stride


def _score(model: Model, batch: Sequence[Window], padding: int) -> npt.NDArray[np.float64]:
    """Nats of each window. Padding stands at the end, where causal attention does not see it."""
    device = model.output.weight.device
    tokens_BT = _padded([window.tokens_T for window in batch], padding).to(device)
    targets_BT = _padded([window.targets_T for window in batch], IGNORED).to(device)
    nats_BT = model.scores({"tokens": tokens_BT, "targets": targets_BT}).double()
    nats_B: npt.NDArray[np.float64] = nats_BT.sum(dim=1).cpu().numpy()
    return nats_B


def _padded(lists: Sequence[Sequence[int]], value: int) -> Tensor:
    longest = max(map(len, lists))
    return torch.tensor([[*numbers, *[value] * (longest - len(numbers))] for numbers in lists])
