"""Weights of the words of a page's names for each kind of page: softmax regression by scikit-learn."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import SGDClassifier

from corpus.html.features import KINDS_OF_PAGES
from corpus.html.learn.examples import Example

HASH_BITS: Final = 13
SCALE: Final = 64
KIND_OF: Final = {"collection": "product"}
"""Kinds of wcxb-dev that are taken for another: too few pages."""
UNTYPED: Final = 0.2
"""Weight of pages whose kind is not known: the other sets hold articles, nearly all."""


def kind_weights(examples: Sequence[Example]) -> NDArray[np.int16]:
    """Shape (2^13 + 1, kinds), for `structure.page_kinds`."""
    rows, columns, values = [], [], []
    for row, example in enumerate(examples):
        words = np.unique(example.page.layout.words & np.uint32((1 << HASH_BITS) - 1))
        rows += [row] * len(words)
        columns += words.tolist()
        values += [1 / np.sqrt(len(words) + 1)] * len(words)
    names = [
        KIND_OF.get(example.gold.page_type or "article", example.gold.page_type or "article") for example in examples
    ]
    weights = [1.0 if example.gold.page_type else UNTYPED for example in examples]
    bag = csr_matrix((values, (rows, columns)), shape=(len(examples), 1 << HASH_BITS))
    fitted = SGDClassifier(loss="log_loss", alpha=2e-4, max_iter=25, tol=None, random_state=0)
    fitted.fit(bag, [KINDS_OF_PAGES.index(name) for name in names], sample_weight=weights)
    found = np.concatenate([fitted.coef_.T, fitted.intercept_[None]])
    return np.clip(np.round(found * SCALE), -32768, 32767).astype(np.int16)
