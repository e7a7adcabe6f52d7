"""How good such trees are on sites that they were not fitted to: each fold's pages by the trees of the others."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus.html import text as t
from corpus.html.choose import chosen
from corpus.html.learn.examples import Example, block_texts
from corpus.html.learn.fit import Rows, probabilities, trees_of
from corpus.html.learn.scores import word_f1
from corpus.html.learn.split import FOLDS
from corpus.html.model import LOG_ODDS, STEPS


def fold_odds(
    examples: Sequence[Example], rows: Rows, names: Sequence[str], settings: Mapping[str, Any]
) -> list[NDArray[np.int32]]:
    """For each page the log-odds of its blocks, in 1/64, from trees that were fitted to the other folds."""
    folds = np.array([example.fold for example in examples])
    trees = [trees_of(rows.of(np.flatnonzero(folds != fold).tolist()), names, settings) for fold in range(FOLDS)]
    return [trees[example.fold].log_odds(rows.of([number]).features) for number, example in enumerate(examples)]


def word_f1s(examples: Sequence[Example], odds: Sequence[NDArray[np.int32]]) -> dict[str, float]:
    """Mean word F1 by set, and for wcxb-dev by page type, of pages that have a gold text; three decimals."""
    likely = probabilities()
    scores: Mapping[str, list[float]] = defaultdict(list)
    for example, of_page in zip(examples, odds, strict=True):
        if example.gold.text:
            taken = chosen(likely[of_page + LOG_ODDS * STEPS], example.page.found.blocks[:, t.WORDS])
            texts = block_texts(example.page)
            f1 = word_f1("\n".join(texts[place] for place in np.flatnonzero(taken)), example.gold.text)
            scores[example.gold.source].append(f1)
            if example.gold.page_type:
                scores[f"{example.gold.source} {example.gold.page_type}"].append(f1)
    return {name: round(mean(values), 3) for name, values in sorted(scores.items())}
