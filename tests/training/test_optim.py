from dataclasses import replace

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from corpus.errors import ConfigError
from training import models
from training.muon import orthogonal
from training.optim import RULES, ByRule, optimizer, set_rates
from training.sharded import ON_GPU, alike, portions
from training.spec import ModelSpec

ADAMW = {"betas": (0.9, 0.95), "eps": 1e-10}


def weights_of(*shapes, seed=0):
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=random).mul_(0.05).requires_grad_() for shape in shapes]


def step_with(stepper, weights, seed, without=()):
    """A step with random gradients, and none for some weights."""
    random = torch.Generator().manual_seed(seed)
    for n, weight in enumerate(weights):
        grad = torch.randn(weight.shape, generator=random)
        weight.grad = None if n in without else grad
    stepper.step()


def by_rule(rule, weights, lr=0.01, weight_decay=0.1):
    stepper = ByRule([{"params": weights, "rule": rule, "weight_decay": weight_decay, **ADAMW}])
    stepper.param_groups[0]["lr"] = lr
    return stepper


@pytest.mark.parametrize("shape", [(16, 16), (8, 40), (40, 8)])
def test_orthogonal_keeps_directions_and_levels_sizes(shape):
    torch.manual_seed(0)
    matrices = torch.randn(3, *shape)
    u, _, vh = torch.linalg.svd(matrices, full_matrices=False)
    ours = orthogonal(matrices).float()
    sizes = torch.linalg.svdvals(ours)
    assert 0.3 < sizes.min() <= sizes.max() < 1.3
    assert torch.nn.functional.cosine_similarity(ours.flatten(1), (u @ vh).flatten(1), dim=1).min() > 0.95


def test_adamw_is_torchs():
    ours, theirs = weights_of((5, 3), (7,)), weights_of((5, 3), (7,))
    steppers = by_rule("adamw", ours), torch.optim.AdamW(theirs, lr=0.01, weight_decay=0.1, **ADAMW)
    for seed in range(4):
        for weights, stepper in zip((ours, theirs), steppers, strict=True):
            step_with(stepper, weights, seed)
    torch.testing.assert_close(ours, theirs)


