"""Evaluation data: the texts of lm-evaluation-harness and T5, splits, limits, and the errors of a bad benchmark."""

import json
from collections import Counter
from pathlib import Path

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ConfigError, DataError
from training.evaluation.fine_forms import FINE
from training.evaluation.forms import CHOICES
from training.evaluation.items import Labelled, MinimalPair
from training.evaluation.tasks import choices, chosen, completions, fine_task, minimal_pairs


def jsonl(path: Path, *rows: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def tsv(path: Path, *rows: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(row.replace("|", "\t") + "\n" for row in rows))
    return path


# one item in the form of its authors, and the same in that of the gauntlet where it has one
ARC = {
    "id": "x",
    "question": {"stem": "Which is hot?", "choices": [{"text": "ice", "label": "A"}, {"text": "fire", "label": "B"}]},
    "answerKey": "B",
}
OWN = {
    "arc-easy": ARC,
    "openbookqa": ARC,
    "piqa": {"goal": "Keep tea hot", "sol1": "Use ice.", "sol2": "Use a flask.", "label": 1},
    "boolq": {"question": "is tea hot", "passage": "Tea -- Tea is hot.", "label": True},
    "copa": {
        "premise": "The tea went cold.",
        "choice1": "I waited.",
        "choice2": "I ran.",
        "question": "cause",
        "label": 0,
    },
    "siqa": {
        "context": "Ann made tea.",
        "question": "Why?",
        "answerA": "a",
        "answerB": "b",
        "answerC": "c",
        "label": "3",
    },
}
GAUNTLET = {
    "arc-easy": {"query": "Question: Which is hot?", "choices": ["ice", "fire"], "gold": 1},
    "openbookqa": {"query": "Which is hot?", "choices": ["ice", "fire"], "gold": 1},
    "boolq": {
        "query": "Passage: Tea -- Tea is hot.\nQuestion: is tea hot?",
        "choices": ["no", "yes"],
        "gold": 1,
    },
}
# doc_to_text and doc_to_choice of the harness's task files, over the data set's columns
HARNESS = {
    "arc-easy": ("Question: {{question.stem}}\nAnswer:", ["ice", "fire"], 1),
    "openbookqa": ("{{question.stem}}", ["ice", "fire"], 1),
    "piqa": ("Question: {{goal}}\nAnswer:", ["Use ice.", "Use a flask."], 1),
    "boolq": ("{{passage}}\nQuestion: {{question}}?\nAnswer:", ["no", "yes"], 1),
    "copa": (
        "{{premise.strip()[:-1]}} {{{'cause': 'because', 'effect': 'therefore'}[question]}}",
        ["I waited.", "I ran."],
        0,
    ),
    "siqa": ("Q: {{context}} {{question}}\nA:", ["a", "b", "c"], 2),
}


@pytest.mark.parametrize("task", OWN)
def test_choices_are_put_as_the_harness_puts_them(tmp_path, task):
    jsonl(tmp_path / task / "dev.jsonl", OWN[task])
    (item,) = choices(tmp_path, task)
    template, texts, gold = HARNESS[task]
    context = jinja2.Template(template).render(OWN[task])
    assert item.contexts == (context,) * len(texts)
    assert item.continuations == tuple(" " + text for text in texts)
    assert (item.gold, item.id) == (gold, "dev:1")


@pytest.mark.parametrize("task", GAUNTLET)
def test_both_forms_of_a_task_ask_the_same(tmp_path, task):
    jsonl(tmp_path / "own" / task / "dev.jsonl", OWN[task])
    jsonl(tmp_path / "gauntlet" / task / "dev.jsonl", GAUNTLET[task])
    assert choices(tmp_path / "own", task) == choices(tmp_path / "gauntlet", task)


def test_the_gauntlets_siqa_becomes_the_harnesss(tmp_path):
    query = "Context: Ann made tea.\nQuestion: Why?\nChoices:\nA. to drink it\nB. for\nfun. No\nAnswer:"
    jsonl(tmp_path / "siqa" / "siqa.jsonl", {"query": query, "choices": ["A", "B"], "gold": 1})
    (item,) = choices(tmp_path, "siqa")
    assert item.contexts[0] == "Q: Ann made tea. Why?\nA:"
    assert item.continuations == (" to drink it", " for\nfun. No")
    jsonl(tmp_path / "siqa" / "siqa.jsonl", {"query": query, "choices": ["A", "B", "C"], "gold": 1})
    with pytest.raises(DataError, match=r"siqa\.jsonl:1: column query is not of the form"):
        choices(tmp_path, "siqa")


def test_winograd_has_two_contexts_and_one_continuation(tmp_path):
    both = ["The cup does not fit since the cup", "The cup does not fit since the box "]
    jsonl(tmp_path / "WSC273" / "x.jsonl", {"context_options": both, "continuation": "is small.", "gold": 1})
    (item,) = choices(tmp_path, "winograd-wsc")
    assert item == ("x:1", (both[0], both[1].rstrip()), (" is small.", " is small."), 1)


def nli(premise: str, hypothesis: str, label: str) -> dict:
    return {"premise": premise, "hypothesis": hypothesis, "label": label}


def test_pairs_of_copa_become_choices(tmp_path):
    pairs = [
        nli("It rained.", "I got wet.", "entailment"),
        nli("I ran.", "I slept.", "not_entailment"),
        nli("It rained.", "I got dry.", "not_entailment"),
        nli("I ran.", "I was late.", "entailment"),
    ]
    jsonl(tmp_path / "copa" / "dev.jsonl", *pairs)
    first, second = choices(tmp_path, "copa")
    assert first == ("dev:1", ("It rained.",) * 2, (" I got wet.", " I got dry."), 0)
    assert second == ("dev:2", ("I ran.",) * 2, (" I slept.", " I was late."), 1)
    jsonl(tmp_path / "copa" / "dev.jsonl", *pairs[:3])
    with pytest.raises(DataError, match=r"dev\.jsonl:2: its premise has 1 hypotheses, 0 entailed; it must be 1 of 2"):
        choices(tmp_path, "copa")


def test_which_split_is_asked(tmp_path):
    for name, word in (("Train", "train"), ("Dev", "dev"), ("Test", "test")):
        jsonl(tmp_path / "ARC-Easy" / f"ARC-Easy-{name}.jsonl", {"query": word, "choices": ["a", "b"], "gold": 0})
        jsonl(tmp_path / "PIQA" / f"{word}.jsonl", {"goal": word, "sol1": "a", "sol2": "b", "label": 0})
    assert "test" in choices(tmp_path, "arc-easy")[0].contexts[0]
    assert "dev" in choices(tmp_path, "PIQA")[0].contexts[0]
    (tmp_path / "PIQA" / "dev.jsonl").unlink()
    with pytest.raises(ConfigError, match=r"PIQA has no file for dev; files here: test\.jsonl, train\.jsonl"):
        choices(tmp_path, "piqa")


def test_both_forms_of_lambada(tmp_path):
    jsonl(tmp_path / "a" / "lambada" / "lambada_test.jsonl", {"text": "I saw the\nold owl"})
    jsonl(tmp_path / "b" / "lambada" / "lambada_test.jsonl", {"context": "I saw the\nold", "continuation": "owl"})
    (item,) = completions(tmp_path / "a")
    assert item[1:] == ("I saw the\nold", " owl")
    assert completions(tmp_path / "b") == [item]
    template = "{{text.split(' ')[:-1]|join(' ')}}{{' '+text.split(' ')[-1]}}"  # lambada_openai.yaml, both parts
    assert item.context + item.continuation == jinja2.Template(template).render(text="I saw the\nold owl")
    jsonl(tmp_path / "b" / "lambada" / "lambada_test.jsonl", {"text": "owl"})
    with pytest.raises(DataError, match=r"lambada_test\.jsonl:1: a text of it is empty"):
        completions(tmp_path / "b")


def blimp(term: str, n: int) -> dict:
    return {"sentence_good": f"good {term} {n}", "sentence_bad": f"bad {term} {n}", "linguistics_term": term}


def test_pairs_come_from_every_file_of_blimp(tmp_path):
    jsonl(tmp_path / "BLiMP" / "one.jsonl", blimp("binding", 0))
    jsonl(tmp_path / "BLiMP" / "two.jsonl", blimp("ellipsis", 0), blimp("ellipsis", 1))
    found = minimal_pairs(tmp_path)
    assert found[0] == MinimalPair("one:1", "good binding 0", "bad binding 0", "binding")
    assert [pair.id for pair in found] == ["one:1", "two:1", "two:2"]
    jsonl(tmp_path / "BLiMP" / "two.jsonl", {"good": "x"})
    with pytest.raises(DataError, match=r"two\.jsonl:1: no column sentence_good; columns here: good"):
        minimal_pairs(tmp_path)


def test_a_limit_is_even_over_phenomena(tmp_path):
    counts = {"a": 50, "b": 3, "c": 20}
    jsonl(tmp_path / "blimp" / "x.jsonl", *[blimp(term, n) for term, many in counts.items() for n in range(many)])
    assert Counter(pair.group for pair in minimal_pairs(tmp_path, 9)) == {"a": 3, "b": 3, "c": 3}
    assert Counter(pair.group for pair in minimal_pairs(tmp_path, 23)) == {"a": 10, "b": 3, "c": 10}
    assert len(minimal_pairs(tmp_path, 73)) == len(minimal_pairs(tmp_path)) == 73
    with pytest.raises(ConfigError, match="a limit of 0 evaluation items; give 1 or more"):
        minimal_pairs(tmp_path, 0)


@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from("abc")), unique_by=lambda x: x[0]), st.data())
def test_what_a_limit_takes(drawn, data):
    items = [MinimalPair(str(n), f"good {n}", "bad", group) for n, group in drawn]
    limit = data.draw(st.integers(1, len(items) + 1))
    taken = chosen(items, limit, lambda pair: pair.good, lambda pair: pair.group)
    assert len(taken) == min(limit, len(items))
    assert taken == [item for item in items if item in taken]  # in order
    more = chosen(items, limit + 1, lambda pair: pair.good, lambda pair: pair.group)
    assert set(taken) <= set(more)
    shuffled = chosen(data.draw(st.permutations(items)), limit, lambda pair: pair.good, lambda pair: pair.group)
    assert set(shuffled) == set(taken)
    whole, part = (Counter(item.group for item in some) for some in (items, taken))
    assert all(part[a] >= part[b] - 1 or part[a] == whole[a] for a in whole for b in whole)


