"""Likelihoods and accuracies are those of lm-evaluation-harness for the same exported model on the same items."""

import json
import math
import os
import random
import subprocess
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from small_sums import sums

from corpus.storage import Folder
from tokenizer import vocab as vocabularies
from training import interop, models
from training.evaluation.choices import choices, completions
from training.evaluation.items import Choices, Completion, MinimalPair
from training.evaluation.likelihood import scored
from training.evaluation.minimal_pairs import minimal_pairs
from training.spec import ModelSpec

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-lm-eval/bin/python"
CONTEXT, NATS = 40, 1e-4
WORDS = ["one", "two", "three", "four", "five", "six", "and", "or", "make", "makes", "made", "", "é", "7", "."]
TASKS = {
    "local_choices": {
        "output_type": "multiple_choice", "doc_to_text": "{{context}}", "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{gold}}", "metrics": ["acc", "acc_norm"],
    },
    "local_endings": {
        "output_type": "loglikelihood", "doc_to_text": "{{context}}", "doc_to_target": "{{ending}}",
        "target_delimiter": "", "metrics": ["acc", "perplexity"],
    },
    "local_pairs": {
        "output_type": "multiple_choice", "doc_to_text": "", "doc_to_choice": "{{[good, bad]}}", "doc_to_target": 0,
        "metrics": ["acc"],
    },
}  # fmt: skip


def words(rng, low, high):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(low, high))).strip() + rng.choice(["", ".", "!"])


def items():
    """Each task's; some longer than the model's context, some contexts with white space at their end."""
    rng = random.Random(4)
    chosen = []
    for n in range(40):
        context = words(rng, 1, 60 if n % 8 == 0 else 8) + rng.choice(["", "\n", "  ", ":"])
        chosen.append({"context": context, "choices": [words(rng, 1, 5) for _ in range(2 + n % 3)], "gold": n % 2})
    texts = [text.strip(" .").split(" ") for text in sums(range(40))]
    endings = [{"context": " ".join(text[:-1]), "ending": f" {text[-1]}"} for text in texts]
    pairs = [{"good": words(rng, 3, 6), "bad": words(rng, 3, 6)} for _ in range(40)]
    return {"local_choices": chosen, "local_endings": endings, "local_pairs": pairs}


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def exported(request, vocab, tmp_path_factory):
    """A model that has learnt a little, and its folder as `millstream export` writes it."""
    torch.manual_seed(11)
    spec = ModelSpec(family=request.param, layers=2, width=32, heads=4, ffn=48, vocab=vocab.size, context=CONTEXT)
    model = models.build(spec)
    learn(model, [vocab.eod_id, *chain.from_iterable(vocab.encode_batch(sums(range(40))))])
    folder = tmp_path_factory.mktemp(request.param)
    interop.export(model, folder, vocab.specials, "causal")
    vocabularies.save(vocab.tokenizer, Folder(str(folder)), context=CONTEXT)
    return model, folder


def learn(model, tokens):
    moves = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(120):
        rows_BT = torch.tensor([tokens[at : at + 17] for at in range(step % 16, len(tokens) - 17, 16)])
        terms = model.terms({"tokens": rows_BT[:, :-1], "targets": rows_BT[:, 1:]})
        (terms["tokens"].nats / terms["tokens"].targets).backward()
        moves.step()
        moves.zero_grad()
    model.eval()


def harness(folder, given, options, tmp_path):
    """What the harness says of each task."""
    for name, task in TASKS.items():
        lines = tmp_path / f"{name}.jsonl"
        lines.write_text("".join(json.dumps(item) + "\n" for item in given[name]))
        settings = {key: value for key, value in task.items() if key != "metrics"} | {
            "task": name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(lines)}},
            "test_split": "test",
            "metric_list": [{"metric": metric} for metric in task["metrics"]],
            "metadata": {"version": 1.0},
        }
        (tmp_path / f"{name}.yaml").write_text(json.dumps(settings))
    out, job = tmp_path / "said.json", tmp_path / "job.json"
    said = {"model": str(folder), "folder": str(tmp_path), "tasks": list(TASKS), "options": options, "out": str(out)}
    job.write_text(json.dumps(said))
    alone = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"), "OMP_NUM_THREADS": "1"}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | alone
    command = [PYTHON, Path(__file__).with_name("harness_run.py"), job]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(out.read_text())


@pytest.mark.slow
@pytest.mark.skipif(not PYTHON.exists(), reason="the harness's environment is not there: make .venv-lm-eval")
@pytest.mark.parametrize("bos", [False, True])
def test_every_item_has_the_harness_s_likelihood(exported, vocab, tmp_path, bos):
    model, folder = exported
    given = items()
    before = (vocab.eod_id,) if bos else ()
    theirs = harness(folder, given, {"add_bos_token": True} if bos else {}, tmp_path)

    asked = [[(item["context"], f" {choice}") for choice in item["choices"]] for item in given["local_choices"]]
    for requests, expected in zip(asked, theirs["local_choices"]["items"], strict=True):
        same(scored(model, vocab, requests, before), expected)
    named = [
        Choices(str(n), tuple(c for c, _ in requests), tuple(a for _, a in requests), item["gold"])
        for n, (requests, item) in enumerate(zip(asked, given["local_choices"], strict=True))
    ]
    ours = choices(model, vocab, named, before)
    assert ours[""].value == theirs["local_choices"]["metrics"]["acc"]
    assert ours["norm"].value == theirs["local_choices"]["metrics"]["acc_norm"]
    assert ours[""].values.tolist() != ours["norm"].values.tolist()

    assert 0 < theirs["local_endings"]["metrics"]["acc"] < 1
    requests = [(item["context"], item["ending"]) for item in given["local_endings"]]
    same(scored(model, vocab, requests, before), [one for (one,) in theirs["local_endings"]["items"]])
    ours = completions(model, vocab, [Completion(str(n), *request) for n, request in enumerate(requests)], before)
    assert ours[""].value == theirs["local_endings"]["metrics"]["acc"]
    perplexity = math.exp(ours["nats_per_target"].value)
    assert perplexity == pytest.approx(theirs["local_endings"]["metrics"]["perplexity"], rel=1e-5)

    for item, expected in zip(given["local_pairs"], theirs["local_pairs"]["items"], strict=True):
        same(scored(model, vocab, [("", f" {item['good']}"), ("", f" {item['bad']}")], before), expected)
    pairs = [MinimalPair(str(n), f" {i['good']}", f" {i['bad']}", "all") for n, i in enumerate(given["local_pairs"])]
    assert minimal_pairs(model, vocab, pairs)["blimp"].value == theirs["local_pairs"]["metrics"]["acc"]


def same(ours, theirs):
    assert np.array([-score.nats for score in ours]) == pytest.approx([ll for ll, _ in theirs], abs=NATS)
    assert [score.greedy for score in ours] == [greedy for _, greedy in theirs]
