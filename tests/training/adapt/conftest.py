"""Vocabularies of three families that know the words of the tasks, and small models of every family."""

from string import printable

import pytest
import torch
from adapt_tasks import OBJECTIVES, WORDS

from tokenizer.specials import T5
from tokenizer.unigram import SPACE, from_pieces
from tokenizer.vocab import Vocab, train
from training import models
from training.spec import ModelSpec

SAID = "yes no 0.0 0.2 0.4 0.6 0.8 1.0 1.2 2.6 3.8 toy sentence: sentence1: sentence2:"


def vocabulary(family, size, specials=None):
    return Vocab.of(train(family, [f"{SAID} {' '.join(WORDS)}"] * 4, size, specials), specials)


def unigram():
    """Words are entries, which the trainer would not make of so little text."""
    words = [(f"{SPACE}{word}", -1.0) for word in (*SAID.replace(":", " :").split(), *WORDS)]
    pieces = [(name, 0.0) for name in T5.first] + [(character, -9.0) for character in (SPACE, *printable.split()[0])]
    return Vocab.of(from_pieces([*dict(pieces + words).items()]))


@pytest.fixture(scope="session")
def vocabs():
    roberta, gpt2 = vocabulary("bpe-bytes", 420, "roberta"), vocabulary("bpe-bytes", 420)
    return {
        "bert": vocabulary("wordpiece", 400), "roberta": roberta, "bart": roberta, "t5": unigram(),
        **dict.fromkeys(("gpt", "gpt2", "llama", "t5-lm"), gpt2),
    }  # fmt: skip


@pytest.fixture(scope="session")
def pretrained(vocabs):
    """A small model of a family that has learnt nothing yet, with its vocabulary and objective."""

    def made(family, **changes):
        vocab = vocabs[family]
        shape = {"layers": 2, "width": 64, "heads": 4, "ffn": 128, "vocab": vocab.size, "context": 64}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            model = models.build(ModelSpec(family=family, **shape | changes))
        return model, vocab, OBJECTIVES[family]

    return made


@pytest.fixture(scope="session")
def randomised(pretrained):
    """The same with every weight away from its start, gains and biases too, so that a fault in any part shows."""

    def made(family, **changes):
        model, vocab, objective = pretrained(family, **changes)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn(weight.shape, generator=generator) * (0.2 if weight.ndim == 1 else 0.1))
        return model, vocab, objective

    return made
