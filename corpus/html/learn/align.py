"""Which of a page's words are in its gold text: an alignment of the two, and what stands in another order."""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

CONTINUES: Final = 1.0
BEGINS: Final = 0.35
"""A matching word counts less where the word before does not match too, so that runs win over single words that happen
to be on both sides (a menu has many of the text's words)."""
MAX_CELLS: Final = 200_000_000
"""Words of page times words of text; a byte each is held."""
MOVED: Final = 5
"""Words of the text that stand in the page in one run, elsewhere than the alignment has them, are main text too."""

_LEFT, _MATCH, _CONTINUED = 1, 2, 4


def matched(page: NDArray[np.int32], gold: NDArray[np.int32]) -> NDArray[np.bool_] | None:
    """Which of the page's words (numbers, one for each different word) are in the text; None where both are too
    long."""
    if (len(page) + 1) * (len(gold) + 1) > MAX_CELLS:
        return None
    steps = np.zeros((len(page) + 1, len(gold) + 1), np.uint8)
    in_page: NDArray[np.bool_]
    in_page, in_gold = _align(page, gold, steps)
    lacking = {
        tuple(gold[at : at + MOVED].tolist())
        for at in range(len(gold) - MOVED + 1)
        if not in_gold[at : at + MOVED].any()
    }
    if lacking:
        words = page.tolist()
        for at in range(len(words) - MOVED + 1):
            if tuple(words[at : at + MOVED]) in lacking:
                in_page[at : at + MOVED] = True
    return in_page


@njit(cache=True)
def _align(page, gold, steps):  # type: ignore[no-untyped-def]
    n, m = page.shape[0], gold.shape[0]
    best = np.zeros(m + 1, np.float32)  # of the words so far
    ended = np.full(m + 1, -1e9, np.float32)  # of those alignments in which the last two words match
    for i in range(1, n + 1):
        best_before, ended_before = best[0], ended[0]
        ended[0] = -1e9
        for j in range(1, m + 1):
            best_above, ended_above = best[j], ended[j]
            step = 0
            score = best_above
            if best[j - 1] > score:
                score = best[j - 1]
                step = _LEFT
            match = np.float32(-1e9)
            if page[i - 1] == gold[j - 1]:
                match = best_before + np.float32(BEGINS)
                if ended_before + np.float32(CONTINUES) >= match:
                    match = ended_before + np.float32(CONTINUES)
                    step |= _CONTINUED
            if match >= score:
                score = match
                step = (step & _CONTINUED) | _MATCH
            best_before, ended_before = best_above, ended_above
            best[j], ended[j] = score, match
            steps[i, j] = step
    in_page, in_gold = np.zeros(n, np.bool_), np.zeros(m, np.bool_)
    i, j = n, m
    continued = False
    while i > 0 and j > 0:
        step = steps[i, j]
        if continued or step & _MATCH:
            in_page[i - 1] = in_gold[j - 1] = True
            continued = step & _CONTINUED != 0
            i -= 1
            j -= 1
        elif step & _LEFT:
            j -= 1
        else:
            i -= 1
    return in_page, in_gold
