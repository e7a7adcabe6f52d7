"""Which steps are bad, against OLMo-core's rule as torch computes it, and that a restored history decides the same."""

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import GateError
from training.spikes import FEWEST, PATIENCE, SIGMAS, WINDOW, Spikes

FIGURES = st.floats(0.0625, 1e6, width=32)  # neighbours that two ways of summing in double do not confuse
STEPS = st.lists(st.tuples(FIGURES, FIGURES), min_size=FEWEST, max_size=WINDOW + 20)
CALM = [(2.0 + 0.01 * (n % 7), 1.0 + 0.01 * (n % 5)) for n in range(WINDOW)]


def known(steps):
    spikes = Spikes()
    for loss, norm in steps:
        spikes = spikes.after(loss, norm)
    return spikes


def olmo_says_go(losses, norms, loss, norm):
    """SkipStepOptimizer.get_step_factor, over these steps and the present one."""
    loss_std, loss_mean = torch.std_mean(torch.tensor(losses, dtype=torch.double))
    norm_std, norm_mean = torch.std_mean(torch.tensor(norms, dtype=torch.double))
    return bool((loss - loss_mean) <= 6 * loss_std) and bool((norm - norm_mean) <= 6 * norm_std)


@given(st.lists(st.tuples(FIGURES, FIGURES), min_size=FEWEST, max_size=WINDOW), FIGURES, FIGURES)
def test_the_rule_is_olmo_cores(steps, loss, norm):
    losses, norms = zip(*steps, strict=True)
    says = Spikes(losses, norms).verdict(loss, norm)
    assert (says is None) == olmo_says_go(losses, norms, loss, norm)


@pytest.mark.parametrize("which", [0, 1])
def test_just_above_six_deviations(which):
    values = torch.tensor([step[which] for step in CALM], dtype=torch.double)
    edge = float(values.mean() + SIGMAS * values.std())
    below, above, other = math.nextafter(edge, 0) - 1e-9, edge + 1e-9, CALM[0]
    step = lambda value: (value, other[1]) if which == 0 else (other[0], value)  # noqa: E731
    assert known(CALM).verdict(*step(below)) is None
    assert known(CALM).verdict(*step(above)) == "spike"


def test_nothing_leaps_before_enough_is_known_nor_downwards():
    assert known(CALM[: FEWEST - 1]).verdict(100.0, 100.0) is None
    assert known(CALM[:FEWEST]).verdict(100.0, 1.0) == "spike"
    assert known(CALM[:FEWEST]).verdict(1e-9, 1e-9) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_no_number_is_bad_from_the_first_step(bad):
    assert Spikes().verdict(bad, 1.0) == Spikes().verdict(1.0, bad) == "nonfinite"


def test_bad_steps_do_not_enter_the_history():
    before = known(CALM)
    after = before.after(50.0, 1.0).after(math.nan, 1.0).after(1.0, 1e9)
    assert (after.losses, after.norms) == (before.losses, before.norms)
    assert after.bad_in_a_row == 3
    assert after.after(*CALM[0]).bad_in_a_row == 0


def test_only_the_last_steps_count():
    history = known([(100.0, 100.0 + n % 3) for n in range(FEWEST - 1)] + CALM)
    assert history.losses == tuple(loss for loss, _ in CALM)
    assert len(history.norms) == WINDOW


def test_too_many_bad_steps_in_a_row_stop_the_run():
    spikes = known(CALM)
    for step in range(1001, 1001 + PATIENCE):
        spikes = spikes.after(math.nan, 1.0)
        spikes.check(step)
    with pytest.raises(GateError, match=r"steps 1,001 to 1,005 were all bad.*lower training.learning_rate"):
        spikes.after(1e9, 1.0).check(1005)
    spikes.after(*CALM[0]).check(1005)


@given(STEPS, STEPS)
def test_a_restored_history_decides_the_same(before, rest):
    whole = known(before)
    restored = Spikes.of(json.loads(json.dumps(whole.state())))
    assert restored == whole
    for loss, norm in rest:
        assert restored.verdict(loss, norm) == whole.verdict(loss, norm)
        whole, restored = whole.after(loss, norm), restored.after(loss, norm)
    assert restored == whole