def test_muon_is_torchs():
    shapes = (8, 12), (8, 12), (12, 8), (6, 6)
    ours, theirs = weights_of(*shapes), weights_of(*shapes)
    steppers = (
        by_rule("muon", ours),
        torch.optim.Muon(theirs, lr=0.01, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
    )
    for seed in range(3):
        for weights, stepper in zip((ours, theirs), steppers, strict=True):
            step_with(stepper, weights, seed)
    torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adafactor_is_that_of_transformers(weight_decay):
    """Which factors small matrices too: it gets ours as vectors."""
    shapes = (130, 140), (130, 140), (140, 128), (140,), (127, 200)
    ours, theirs = weights_of(*shapes), weights_of(*shapes)
    theirs[-1] = theirs[-1].detach().flatten().requires_grad_()
    theirs_stepper = transformers.Adafactor(
        theirs, lr=0.01, scale_parameter=True, relative_step=False, weight_decay=weight_decay
    )
    ours_stepper = by_rule("adafactor", ours, weight_decay=weight_decay)
    for seed in range(4):
        step_with(ours_stepper, ours, seed)
        step_with(theirs_stepper, theirs, seed)
    theirs[-1] = theirs[-1].view(127, 200)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


def test_adafactor_keeps_little():
    weights = weights_of((130, 140), (20, 140))
    stepper = by_rule("adafactor", weights)
    step_with(stepper, weights, 0)
    assert [sum(value.numel() for value in stepper.state[weight].values()) for weight in weights] == [271, 2801]


def test_adafactor_steps_are_relative():
    """By at most the rate times the weight's own size, and a weight of zeros moves all the same."""
    before = torch.stack(
        [scale * weight.detach() for scale, weight in zip((20, 1, 0), weights_of(9, 9, 9), strict=True)]
    )
    weights = [weight.clone().requires_grad_() for weight in before]
    step_with(by_rule("adafactor", weights, lr=0.1, weight_decay=0.0), weights, 0)
    moved = (torch.stack(weights) - before).norm(dim=1) / 9**0.5
    assert moved.tolist() == pytest.approx([*(0.1 * before[:2].norm(dim=1) / 9**0.5).tolist(), 0.1 * 1e-3], rel=1e-4)


SHAPES = {"adamw": ((5, 3), (7,)), "muon": ((5, 3), (5, 3), (3, 5)), "adafactor": ((130, 129), (130, 129), (7,))}


def snapshot(stepper, weights):
    return [[weight.detach().clone(), *(v.clone() for v in stepper.state[weight].values())] for weight in weights]


@pytest.mark.parametrize("rule", RULES)
def test_without_a_gradient_nothing_moves(rule):
    weights = weights_of(*SHAPES[rule])
    stepper = by_rule(rule, weights)
    step_with(stepper, weights, 0)
    before = snapshot(stepper, weights)
    step_with(stepper, weights, 1, without={0})
    after = snapshot(stepper, weights)
    assert all(map(torch.equal, before[0], after[0]))
    assert not any(torch.equal(old[0], new[0]) for old, new in zip(before[1:], after[1:], strict=True))
    step_with(stepper, weights, 2, without=range(len(weights)))
    for old, new in zip(after, snapshot(stepper, weights), strict=True):
        assert all(map(torch.equal, old, new))


@pytest.mark.parametrize("rule", RULES)
def test_a_step_that_was_left_out_leaves_no_trace(rule):
    """A weight whose first gradient comes late begins like any other."""
    early, late = weights_of(*SHAPES[rule]), weights_of(*SHAPES[rule])
    for weights, left_out in ((early, 0), (late, 3)):
        stepper = by_rule(rule, weights)
        for seed in range(left_out):
            step_with(stepper, weights, seed, without=range(len(weights)))
        assert not stepper.state
        step_with(stepper, weights, 9)
    assert all(map(torch.equal, early, late))


@pytest.mark.parametrize("rule", RULES)
def test_state_read_in_place_goes_on_to_the_last_bit(rule):
    """All state is tensors: a checkpoint has no other room for it."""
    weights = weights_of(*SHAPES[rule])
    stepper = by_rule(rule, weights)
    for seed in range(3):
        step_with(stepper, weights, seed)
    again = weights_of(*SHAPES[rule], seed=1)
    other = by_rule(rule, again)
    other.make_state()
    for weight, copy in zip(weights, again, strict=True):
        copy.data.copy_(weight.data)
        assert other.state[copy].keys() == stepper.state[weight].keys()
        for key, value in other.state[copy].items():
            assert not value.any()
            value.copy_(stepper.state[weight][key])
    for each, moved in ((stepper, weights), (other, again)):
        step_with(each, moved, 3)
    assert all(map(torch.equal, weights, again))


@pytest.mark.parametrize("rule", RULES)
def test_a_rate_of_zero_moves_nothing(rule):
    weights = weights_of(*SHAPES[rule])
    before = [weight.detach().clone() for weight in weights]
    stepper = by_rule(rule, weights, lr=0.0)
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    stepper.step()
    assert all(map(torch.equal, before, weights))


def test_a_closure_is_run_first_and_its_loss_comes_back():
    (weight,) = weights_of((5,))
    stepper = by_rule("adamw", [weight])

    def closure():
        loss = weight.sum()
        loss.backward()
        return loss.item()

    before = weight.sum().item()
    assert stepper.step(closure) == before > weight.sum().item()


@given(st.lists(st.sampled_from([(2**12, 2**10), (2**10, 2**12), (6,), (2**14, 2**13)]), max_size=12))
def test_lists_of_equal_shape_hold_each_weight_once(shapes):
    weights = [torch.empty(shape, device="meta") for shape in shapes]
    lists = list(alike(weights))
    assert sorted(id(weight) for same in lists for weight in same) == sorted(map(id, weights))
    for same in lists:
        assert len({weight.shape for weight in same}) == 1
        assert len(same) == 1 or sum(weight.numel() for weight in same) <= ON_GPU
    assert sum(len(same) < 4 for same in lists if same[0].shape == (2**12, 2**10)) <= 1


@given(st.integers(1, 50), st.integers(1, 12))
def test_portions_are_those_of_chunk(n, n_ranks):
    chunks = [len(chunk) for chunk in torch.arange(n).chunk(n_ranks)]
    assert portions(n, n_ranks) == chunks + [0] * (n_ranks - len(chunks))


SHAPE = {"layers": 1, "width": 32, "heads": 2, "ffn": 64, "vocab": 60, "context": 16}
FAMILIES = [("bert", {}), ("roberta", {}), ("t5", {"shared": True}), ("bart", {}), ("gpt2", {}), ("llama", {})]


@pytest.mark.parametrize("name", ["muon", "adamw", "adafactor"])
@pytest.mark.parametrize(("family", "more"), FAMILIES)
def test_only_matrices_between_vectors_decay(family, more, name, config):
    """No weight decay on biases, norms, embeddings and what makes logits, and no weight twice, tied or shared ones
    neither; Muon moves only what decays."""
    model = models.build(ModelSpec(family=family, **SHAPE, **more))
    matrices, *others = optimizer(model, replace(config, optimizer=name)).param_groups
    assert matrices["weight_decay"] == 0.1
    assert all(group["weight_decay"] == 0 for group in others)
    assert [group["rule"] for group in (matrices, *others)] == [name, *["adamw" if name == "muon" else name] * 2]
    heads = [model.output, *([model.pooler, model.next_sentence] if family == "bert" else [])]
    linear = {id(part.weight) for part in model.modules() if isinstance(part, nn.Linear) and part not in heads}
    assert {id(weight) for weight in matrices["params"]} == linear
    moved = [id(weight) for group in (matrices, *others) for weight in group["params"]]
    assert sorted(moved) == sorted({id(weight) for weight in model.parameters()})


def test_what_is_frozen_is_in_no_group(config):
    model = models.build(config.model)
    model.output.weight.requires_grad_(False)
    moved = {id(weight) for group in optimizer(model, config).param_groups for weight in group["params"]}
    assert moved == {id(weight) for weight in model.parameters()} - {id(model.output.weight)}


@pytest.mark.parametrize(
    ("fields", "peaks"),
    [
        ({}, [0.01, 0.015, 0.015]),
        ({"embedding_learning_rate": 0.02}, [0.01, 0.02, 0.02]),
        ({"optimizer": "adamw"}, [0.01, 0.01, 0.01]),
        ({"optimizer": "adafactor", "embedding_learning_rate": 0.02}, [0.01, 0.02, 0.02]),
    ],
)
def test_rates_are_shares_of_each_groups_peak(fields, peaks, config):
    wsd = replace(config, schedule="wsd", steps=100, warmup_share=0.1, decay_share=0.4, **fields)
    stepper = optimizer(models.build(config.model), wsd)
    set_rates(stepper, 80, wsd)
    assert [group["peak"] for group in stepper.param_groups] == pytest.approx(peaks)
    assert [group["lr"] for group in stepper.param_groups] == pytest.approx([0.5 * peak for peak in peaks])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"objective": "clausal"}, 'objective "clausal" is unknown'),
        ({"steps": 0}, "steps is 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"embedding_learning_rate": 0.0}, "embedding_learning_rate is 0.0"),
        ({"eps": 0.0}, "eps is 0.0"),
        ({"betas": (0.9, 1.0)}, r"betas is \[0.9, 1.0\]"),
        ({"schedule": "wsd", "warmup_share": 0.8}, "must leave each other room"),
        ({"warmup_share": 1.1}, r"warmup_share is 1\.1"),
        ({"warmup_steps": 13}, "warmup_steps is 13"),
        ({"decay_share": -0.1}, r"decay_share is -0\.1"),
        ({"floor_share": 1.5}, r"floor_share is 1\.5"),
        ({"seed": -1}, "seed is -1"),
        ({"objective": "masked"}, "of kind encoder, .* is of kind decoder; take one of causal, prefix_lm"),
        ({"objective_options": {"specials": 3}}, "has no field specials; its fields: document_mask"),
    ],
)
def test_a_wrong_config_says_what_is_wrong(fields, message, config):
    with pytest.raises(ConfigError, match=message):
        replace(config, **fields)


def test_a_cosine_has_no_decay_to_leave_room_for(config):
    assert replace(config, warmup_share=0.8).schedule == "cosine"