def test_glues_own_tables(tmp_path):
    tsv(tmp_path / "CoLA" / "train.tsv", 'gj04|1||He said "so.', "gj04|0|*|Said he so so.")
    tsv(tmp_path / "CoLA" / "dev.tsv", "gj04|1||Sea.")
    tsv(tmp_path / "SST-2" / "train.tsv", "sentence|label", "a joy |1")
    tsv(tmp_path / "SST-2" / "dev.tsv", "sentence|label", "a bore |0")
    mrpc = "\ufeffQuality|#1 ID|#2 ID|#1 String|#2 String"
    tsv(tmp_path / "MRPC" / "train.tsv", mrpc, "1|1|2|One.|Uno.")
    tsv(tmp_path / "MRPC" / "dev.tsv", mrpc, "0|1|2|One.|Two.")
    sts = "index|genre|filename|year|old_index|source1|source2|sentence1|sentence2|score"
    tsv(tmp_path / "STS-B" / "train.tsv", sts, "0|g|f|y|1|none|none|A.|B.|3.800")
    tsv(tmp_path / "STS-B" / "dev.tsv", sts, "0|g|f|y|1|none|none|A.|B.|5.000")
    mnli = "index|promptID|pairID|genre|sentence1_parse|sentence2_parse|sentence1|sentence2|label1|gold_label"
    tsv(tmp_path / "MNLI" / "train.tsv", mnli, "0|1|2|g|(P)|(H)|P.|H.|neutral|contradiction")
    for side in ("", "mis"):
        tsv(tmp_path / "MNLI" / f"dev_{side}matched.tsv", mnli, f"0|1|2|g|(P)|(H)|{side}P.|H.|neutral|neutral")
    for name in ("train", "dev"):
        tsv(tmp_path / "QNLI" / f"{name}.tsv", "index|question|sentence|label", "0|Who?|I.|not_entailment")
        tsv(tmp_path / "RTE" / f"{name}.tsv", "index|sentence1|sentence2|label", "0|P.|H.|entailment")
        tsv(tmp_path / "WNLI" / f"{name}.tsv", "index|sentence1|sentence2|label", "0|P.|H.|1")
        tsv(
            tmp_path / "QQP" / f"{name}.tsv",
            "id|qid1|qid2|question1|question2|is_duplicate",
            "0|1|2|A?||0",
            "1|1|2|torn",
        )

    cola = fine_task(tmp_path, "cola")
    assert cola.train[0] == Labelled("train:1", 'He said "so.', None, 1)
    assert (cola.train[1].label, cola.labels[0], cola.metrics) == (0, "unacceptable", ("matthews",))
    assert fine_task(tmp_path, "sst-2").dev == (Labelled("dev:2", "a bore ", None, 0),)
    assert fine_task(tmp_path, "mrpc").train == (Labelled("train:2", "One.", "Uno.", 1),)
    for name in ("sts", "STS-B", "stsb"):
        assert fine_task(tmp_path, name).train == (Labelled("train:2", "A.", "B.", 3.8),)
    mnli = fine_task(tmp_path, "mnli")
    assert (mnli.train[0], mnli.dev[0]) == (("train:2", "P.", "H.", 2), ("dev_matched:2", "P.", "H.", 1))
    assert fine_task(tmp_path, "qnli").dev == (Labelled("dev:2", "Who?", "I.", 1),)
    assert fine_task(tmp_path, "rte").dev == (Labelled("dev:2", "P.", "H.", 0),)
    assert fine_task(tmp_path, "wnli").dev == (Labelled("dev:2", "P.", "H.", 1),)
    assert fine_task(tmp_path, "qqp").train == (Labelled("train:2", "A?", "", 0),)


