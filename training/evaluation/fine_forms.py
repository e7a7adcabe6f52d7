"""Tasks to be learnt from examples: GLUE (Wang et al. 2018), SuperGLUE (Wang et al. 2019), SNLI (Bowman et al. 2015).

Names of tasks, fields and labels are T5's (Raffel et al. 2020, appendix D; t5/data/glue_utils.py over TFDS's
label_classes, whose order is that of the labels here). Metrics are GLUE's table 1 and SuperGLUE's table 1. A file has
a label by its word or by its number.

T5 joins the fields in the order of their names: `mnli hypothesis: ... premise: ...`. Here the premise is first, as
encoders read it (Devlin et al. 2019, section 4.1); sorted(zip(fields, texts)) is T5's order.
"""

from dataclasses import dataclass
from typing import Literal

from training.evaluation.forms import Recast, boolq_rows, copa_rows

NLI = ("entailment", "neutral", "contradiction")
TRUTH = ("False", "True")


@dataclass(frozen=True, kw_only=True)
class FineForm:
    """Where a task's texts and labels stand.

    texts      for each text the field's name and the names that its column has in files
    more       columns that T5 puts behind the second text, ` word: pole`, where a row has them
    score      bounds of a regression's score; labels are then empty
    head       names of the columns in files that have no line of names
    left_out   labels that say that there is none
    torn       GLUE's own file has lines that a line end within a question tore, which every reader leaves out: the
               "corrupted rows" of datasets/glue, the IndexError of transformers' QqpProcessor
    """

    metrics: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    labels: tuple[str, ...] = ()
    label: tuple[str, ...] = ("label",)
    more: tuple[str, ...] = ()
    score: tuple[float, float] = (0, 0)
    head: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    torn: bool = False
    recast: Recast = iter
    suite: Literal["glue", "superglue"] = "glue"
    names: tuple[str, ...] = ()


PREMISE = (("premise", "sentence1"), ("hypothesis", "sentence2"))
SENTENCES = (("sentence1", "premise"), ("sentence2", "hypothesis"))

FINE: dict[str, FineForm] = {
    "cola": FineForm(
        metrics=("matthews",),
        texts=(("sentence",),),
        labels=("unacceptable", "acceptable"),
        head=("source", "label", "star", "sentence"),
    ),
    "sst2": FineForm(metrics=("accuracy",), texts=(("sentence",),), labels=("negative", "positive")),
    "mrpc": FineForm(
        metrics=("f1", "accuracy"),
        texts=(("sentence1", "#1 String"), ("sentence2", "#2 String")),
        labels=("not_equivalent", "equivalent"),
        label=("label", "Quality"),
    ),
    "stsb": FineForm(
        metrics=("pearson", "spearman"),
        texts=(("sentence1", "s1"), ("sentence2", "s2")),
        score=(0, 5),
        label=("score", "label"),
        names=("sts",),
    ),
    "qqp": FineForm(
        metrics=("f1", "accuracy"),
        texts=(("question1",), ("question2",)),
        labels=("not_duplicate", "duplicate"),
        label=("is_duplicate", "label"),
        torn=True,
    ),
    "mnli": FineForm(metrics=("accuracy",), texts=PREMISE, labels=NLI, label=("gold_label", "label"), left_out=("-",)),
    "snli": FineForm(metrics=("accuracy",), texts=PREMISE, labels=NLI, label=("gold_label", "label"), left_out=("-",)),
    "qnli": FineForm(
        metrics=("accuracy",),
        texts=(("question", "premise"), ("sentence", "hypothesis")),
        labels=("entailment", "not_entailment"),
    ),
    "rte": FineForm(metrics=("accuracy",), texts=SENTENCES, labels=("entailment", "not_entailment")),
    "wnli": FineForm(metrics=("accuracy",), texts=SENTENCES, labels=("not_entailment", "entailment")),
    "cb": FineForm(
        suite="superglue",
        metrics=("f1_macro", "accuracy"),
        texts=PREMISE,
        labels=("entailment", "contradiction", "neutral"),
        names=("commitment_bank",),
    ),
    "boolq": FineForm(
        suite="superglue", metrics=("accuracy",), texts=(("passage",), ("question",)), labels=TRUTH, recast=boolq_rows
    ),
    "copa": FineForm(
        suite="superglue",
        metrics=("accuracy",),
        texts=(("choice1",), ("choice2",)),
        labels=("choice1", "choice2"),
        more=("premise", "question"),
        recast=copa_rows,
    ),
    "wic": FineForm(
        suite="superglue",
        metrics=("accuracy",),
        texts=(("sentence1",), ("sentence2",)),
        labels=TRUTH,
        more=("word",),
    ),
}
