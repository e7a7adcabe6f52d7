"""Models of every kind learn tasks, alike each time, and the model that was given stays as it was."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from adapt_tasks import FAMILIES, doors_of_a_text, has_door, same_word, second_has_door
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ConfigError, DataError, GateError
from training.adapt.adapted import Assignment
from training.adapt.finetune import KINDS, batches, chosen, finetune, fit, optimizer, predict
from training.adapt.settings import PUBLISHED, FineTuning
from training.evaluation.items import Labelled
from training.spec import ModelSpec

RATES = {
    "bert": 1e-3, "roberta": 1e-3, "gpt": 1e-3, "gpt2": 2e-3, "llama": 1e-3, "t5-lm": 1e-3, "t5": 1e-2, "bart": 3e-2,
}  # fmt: skip
QUICK = FineTuning(epochs=1, batch=16, max_examples=32, precision="32-true", learning_rate=1e-3)
MATCHES = {"gpt2", "llama", "t5-lm", "t5"}  # norms before each part: these learn to compare two words from nothing


def learnt(made, task, **changes):
    model, vocab, objective = made
    rate = RATES[model.spec.family]
    how = FineTuning(**{"batch": 16, "learning_rate": rate, "warmup_share": 0.1, "precision": "32-true"} | changes)
    found = finetune(model, vocab, task, how, objective=objective)
    assert found.ids == tuple(item.id for item in task.dev)
    assert found.gold == tuple(item.label for item in task.dev)
    assert found.truncated == 0
    return np.array(found.predictions), np.array(found.gold)


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2", "llama", "t5", "bart"])
def test_learns_from_one_text(pretrained, family):
    said, gold = learnt(pretrained(family), has_door(), epochs=6)
    assert np.mean(said == gold) > 0.95


@pytest.mark.parametrize("family", FAMILIES)
def test_learns_from_two_texts(pretrained, family):
    task = same_word() if family in MATCHES else second_has_door()
    said, gold = learnt(pretrained(family), task, epochs=5)
    assert np.mean(said == gold) > 0.95


@pytest.mark.parametrize("family", ["bert", "gpt2", "bart"])
def test_learns_scores(pretrained, family):
    said, gold = learnt(pretrained(family), doors_of_a_text(), epochs=8)
    assert np.corrcoef(said, gold)[0, 1] > 0.95
    assert np.mean((said - gold) ** 2) < 0.01


def run(made, task, how, **more):
    model, vocab, objective = made
    return finetune(model, vocab, task, how, objective=objective, **more)


@pytest.mark.parametrize("family", ["bert", "gpt2", "t5"])
def test_the_same_seed_gives_the_same_bits(pretrained, family):
    made, losses = pretrained(family), ([], [], [])
    for kept, seed in zip(losses, (0, 0, 1), strict=True):
        torch.manual_seed(len(kept) + seed)  # of no influence
        run(made, has_door(), replace(QUICK, seed=seed), on_progress=lambda *said, kept=kept: kept.append(said))
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]
    assert [said[:2] for said in losses[0]] == [(1, 2), (2, 2)]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_that_is_given_stays(pretrained, family):
    model, _, _ = made = pretrained(family)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    state = torch.get_rng_state()
    run(made, has_door(), QUICK)
    assert torch.equal(torch.get_rng_state(), state)
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name]), name
    assert all(weight.grad is None for weight in model.parameters())


@pytest.mark.parametrize("family", ["bert", "gpt2", "t5"])
def test_answers_follow_from_weights_alone(pretrained, family):
    """Not from labels, nor from the order of the items."""
    model, vocab, objective = pretrained(family)
    task = has_door()
    adapted = KINDS[model.spec.kind](model, Assignment(vocab, task, QUICK, objective))
    config = QUICK.config(model.spec, objective, 64)
    fit(adapted, adapted.readings(task.train[:64]), config)
    said = predict(adapted, adapted.readings(task.dev), config)
    wrong = [item._replace(label=1 - item.label) for item in reversed(task.dev)]
    assert predict(adapted, adapted.readings(wrong), config) == said[::-1]


def test_half_precision_learns_too(pretrained):
    said, gold = learnt(pretrained("gpt2"), has_door(), epochs=6, precision="bf16-mixed")
    assert np.mean(said == gold) > 0.95


def test_long_texts_are_counted(pretrained):
    task = has_door()
    long = Labelled("long", "door " * 100, None, 1)
    task = replace(task, train=(*task.train[:8], long), dev=(*task.dev[:4], long, long))
    assert run(pretrained("bert"), task, QUICK).truncated == 3


def test_nothing_to_learn_from(pretrained):
    with pytest.raises(ConfigError, match='task "toy" has no examples'):
        run(pretrained("bert"), replace(has_door(), train=()), QUICK)


def test_a_loss_that_is_no_number(pretrained):
    model, vocab, objective = pretrained("gpt2")
    with torch.no_grad():
        model.norm.weight.fill_(torch.nan)
    with pytest.raises(GateError, match='task "toy": the loss of step 1 of 2 is nan'):
        run((model, vocab, objective), has_door(), QUICK)


def test_a_label_that_the_task_has_not(pretrained):
    task = replace(has_door(), dev=(Labelled("x", "door", None, -1),))
    with pytest.raises(DataError, match="item x: the label is -1, and labels are 0 to 1"):
        run(pretrained("bert"), task, QUICK)


def test_a_context_without_room(pretrained):
    with pytest.raises(ConfigError, match="no room for the texts"):
        run(pretrained("bert"), has_door(), replace(QUICK, max_tokens=2))


def test_rows_longer_than_the_context(pretrained):
    with pytest.raises(ConfigError, match="max_tokens is 65, and the model's context is 64"):
        run(pretrained("bert"), has_door(), replace(QUICK, max_tokens=65))


def test_a_vocabulary_larger_than_the_model(pretrained):
    model, vocab, objective = pretrained("bert", vocab=99)
    with pytest.raises(ConfigError, match="and the model 99"):
        run((model, vocab, objective), has_door(), QUICK)


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch": 0}, {"max_examples": 0}, {"max_tokens": 0}, {"auxiliary": -1.0}]
)
def test_settings_that_mean_nothing(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        FineTuning(**wrong)


@pytest.mark.parametrize(("family", "objective"), [("bert", "masked"), ("gpt", "causal"), ("t5", "span_corruption")])
def test_published_settings(family, objective):
    spec = ModelSpec(family=family, layers=1, width=8, heads=2, ffn=8, vocab=11, context=8)
    config = FineTuning().config(spec, objective, 100)
    assert config.steps == 3 * 4
    for name, value in PUBLISHED[spec.kind].items():
        assert getattr(config, name) == value
    said = FineTuning(learning_rate=0.5, epochs=0.5).config(spec, objective, 100)
    assert (said.learning_rate, said.steps) == (0.5, 2)
    assert said.schedule == config.schedule


def test_vectors_do_not_decay(pretrained):
    model, vocab, objective = pretrained("bert")
    adapted = KINDS["encoder"](model, Assignment(vocab, has_door(), QUICK, objective))
    matrices, vectors = optimizer(adapted, QUICK.config(model.spec, objective, 32)).param_groups
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.01, 0.0)
    assert all(weight.ndim == 2 for weight in matrices["params"])
    assert sum(len(group["params"]) for group in (matrices, vectors)) == len(list(adapted.parameters()))


@given(st.lists(st.integers(1, 60), min_size=1, max_size=300), st.integers(1, 9), st.integers(0, 5))
def test_an_epoch_has_each_example_once(lengths, size, seed):
    spec = ModelSpec(family="gpt", layers=1, width=8, heads=2, ffn=8, vocab=11, context=8)
    config = FineTuning(batch=size, epochs=2, seed=seed).config(spec, "causal", len(lengths))
    drawn = [numbers for numbers, _ in zip(batches(lengths, config), range(config.steps), strict=False)]
    assert Counter(i for numbers in drawn for i in numbers) == Counter(2 * list(range(len(lengths))))
    assert max(map(len, drawn)) <= size


def test_batches_are_of_like_lengths_in_random_order():
    lengths = [10, 50] * 64
    spec = ModelSpec(family="gpt", layers=1, width=8, heads=2, ffn=8, vocab=11, context=8)
    config = FineTuning(batch=8, epochs=1).config(spec, "causal", 128)
    drawn = [numbers for numbers, _ in zip(batches(lengths, config), range(16), strict=False)]
    assert all(len({lengths[i] for i in numbers}) == 1 for numbers in drawn)
    kinds = [lengths[numbers[0]] for numbers in drawn]
    assert kinds not in (sorted(kinds), sorted(kinds, reverse=True))


def test_some_of_many():
    items = list(range(1000))
    some, others = (chosen(items, FineTuning(max_examples=100, seed=seed)) for seed in (0, 1))
    assert len(some) == 100
    assert some == sorted(some)
    assert some != others
    assert max(np.diff(some)) < 100
    assert chosen(items, FineTuning(max_examples=5000)) == items