def t5(name: str, fields: dict[str, str]) -> str:
    """Text of an example as T5's preprocessor joins it."""
    return " ".join([name, *(f"{key}: {fields[key]}" for key in sorted(fields))])


SUPERGLUE = {
    "boolq": ({"question": "is tea hot", "passage": "Tea is.", "label": True}, "True"),
    "cb": ({"premise": "P.", "hypothesis": "H.", "label": "neutral"}, "neutral"),
    "copa": ({"premise": "P.", "choice1": "A.", "choice2": "B.", "question": "effect", "label": 1}, "choice2"),
    "rte": ({"sentence1": "P.", "sentence2": "H.", "label": "not_entailment"}, "not_entailment"),
    "wic": ({"word": "pole", "sentence1": "A pole.", "sentence2": "A Pole.", "label": False}, "False"),
}


@pytest.mark.parametrize("name", SUPERGLUE)
def test_superglues_own_files_in_t5s_words(tmp_path, name):
    row, target = SUPERGLUE[name]
    for split in ("train", "val"):
        jsonl(tmp_path / name.upper() / f"{split}.jsonl", row | {"idx": 0})
    task = fine_task(tmp_path, name)
    (item,) = task.dev
    texts = dict(zip(task.fields, (item.first, item.second), strict=True))
    assert t5(task.name, texts) == t5(name, {key: value for key, value in row.items() if key != "label"})
    assert task.labels[item.label] == target


