"""The scores of a pretrained model on all that it is asked, by measure."""

from collections.abc import Sequence

import numpy as np
import torch

from corpus.errors import ConfigError
from tokenizer.vocab import Vocab
from training.data import collated
from training.evaluation.battery import HELD_OUT, Battery, Document
from training.evaluation.choices import choices, completions
from training.evaluation.minimal_pairs import minimal_pairs
from training.evaluation.perplexity import HeldOut, bits
from training.evaluation.results import Scores
from training.evaluation.targets import NOISE_EPOCH, held_out_shards, once
from training.models import Model
from training.objective import IGNORED, Objective, noise

BATCH_ROWS = 16


def measured(model: Model, vocab: Vocab, task: Objective, battery: Battery, seed: int) -> dict[str, Scores]:
    """The scores of a model by measure: bits per byte of held-out texts where all of a text is predicted and can be
    told from its tokens, else nats per target; minimal pairs; choices and completions of all but encoders."""
    found: dict[str, Scores] = {}
    for name, documents in battery.of(HELD_OUT).items():
        if task.name == "causal" and vocab.lossless:
            found[f"bits_per_byte/{name}"] = bits_per_byte(model, vocab, documents)
        else:
            found[f"nats_per_target/{name}"] = nats_per_target(model, vocab, task, documents, seed)
    for pairs in battery.of("pairs").values():
        found |= minimal_pairs(model, vocab, pairs, task.name)
    if model.spec.kind != "encoder":
        for name, items in battery.of("choices").items():
            found |= {
                f"{name}/{part}" if part else name: s
                for part, s in choices(model, vocab, items, objective=task.name).items()
            }
        for name, items in battery.of("completions").items():
            for part, scores in completions(model, vocab, items, objective=task.name).items():
                found[f"{part}/{name}" if part else name] = scores
    return found


def bits_per_byte(model: Model, vocab: Vocab, documents: Sequence[Document]) -> Scores:
    """Bits and bytes of each text."""
    scored = bits(model, vocab, [HeldOut(document.text) for document in documents])
    ids = tuple(document.id for document in documents)
    return Scores(ids, np.array(scored.bits), np.array(scored.n_bytes, np.float64))


@torch.no_grad()
def nats_per_target(model: Model, vocab: Vocab, task: Objective, documents: Sequence[Document], seed: int) -> Scores:
    """Nats and targets of each row that the texts make, with noise that depends on the row and the seed alone."""
    once_each, device = once(task), model.output.weight.device
    nats: list[float] = []
    targets: list[int] = []
    with held_out_shards([document.text for document in documents], vocab, marks=task.marks) as shards:
        rows = once_each.rows(shards, model.spec.context, seed)
        for first in range(0, len(rows), BATCH_ROWS):
            which = range(first, min(first + BATCH_ROWS, len(rows)))
            drawn = [once_each.draw(rows.row(i), noise(seed, NOISE_EPOCH, i)) for i in which]
            batch = {name: values.to(device) for name, values in collated(drawn, task.kind).items()}
            nats += model.scores(batch).double().sum(dim=1).tolist()
            targets += (batch["targets"] != IGNORED).sum(dim=1).tolist()
    if not sum(targets):
        raise ConfigError(
            f"{len(documents):,} held-out texts make no row of {model.spec.context:,} tokens to ask of a model; give "
            f"their set more text, or take a shorter context"
        )
    return Scores(tuple(map(str, range(len(nats)))), np.array(nats), np.array(targets, np.float64))
