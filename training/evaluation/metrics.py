"""How well predictions fit: metrics of GLUE and SuperGLUE, 0 to 1 or -1 to 1, by scikit-learn and SciPy.

Labels are numbers; a text that is no label is a prediction that equals no label, such as -1, and counts as wrong. Where
a metric is undefined for the lack of variety (all predictions equal), it is 0, as in GLUE's own script.
"""

import re
import string
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats
from sklearn import metrics

from corpus.errors import ConfigError
from training.evaluation.items import FineTask

Values = Sequence[Any]
Metric = Callable[[Values, Values], float]
"""Of targets and predictions, in this order."""


def accuracy(targets: Values, predictions: Values) -> float:
    """Share of predictions that equal their targets."""
    return float(metrics.accuracy_score(targets, predictions))


def f1(targets: Values, predictions: Values) -> float:
    """F1 of label 1 among 0 and 1; another prediction is the wrong one of the two, as T5 counts it
    (t5/evaluation/metrics.py, f1_score_with_invalid)."""
    target_N, said_N = np.asarray(targets), np.asarray(predictions)
    said_N = np.where(np.isin(said_N, (0, 1)), said_N, 1 - target_N)
    return float(metrics.f1_score(target_N, said_N, zero_division=0.0))


def f1_macro(targets: Values, predictions: Values) -> float:
    """Mean of the F1 of each label that is among the targets."""
    labels = sorted(set(targets))
    return float(metrics.f1_score(targets, predictions, labels=labels, average="macro", zero_division=0.0))


def matthews(targets: Values, predictions: Values) -> float:
    """Matthews's correlation coefficient (1975), -1 to 1."""
    if len(set(targets)) < 2 or len(set(predictions)) < 2:
        return 0.0  # scikit-learn says so too, but warns where both are one label
    return float(metrics.matthews_corrcoef(targets, predictions))


def pearson(targets: Values, predictions: Values) -> float:
    """Linear correlation, -1 to 1."""
    return _correlation(stats.pearsonr, targets, predictions)


def spearman(targets: Values, predictions: Values) -> float:
    """Correlation of ranks, -1 to 1."""
    return _correlation(stats.spearmanr, targets, predictions)


def exact_match(targets: Values, predictions: Values) -> float:
    """Share of texts that equal their target, or one of them where it is a list, once both are normalized."""
    hits = [
        normalized(said) in map(normalized, [target] if isinstance(target, str) else target)
        for target, said in zip(targets, predictions, strict=True)
    ]
    return sum(hits) / len(hits)


def normalized(answer: str) -> str:
    """The answer in lower case without punctuation, articles and surplus white space (Rajpurkar et al. 2016, section
    6.1; evaluate-v1.1.py)."""
    bare = answer.lower().translate(str.maketrans("", "", string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def _correlation(of: Callable[[Values, Values], Any], targets: Values, predictions: Values) -> float:
    if len(targets) < 2:
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        warnings.simplefilter("ignore", stats.NearConstantInputWarning)
        found = float(of(targets, predictions).statistic)
    return 0.0 if np.isnan(found) else found


METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "f1": f1,
    "f1_macro": f1_macro,
    "matthews": matthews,
    "pearson": pearson,
    "spearman": spearman,
    "exact_match": exact_match,
}


def scores(task: FineTask, predictions: Values) -> dict[str, float]:
    """Each metric of the task over its dev examples."""
    targets = [item.label for item in task.dev]
    if len(predictions) != len(targets):
        raise ConfigError(f"{len(predictions):,} predictions for the {len(targets):,} dev examples of {task.name}")
    return {name: METRICS[name](targets, predictions) for name in task.metrics}


def score(task: FineTask, predictions: Values) -> float:
    """The task's one number: the mean of its metrics (GLUE, Wang et al. 2018; SuperGLUE, Wang et al. 2019)."""
    return float(np.mean(list(scores(task, predictions).values())))
