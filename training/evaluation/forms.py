"""How questions are put to a model that only continues text, as lm-evaluation-harness 0.4 puts them.

Its task files (lm_eval/tasks/<task>/*.yaml: doc_to_text, doc_to_choice, target_delimiter) are the reference. Contexts
end without a blank, and continuations begin with one. Rows come in the form of the task's authors, or in that of
llm-foundry's gauntlet (scripts/eval/local_data: query, choices, gold), which is taken apart and put as the harness puts
it, so that both forms of a task ask the same. From the gauntlet's query to context and continuation:

    arc-easy      Question: Q                                   Question: Q / Answer:       _choice
    boolq         Passage: P / Question: Q?                     P / Question: Q? / Answer:  _yes
    openbookqa    stem                                          stem                        _choice
    siqa          Context: C / Question: Q / Choices: / A. a    Q: C Q / A:                 _a
    winograd-wsc  two contexts                                  each context                _continuation

where / is a line end and _ a blank.

Of siqa the harness asks three choices and the gauntlet two, so the scores of its two forms do not compare.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from training.evaluation.items import Choices
from training.evaluation.task_files import Row

Recast = Callable[[Iterable[Row]], Iterator[Row]]
YES_NO = {"no": 0, "yes": 1}
CONNECTORS = {"cause": " because", "effect": " therefore"}
ENTAILED = {"entailment": 1, "not_entailment": 0}


def numbered(words: Sequence[str]) -> dict[str, int]:
    """Number of each word, by itself and by its number: files have either."""
    return {word: n for n, word in enumerate(words)} | {str(n): n for n in range(len(words))}


def arc_easy(row: Row) -> Choices:
    query, choices, gold = _asked(row)
    return _choices(row, f"Question: {query.removeprefix('Question: ')}\nAnswer:", choices, gold)


def boolq(row: Row) -> Choices:
    context = f"{row.text('passage')}\nQuestion: {row.text('question')}?\nAnswer:"
    return _choices(row, context, ("no", "yes"), row.index(numbered(("False", "True")), "label"))


def copa(row: Row) -> Choices:
    """Without a question, as in the form of two pairs, the premise alone: the connector cannot be known."""
    context = row.text("premise").strip()
    if "question" in row.values:
        question = row.text("question")
        if question not in CONNECTORS:
            raise row.error(f"column question is {question!r:.80}; it must be one of {', '.join(CONNECTORS)}")
        context = context[:-1] + CONNECTORS[question]
    choices = (row.text("choice1"), row.text("choice2"))
    return _choices(row, context, choices, row.index(numbered(("choice1", "choice2")), "label"))


def openbookqa(row: Row) -> Choices:
    return _choices(row, *_asked(row))


def piqa(row: Row) -> Choices:
    choices = (row.text("sol1"), row.text("sol2"))
    return _choices(row, f"Question: {row.text('goal')}\nAnswer:", choices, row.index({"0": 0, "1": 1}, "label"))


def siqa(row: Row) -> Choices:
    if "query" in row.values:
        found = re.fullmatch(r"Context: (.*)\nQuestion: (.*)\nChoices:\n(.*)\nAnswer:", row.text("query"), re.DOTALL)
        letters = row.texts("choices")
        choices = re.split(r"(?:^|\n)[A-Z]\. ", found[3])[1:] if found else []
        if found is None or len(choices) != len(letters):
            raise row.error("column query is not of the form Context: ... Question: ... Choices: A. ... B. ... Answer:")
        return _choices(row, f"Q: {found[1]} {found[2]}\nA:", choices, _gold(row, len(choices)))
    context = f"Q: {row.text('context')} {row.text('question')}\nA:"
    choices = [row.text(f"answer{letter}") for letter in "ABC"]
    return _choices(row, context, choices, row.index({"1": 0, "2": 1, "3": 2}, "label"))


def winograd(row: Row) -> Choices:
    """Partial scoring (Trinh and Le 2018): what follows the two candidates is compared, not they."""
    contexts = row.texts("context_options")
    continuations = [row.text("continuation")] * len(contexts)
    return _checked(row, contexts, continuations, _gold(row, len(contexts)))


def boolq_rows(rows: Iterable[Row]) -> Iterator[Row]:
    """Columns passage, question and label, whatever the form."""
    for row in rows:
        if "query" not in row.values:
            yield row
            continue
        passage, mark, question = row.text("query").removeprefix("Passage: ").rpartition("\nQuestion: ")
        choices = row.texts("choices")
        if not mark or set(choices) != set(YES_NO):
            raise row.error(
                "column query is not of the form Passage: ... Question: ..., or its choices are not yes and no"
            )
        label = bool(YES_NO[choices[_gold(row, len(choices))]])
        yield row.recast(passage=passage, question=question.removesuffix("?"), label=label)


def copa_rows(rows: Iterable[Row]) -> Iterator[Row]:
    """Columns premise, choice1, choice2 and label. Pairs of natural language inference, of which a premise has one that
    is entailed and one that is not, become one row where the first of them stands."""
    pairs: dict[str, list[Row]] = {}
    for row in rows:
        if "choice1" in row.values:
            yield row
        else:
            pairs.setdefault(row.text("premise"), []).append(row)
    for premise, both in pairs.items():
        entailed = [row.index(ENTAILED, "label") for row in both]
        if sorted(entailed) != [0, 1]:
            raise both[0].error(f"its premise has {len(both)} hypotheses, {sum(entailed)} entailed; it must be 1 of 2")
        first, second = (row.text("hypothesis") for row in both)
        yield both[0].recast(premise=premise, choice1=first, choice2=second, label=entailed.index(1))


def _asked(row: Row) -> tuple[str, list[str], int]:
    """Question, choices and gold: the gauntlet's columns, or question and answerKey of the Allen Institute's files."""
    if "query" in row.values:
        choices = row.texts("choices")
        return row.text("query"), choices, _gold(row, len(choices))
    inner = _object(row, row.value("question", "query"), "question")
    options = inner.value("choices")
    if not isinstance(options, list) or len(options) < 2:
        raise row.error("column question.choices must be a list of two or more")
    options = [_object(row, option, "question.choices") for option in options]
    letters = {option.text("label"): n for n, option in enumerate(options)}
    return inner.text("stem"), [option.text("text") for option in options], row.index(letters, "answerKey")


def _object(row: Row, value: Any, name: str) -> Row:
    if not isinstance(value, dict):
        raise row.error(f"column {name} must be an object, {{...}}")
    return Row(row.file, row.line, value)


def _gold(row: Row, n_choices: int) -> int:
    return row.index({str(n): n for n in range(n_choices)}, "gold")


def _choices(row: Row, context: str, choices: Sequence[str], gold: int) -> Choices:
    return _checked(row, [context] * len(choices), choices, gold)


def _checked(row: Row, contexts: Sequence[str], continuations: Sequence[str], gold: int) -> Choices:
    if not all(text.strip() for text in (*contexts, *continuations)):
        raise row.error("a text of it is empty")
    put = tuple(context.rstrip() for context in contexts)
    return Choices(row.id, put, tuple(" " + text for text in continuations), gold)


@dataclass(frozen=True, kw_only=True)
class ChoiceForm:
    """How a task's rows are asked, of which split (the first of these that is there), and its folder's other names."""

    put: Callable[[Row], Choices]
    recast: Recast = iter
    splits: tuple[str, ...] = ("dev", "all")
    names: tuple[str, ...] = ()


CHOICES: dict[str, ChoiceForm] = {
    "arc-easy": ChoiceForm(put=arc_easy, splits=("test", "dev", "all")),
    "boolq": ChoiceForm(put=boolq, recast=boolq_rows),
    "copa": ChoiceForm(put=copa, recast=copa_rows),
    "openbookqa": ChoiceForm(put=openbookqa, splits=("test", "dev", "all")),
    "piqa": ChoiceForm(put=piqa),
    "siqa": ChoiceForm(put=siqa, names=("socialiqa", "social_i_qa")),
    "winograd-wsc": ChoiceForm(put=winograd, splits=("test", "dev", "all"), names=("winograd", "wsc273")),
}
