from dataclasses import replace
from itertools import pairwise

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from training.config import TrainingConfig
from training.schedule import rate_share
from training.spec import ModelSpec

SPEC = ModelSpec(layers=1, width=8, heads=1, ffn=8, vocab=9, context=4)
CONFIG = TrainingConfig(model=SPEC, steps=100, seed=0, warmup_steps=10, floor_share=0.0)
SCHEDULES = ("cosine", "wsd", "linear", "inverse_sqrt", "constant")


def reference(name, config, **options):
    """The shares at each step by a schedule of transformers."""
    stepper = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    schedule = getattr(transformers, name)(stepper, num_warmup_steps=config.warmup, **options)
    return [schedule.lr_lambdas[0](step) for step in range(config.steps)]


WHOLE = {"num_training_steps": 100}


@pytest.mark.parametrize(
    ("fields", "name", "options"),
    [
        ({"schedule": "cosine"}, "get_cosine_schedule_with_warmup", WHOLE),
        (
            {"schedule": "cosine", "floor_share": 0.1},
            "get_cosine_with_min_lr_schedule_with_warmup",
            WHOLE | {"min_lr": 0.1},
        ),
        ({"schedule": "linear"}, "get_linear_schedule_with_warmup", WHOLE),
        (
            {"schedule": "linear", "floor_share": 0.2},
            "get_polynomial_decay_schedule_with_warmup",
            WHOLE | {"lr_end": 0.2},
        ),
        (
            {"schedule": "wsd", "decay_share": 0.3},
            "get_wsd_schedule",
            WHOLE | {"num_decay_steps": 30, "decay_type": "linear"},
        ),
        ({"schedule": "constant"}, "get_constant_schedule_with_warmup", {}),
        ({"schedule": "inverse_sqrt"}, "get_inverse_sqrt_schedule", {}),
    ],
)
def test_schedules_are_those_of_transformers(fields, name, options):
    """Theirs has a rate of 0 in the first step, which then moves nothing; our warm-up is a step ahead of it."""
    config = replace(CONFIG, **fields)
    ours, theirs = [rate_share(step, config) for step in range(100)], reference(name, config, **options)
    assert ours[10:] == pytest.approx(theirs[10:])
    assert ours[:10] == pytest.approx([1.0] * 10 if config.schedule == "inverse_sqrt" else theirs[1:11])


def test_t5_is_expressible():
    """1 / sqrt(max(n, k)) with k = 10,000, for 2^19 steps (Raffel et al. 2020, section 3.1.2)."""
    t5 = replace(CONFIG, steps=2**19, schedule="inverse_sqrt", learning_rate=0.01, warmup_steps=10_000)
    for step in (0, 1, 9_999, 10_000, 10_001, 123_456, 2**19 - 1):
        assert t5.learning_rate * rate_share(step, t5) == pytest.approx(max(step, 10_000) ** -0.5)


def test_a_warm_up_may_be_a_share():
    by_share, by_steps = replace(CONFIG, warmup_steps=None, warmup_share=0.1), CONFIG
    assert [rate_share(step, by_share) for step in range(100)] == [rate_share(step, by_steps) for step in range(100)]


def test_a_run_may_end_where_it_planned_to_fall():
    """wsd of 100 steps: up to step 9, level to 60, then down by 1/40 a step."""
    wsd = replace(CONFIG, schedule="wsd", decay_share=0.4)
    assert [rate_share(step, wsd) for step in (0, 9, 60, 80, 99)] == pytest.approx([0.1, 1, 1, 0.5, 0.025])


@st.composite
def configs(draw):
    steps = draw(st.integers(1, 300))
    decay = draw(st.integers(0, steps))
    schedule = draw(st.sampled_from(SCHEDULES))
    return replace(
        CONFIG,
        steps=steps,
        schedule=schedule,
        decay_share=decay / steps,
        warmup_steps=draw(st.integers(0, steps - decay if schedule == "wsd" else steps)),
        floor_share=draw(st.floats(0, 1)),
    )


@given(configs())
def test_shares_rise_to_one_and_fall(config):
    shares = [rate_share(step, config) for step in range(config.steps)]
    assert all(0 < share <= 1 for share in shares)
    top = max(0, config.warmup - 1)
    assert shares[top] == pytest.approx(1)
    assert shares[: top + 1] == sorted(shares[: top + 1])
    assert shares[top:] == sorted(shares[top:], reverse=True)
    if config.schedule in ("cosine", "linear"):
        assert shares[-1] >= config.floor_share


@given(configs())
def test_shares_do_not_jump(config):
    """No step changes the rate by more than the steepest slope: a line's, pi / 2 of that for a cosine, and for
    1 / sqrt(n) that of its first step."""
    spans = {
        "cosine": config.steps - config.warmup,
        "linear": config.steps - config.warmup,
        "wsd": round(config.decay_share * config.steps),
        "inverse_sqrt": max(1, config.warmup),
        "constant": config.steps,
    }
    slope = max(1 / max(1, config.warmup), 1.6 / max(1, spans[config.schedule]))
    shares = [rate_share(step, config) for step in range(config.steps)]
    assert all(abs(after - before) <= slope + 1e-9 for before, after in pairwise(shares))