def test_one_file_is_divided_by_its_first_text(tmp_path):
    rows = [nli(f"premise {n // 3}", f"h {n}", ("entailment", "neutral", "contradiction")[n % 3]) for n in range(900)]
    jsonl(tmp_path / "MNLI" / "dev_matched.jsonl", *rows)
    task = fine_task(tmp_path, "mnli")
    train, dev = ({item.first for item in side} for side in (task.train, task.dev))
    assert not train & dev
    assert len(task.train) + len(task.dev) == 900
    assert 0.7 < len(task.train) / 900 < 0.9
    jsonl(tmp_path / "MNLI" / "dev_matched.jsonl", *reversed(rows))
    assert {item.second for item in fine_task(tmp_path, "mnli").dev} == {item.second for item in task.dev}
    small = fine_task(tmp_path, "mnli", 50)
    assert (len(small.train), len(small.dev)) == (50, 50)
    assert {item.second for item in small.dev} < {item.second for item in task.dev}
    jsonl(tmp_path / "MNLI" / "dev_matched.jsonl", *rows[:3])
    with pytest.raises(DataError, match="too few examples to make train and dev of"):
        fine_task(tmp_path, "mnli")


def test_examples_without_a_label_are_left_out_of_nli_alone(tmp_path):
    some = [nli(f"p{n}", "h", label) for n, label in enumerate(("-", "neutral", "-"))]
    for task in ("snli", "cb"):
        for split in ("train", "dev"):
            jsonl(tmp_path / task / f"{split}.jsonl", *some)
    assert [item.id for item in fine_task(tmp_path, "snli").train] == ["train:2"]
    with pytest.raises(DataError, match=r"train\.jsonl:1: column label is '-'; it must be one of entailment, contr"):
        fine_task(tmp_path, "cb")


