"""Rows of a bad step by name: the one that is at fault comes first, with the documents that it is made of."""

import copy
import json
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training import models
from training.blame import TOLD, accused, append, event, keep_events, row_nats, told, worst_first
from training.config import TrainingConfig
from training.data import RowData, Sample, collated
from training.objective import noise
from training.objectives.masked import Masked
from training.spec import ModelSpec


@pytest.fixture(scope="module")
def asked(vocab):
    spec = ModelSpec(layers=2, width=32, heads=4, kv_heads=2, ffn=48, vocab=vocab.size, context=16, tied=False)
    return TrainingConfig(model=spec, steps=12, seed=3, batch_rows=4)


@pytest.fixture(scope="module")
def model(asked):
    torch.manual_seed(1)
    return models.build(asked.model)


@pytest.fixture(scope="module")
def data(asked, shards, vocab):
    return RowData.over(asked, shards, vocab, "abc")


def test_each_row_is_scored_as_if_it_came_alone(model, data):
    samples = data.samples(3)
    with torch.no_grad():
        alone = [model.terms(data.batch([sample]))["tokens"] for sample in samples]
    expected = [float(term.nats / term.targets) for term in alone]
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    found = row_nats(model, data.batch(samples))
    assert found == pytest.approx(expected, rel=1e-5)
    assert max(found) > min(found)
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())
    assert all(weight.grad is None for weight in model.parameters())


def test_masked_rows_count_their_few_targets_and_rows_without_any_nothing(shards, vocab):
    specials = replace(vocab.specials, pad=1, start=2, separator=3, mask=4)
    task = Masked(specials=specials)
    rows = task.rows(shards, 16, 0)
    spec = ModelSpec(family="bert", vocab=vocab.size, layers=1, width=32, heads=2, ffn=64, context=16)
    model = models.build(spec)
    batch = collated([task.draw(rows.row(i), noise(0, 0, i)) for i in range(4)], "encoder")
    with torch.no_grad():
        term = model.terms(batch)["tokens"]
    counts_B = (batch["targets"] >= 0).sum(dim=1)
    assert sum(row_nats(model, batch) * counts_B.numpy()) == pytest.approx(float(term.nats), rel=1e-5)
    batch["targets"][2] = -100
    assert row_nats(model, batch)[2] == 0.0


def test_the_row_at_fault_comes_first_with_its_documents(model, data):
    """A token whose embedding is no number, in the row that was the best."""
    samples = data.samples(0)
    batch = data.batch(samples)
    good = row_nats(model, batch)
    best = good.index(min(good))
    poison = next(token for token in range(model.spec.vocab) if not (batch["tokens"] == token).any())
    batch["tokens"][best, 5] = poison
    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken.embedding.weight[poison] = math.nan
    found = accused(data.rows, samples, row_nats(broken, batch))
    assert found[0]["row"] == samples[best].row
    assert [math.isnan(record["nats_per_target"]) for record in found] == [True, False, False, False]
    (rows,) = data.rows
    spans = rows.documents(samples[best].row)
    assert [(d["id"], d["part"], d["document"], d["first_token"]) for d in found[0]["documents"]] == [
        (span.id, span.part, span.document, span.first_token) for span in spans
    ]
    assert sum(document["tokens"] for document in found[0]["documents"]) == len(rows.row(0).tokens_S)


@given(st.lists(st.floats(), max_size=20))
def test_worst_first(nats):
    records = [{"row": n, "nats_per_target": value} for n, value in enumerate(nats)]
    found = [record["nats_per_target"] for record in worst_first(records)]
    numbers = [value for value in found if not math.isnan(value)]
    assert len(found) == min(TOLD, len(nats))
    assert all(math.isnan(value) for value in found[: len(found) - len(numbers)])
    assert numbers == sorted(numbers, reverse=True)
    if len(numbers) < len(found):
        assert len(found) - len(numbers) == min(TOLD, sum(map(math.isnan, nats)))
    halves = worst_first([*worst_first(records[::2]), *worst_first(records[1::2])])  # as ranks gather theirs
    assert [record["row"] for record in halves] == [record["row"] for record in worst_first(records)]


def test_events_are_lines_that_a_restart_takes_back(tmp_path):
    path = tmp_path / "spikes.jsonl"
    keep_events(path, 5)
    assert not path.exists()
    row = {"row": 3, "nats_per_target": math.nan, "documents": []}
    events = [event(step, "nonfinite", math.inf, 1.5, skipped=True, rows=[row]) for step in (4, 9, 12)]
    for one in events:
        append(path, one)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["step"] for line in lines] == [4, 9, 12]
    assert (lines[0]["loss"], lines[0]["grad_norm"], lines[0]["rows"][0]["nats_per_target"]) == ("inf", 1.5, "nan")
    with path.open("a") as file:
        file.write('{"step": 13, "ver')  # a kill
    keep_events(path, 9)
    append(path, events[2])
    assert [json.loads(line) for line in path.read_text().splitlines()] == lines


def test_the_sentence(data):
    samples = [Sample(0, 3, 0), Sample(0, 5, 1)]
    rows = accused(data.rows, samples, [2.5, 11.25])
    said = told(event(1234, "spike", 9.125, 45.0, skipped=True, rows=rows))
    spans = data.rows[0].documents(5)
    longest = max(spans, key=lambda span: span.row_stop - span.row_start)
    assert said.startswith(
        "step 1,234 leapt (loss 9.125, gradient norm 45); its update was left out; its worst row is 5 with 11.25 nats "
        f"per target, of {longest.id} (tokens {longest.first_token}-"
    )
    assert told(event(2, "nonfinite", math.nan, math.inf, skipped=False, rows=[])) == (
        "step 2 is no number (loss nan, gradient norm inf); the weights were moved"
    )
