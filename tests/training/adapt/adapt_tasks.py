"""Tasks over a handful of words, half of whose items are true."""

import numpy as np

from training.evaluation.items import FineTask, Labelled

WORDS = ("apple", "bread", "candle", "door", "engine", "feather", "garden", "house")
OTHERS = tuple(word for word in WORDS if word != "door")
OBJECTIVES = {
    "bert": "next_sentence", "roberta": "roberta", "gpt": "causal", "gpt2": "causal", "llama": "causal",
    "t5-lm": "causal", "t5": "span_corruption", "bart": "bart",
}  # fmt: skip
FAMILIES = tuple(OBJECTIVES)
DEV = 64


def task(items, **changes):
    """A task of two texts whose last items are to be predicted."""
    given = {
        "name": "toy", "suite": "glue", "fields": ("sentence1", "sentence2"), "labels": ("no", "yes"),
        "metrics": ("accuracy",), "train": tuple(items[:-DEV]), "dev": tuple(items[-DEV:]),
    }  # fmt: skip
    return FineTask(**given | changes)


def text(rng, size, *, door):
    words = list(rng.choice(OTHERS, size=size))
    if door:
        words[rng.integers(size)] = "door"
    return " ".join(words)


def has_door():
    """Is there a door in the text?"""
    rng = np.random.default_rng(3)
    items = [Labelled(str(n), text(rng, rng.integers(2, 6), door=n % 2), None, n % 2) for n in range(320)]
    return task(items, fields=("sentence",))


def second_has_door():
    """Is there a door in the second text? Of one in the first nothing follows."""
    rng = np.random.default_rng(8)
    texts = [(text(rng, 3, door=rng.random() < 0.5), text(rng, 3, door=n % 2)) for n in range(576)]
    return task([Labelled(str(n), *pair, n % 2) for n, pair in enumerate(texts)])


def same_word():
    """Do two texts of a word have it in common?"""
    rng = np.random.default_rng(4)
    pairs = [rng.choice(WORDS[:4], size=2, replace=False) for _ in range(576)]
    return task([Labelled(str(n), a, a if n % 2 else b, n % 2) for n, (a, b) in enumerate(pairs)])


def doors_of_a_text():
    """How many doors there are, in fifths."""
    rng = np.random.default_rng(6)
    counts = rng.integers(0, 5, size=320).tolist()
    texts = [" ".join(rng.permutation(["door"] * n + ["house"] * (4 - n))) for n in counts]
    items = [Labelled(str(i), words, None, n / 5) for i, (words, n) in enumerate(zip(texts, counts, strict=True))]
    return task(items, labels=(), metrics=("pearson",), fields=("sentence",))
