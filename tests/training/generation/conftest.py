"""Vocabularies of three families over sums in words, and small random models that speak them."""

import pytest
import torch

from tokenizer.vocab import Vocab, train
from training import models
from training.spec import ModelSpec

TEXTS = [f"{a} and {b} make {c}. " for a in ("one", "two") for b in ("one", "three") for c in ("two", "four", "five")]


def vocabulary(family, size, specials=None):
    return Vocab.of(train(family, TEXTS, size, specials), specials)


@pytest.fixture(scope="session")
def vocabs():
    return {
        "gpt2": vocabulary("bpe-bytes", 290),
        "llama": vocabulary("bpe-bytes", 290),
        "t5": vocabulary("unigram", 320),
        "bart": vocabulary("bpe-bytes", 290, "roberta"),
        "roberta": vocabulary("bpe-bytes", 290, "roberta"),
        "bert": vocabulary("wordpiece", 400),
    }


@pytest.fixture(scope="session")
def speaker(vocabs):
    """A model of a family and its vocabulary, by name."""

    def made(family, seed=1):
        torch.manual_seed(seed)
        vocab = vocabs[family]
        model = models.build(
            ModelSpec(family=family, layers=1, width=16, heads=2, ffn=24, vocab=vocab.size, context=24)
        )
        with torch.no_grad():
            for weight in model.parameters():
                weight.normal_(std=0.4)
        return model.eval(), vocab

    return made
