"""Cross-entropy per target on held-out documents, for any objective, and that of a unigram model beside it.

The held-out documents become rows and examples as the training text did, with noise of their own. What an objective
does not ask for (masked models: 85 % of the tokens) is not scored, so figures of two objectives do not compare; each
compares with its own unigram model: the share of each token among the targets of the training rows, one added to each
count (Laplace), which is what one can say without looking at the input.

An objective that makes several copies of a text (BERT's dupe_factor) is asked for one: ten cost ten times as much.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from corpus.storage import Folder
from tokenizer.shard import TokenShard, write_shard
from tokenizer.vocab import Vocab
from training.data import collated
from training.evaluation.share import ALONE, Share
from training.models import Model
from training.objective import IGNORED, Example, Objective, Rows, noise

BATCH_ROWS = 16
UNIGRAM_ROWS = 2000
"""Training rows whose targets are counted, evenly spaced: more change the third digit."""
NOISE_EPOCH = 2**63
"""No training reaches it, so held-out noise is never training noise."""


@contextmanager
def held_out_shards(texts: Sequence[str], vocab: Vocab, *, marks: bool) -> Iterator[list[TokenShard]]:
    """The texts as one token shard, for as long as the block lasts."""
    with TemporaryDirectory() as folder:
        origins = pa.RecordBatch.from_pydict({"id": [str(n) for n in range(len(texts))]})
        batch = vocab.encoded(origins, texts, marks=marks)
        write_shard(Folder(folder), 0, [batch], vocab_size=vocab.size, eod_id=vocab.eod_id)
        yield [TokenShard.open(Path(folder), 0, vocab.size)]


def once(task: Any) -> Objective:
    """The objective with one copy of each text."""
    single: Objective = replace(task, copies=1) if hasattr(task, "copies") else task
    return single


def per_target(
    model: Model, task: Objective, training: Rows, held_out: Rows, vocab_size: int, seed: int
) -> dict[str, Any]:
    """By term of the loss: nats per target, and how many targets; for "tokens" the unigram model's nats as well.
    Nothing where the held-out text has no row or its rows no target; a last row that is not full is left out."""
    scored = list(_targets(task, held_out, range(len(held_out)), seed))
    if not any(map(len, scored)):
        return {}
    found = by_term(model, task, held_out, seed)
    every = max(1, len(training) // UNIGRAM_ROWS)
    counts_V = np.ones(vocab_size)
    for targets_N in _targets(task, training, range(0, len(training), every), seed):
        np.add.at(counts_V, targets_N, 1)
    nats_V = -np.log(counts_V / counts_V.sum())
    found["tokens"]["unigram_nats_per_target"] = float(np.concatenate([nats_V[t] for t in scored]).mean())
    return found


@torch.no_grad()
def by_term(model: Model, task: Objective, rows: Rows, seed: int, share: Share = ALONE) -> dict[str, dict[str, Any]]:
    """Nats per target and number of targets of each term over all rows. Ranks may share the work."""
    device = model.output.weight.device
    sums: dict[str, npt.NDArray[np.float64]] = {}
    batches = [range(start, min(start + BATCH_ROWS, len(rows))) for start in range(0, len(rows), BATCH_ROWS)]
    for number, counts in share.of(len(batches)):
        batch = collated([_example(task, rows, i, seed) for i in batches[number]], task.kind)
        terms = model.terms({name: values.to(device) for name, values in batch.items()})
        for name, term in terms.items():
            here = np.array([float(term.nats), int(term.targets)])
            sums[name] = sums.get(name, np.zeros(2)) + here * counts
    totals = {name: share.total(both) for name, both in sums.items()}
    return {name: {"nats_per_target": float(nats / max(n, 1)), "targets": int(n)} for name, (nats, n) in totals.items()}


def _targets(task: Objective, rows: Rows, which: Sequence[int], seed: int) -> Iterator[npt.NDArray[np.int64]]:
    for i in which:
        targets_T = _example(task, rows, i, seed)["targets_T"]
        yield targets_T[targets_T != IGNORED]


def _example(task: Objective, rows: Rows, i: int, seed: int) -> Example:
    return task.draw(rows.row(i), noise(seed, NOISE_EPOCH, i))
