"""Whether a model finds the grammatical one of two sentences likelier (Warstadt et al. 2020, BLiMP, section 4)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tokenizer.vocab import Vocab
from training.evaluation.items import MinimalPair
from training.evaluation.likelihood import scored
from training.evaluation.pseudo_likelihood import pseudo_nats
from training.evaluation.results import Scores
from training.models import Model

MEASURE = "blimp"


def minimal_pairs(
    model: Model, vocab: Vocab, pairs: Sequence[MinimalPair], objective: str | None = None
) -> dict[str, Scores]:
    """Accuracy over all pairs, "blimp", and over those of each phenomenon, "blimp/<group>"; a tie counts one half.

    Sentences are scored whole: by a decoder after an <eod>, as texts began that it learnt from, by other models by
    pseudo-likelihood. The blimp task of lm-evaluation-harness puts a blank before each sentence, its delimiter of
    contexts and choices, and a tie there is the good one's.
    """
    good_N, bad_N = np.split(_nats(model, vocab, [*(p.good for p in pairs), *(p.bad for p in pairs)], objective), 2)
    values_N = (good_N < bad_N) + 0.5 * (good_N == bad_N)
    groups_N = np.array([pair.group for pair in pairs], np.str_)
    everything = {MEASURE: np.ones(len(pairs), np.bool_)}
    chosen = everything | {f"{MEASURE}/{group}": groups_N == group for group in np.unique(groups_N).tolist()}
    return {
        measure: Scores(
            tuple(pair.id for pair, taken in zip(pairs, of_N, strict=True) if taken),
            values_N[of_N],
            np.ones(np.count_nonzero(of_N)),
        )
        for measure, of_N in chosen.items()
    }


def _nats(model: Model, vocab: Vocab, sentences: Sequence[str], objective: str | None) -> npt.NDArray[np.float64]:
    if model.spec.kind != "decoder":
        return pseudo_nats(model, vocab, sentences, objective)
    found = scored(model, vocab, [("", sentence) for sentence in sentences], objective=objective)
    return np.array([score.nats for score in found], np.float64)