@pytest.mark.parametrize(
    ("task", "row", "message"),
    [
        ("arc-easy", {"query": "Q", "choices": ["a", "b"], "gold": 2}, "column gold is 2; it must be one of 0, 1"),
        ("arc-easy", {"query": "Q", "choices": ["a", "b"], "gold": -1}, "column gold is -1"),
        ("arc-easy", {"query": "Q", "choices": ["a"], "gold": 0}, "it must be a list of two texts or more"),
        ("arc-easy", {"query": "Q", "choices": ["a", " "], "gold": 0}, "a text of it is empty"),
        ("arc-easy", {"query": "Q", "choices": ["a", 3], "gold": 0}, "column choices is 3; it must be text"),
        ("arc-easy", ARC | {"answerKey": "C"}, "column answerKey is 'C'; it must be one of A, B"),
        ("arc-easy", {"question": "Q"}, "column question must be an object"),
        ("arc-easy", {"goal": "Q"}, "no column question or query; columns here: goal"),
        ("piqa", {"goal": "g", "sol1": "a", "sol2": "b"}, "no column label; columns here: goal, sol1, sol2"),
        ("boolq", {"query": "Q", "choices": ["no", "yes"], "gold": 0}, "column query is not of the form Passage: "),
        ("boolq", GAUNTLET["boolq"] | {"choices": ["A", "B"]}, "or its choices are not yes and no"),
        ("copa", OWN["copa"] | {"question": "why"}, "column question is 'why'; it must be one of cause, effect"),
        ("winograd-wsc", {"context_options": ["a", "b"], "continuation": "", "gold": 0}, "a text of it is empty"),
    ],
)
def test_bad_questions_say_where(tmp_path, task, row, message):
    jsonl(tmp_path / task / "dev.jsonl", row)
    with pytest.raises(DataError, match=message) as caught:
        choices(tmp_path, task)
    assert str(caught.value).startswith(f"{tmp_path / task / 'dev.jsonl'}:1: ")


@pytest.mark.parametrize(
    ("task", "row", "message"),
    [
        ("rte", nli("p", "h", "maybe"), "is 'maybe'; it must be one of entailment, not_entailment, 0, 1"),
        ("rte", nli("p", "h", "entailment") | {"label": 2}, "column label is 2"),
        ("rte", nli("p", "h", "entailment") | {"label": None}, "column label is None"),
        ("rte", {"premise": "p", "label": 0}, "no column sentence2 or hypothesis; columns here: premise, label"),
        ("sts", {"s1": "a", "s2": "b", "score": 5.1}, "column score or label is 5.1; it must be a number, 0 to 5"),
        ("sts", {"s1": "a", "s2": "b", "score": "high"}, "is 'high'; it must be a number"),
    ],
)
def test_bad_examples_say_where(tmp_path, task, row, message):
    for split in ("train", "dev"):
        jsonl(tmp_path / task / f"{split}.jsonl", row)
    with pytest.raises(DataError, match=message) as caught:
        fine_task(tmp_path, task)
    assert str(caught.value).startswith(f"{tmp_path / task / 'train.jsonl'}:1: ")


def test_unknown_tasks_and_lone_test_sets(tmp_path):
    with pytest.raises(ConfigError, match=r"evaluation task colaa is unknown; did you mean cola\? known: boolq, cb,"):
        fine_task(tmp_path, "colaa")
    with pytest.raises(ConfigError, match=r"evaluation task hellaswag is unknown; known: arc-easy, boolq"):
        choices(tmp_path, "hellaswag")
    with pytest.raises(ConfigError, match="has no folder cola; folders here: none"):
        fine_task(tmp_path, "cola")
    tsv(tmp_path / "CoLA" / "test.tsv", "index|sentence", "0|Sea.")
    with pytest.raises(ConfigError, match="a test set alone has no labels; put train and dev beside it"):
        fine_task(tmp_path, "cola")


def test_every_regression_and_no_other_task_lacks_labels():
    assert [name for name, form in FINE.items() if not form.labels] == ["stsb"]
    assert not [name for name, form in FINE.items() if (form.score == (0, 0)) == (not form.labels)]
    assert all(1 <= len(form.texts) <= 2 for form in FINE.values())
    assert all("all" in form.splits for form in CHOICES.values())
