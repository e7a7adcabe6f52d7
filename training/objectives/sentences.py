"""Where the sentences of token shards lie, by the shards' marks. Legend: N sentences, D documents with text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tokenizer.marking import SENTENCE_END, WORD_START
from tokenizer.shard import TokenShard
from training.objective import Bools, Ints


@dataclass(frozen=True, eq=False)
class Sentences:
    """First tokens and ends of the sentences in the shards end to end; document d has sentences first_D[d] on.

    Limits: 16 bytes a sentence in memory.
    """

    starts_N: Ints
    stops_N: Ints
    first_D: Ints

    @property
    def n_documents(self) -> int:
        return len(self.first_D) - 1

    def of(self, document: int) -> tuple[list[int], list[int]]:
        """Starts and stops of a document's sentences."""
        first, last = self.first_D[document], self.first_D[document + 1]
        return self.starts_N[first:last].tolist(), self.stops_N[first:last].tolist()


def sentences(shards: Sequence[TokenShard]) -> Sentences:
    """All sentences, without the eods that close documents; documents that are nothing but an eod have none.

    a b. c <eod> <eod> d. <eod>  ->  starts 0 2 5, stops 2 3 6, two documents from sentences 0 and 2 on
    """
    starts, stops, documents, tokens, n_documents = [], [], [], 0, 0
    for shard in shards:
        starts_N, stops_N = _bounds(shard.starts, sentence_ends(shard))
        starts.append(starts_N + tokens)
        stops.append(stops_N + tokens)
        documents.append(shard.starts.searchsorted(starts_N, "right") - 1 + n_documents)
        tokens, n_documents = tokens + len(shard.tokens), n_documents + shard.n_documents
    document_N = np.concatenate(documents)
    first_D = np.flatnonzero(np.diff(document_N, prepend=-1, append=-1))
    return Sentences(np.concatenate(starts), np.concatenate(stops), first_D)


def _bounds(document_starts: Ints, ends: Bools) -> tuple[Ints, Ints]:
    """Starts and stops of the sentences of a shard; what follows a document's last sentence end is a sentence too."""
    eods = document_starts[1:] - 1
    edges = np.unique(np.concatenate((document_starts, eods, np.flatnonzero(ends) + 1)))
    text = ~np.isin(edges[:-1], eods, assume_unique=True)
    return edges[:-1][text], edges[1:][text]


def sentence_ends(shard: TokenShard) -> Bools:
    """Whether each token of a shard ends a sentence."""
    ends: Bools = (shard.marks & SENTENCE_END) != 0
    return ends


def word_starts(shard: TokenShard, place: slice) -> Bools:
    """Whether the tokens at a place begin words."""
    starts: Bools = (shard.marks[place] & WORD_START) != 0
    return starts
