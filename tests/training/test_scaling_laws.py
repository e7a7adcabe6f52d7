"""What the laws say, against the tables of their papers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.scaling_laws import BESIROGLU, HOFFMANN, NEAR, TOKENS_PER_PARAM, optima, verdict

FLOPS = st.floats(1e15, 1e27)


@pytest.mark.parametrize(
    ("n_params", "flops", "tokens"),
    [(400e6, 1.92e19, 8.0e9), (1e9, 1.21e20, 20.2e9), (10e9, 1.23e22, 205.1e9), (67e9, 5.76e23, 1.5e12)],
)
def test_the_rule_of_thumb_is_chinchilla_s_table_3(n_params, flops, tokens):
    """Hoffmann et al. 2022, table 3 (approach 1)."""
    rule = optima(flops)[0]
    assert rule.n_params == pytest.approx(n_params, rel=0.04)
    assert rule.tokens == pytest.approx(tokens, rel=0.08)


def test_chinchilla_s_own_size():
    """70 billion parameters and 1.4 trillion tokens for Gopher's 5.76e23 FLOPs (section 4); approach 3 as published
    asks for a smaller model (figure 4 has 40 billion; its rounded constants 32), fitted again it does not."""
    hoffmann, besiroglu = HOFFMANN.optimal(5.76e23), BESIROGLU.optimal(5.76e23)
    assert besiroglu.n_params == pytest.approx(70e9, rel=0.05)
    assert besiroglu.tokens == pytest.approx(1.4e12, rel=0.06)
    assert hoffmann.n_params == pytest.approx(32e9, rel=0.02)


@given(FLOPS)
def test_every_law_spends_its_flops(flops):
    for optimal in optima(flops):
        assert 6 * optimal.n_params * optimal.tokens == pytest.approx(flops)


@given(FLOPS, st.floats(0.3, 3))
def test_the_optimum_of_a_fit_is_one(flops, factor):
    for fit in (HOFFMANN, BESIROGLU):
        best = fit.optimal(flops)
        assert fit.loss(best.n_params * factor, best.tokens / factor) >= fit.loss(best.n_params, best.tokens)


@given(st.floats(1e20, 1e26), st.sampled_from([1 / NEAR, NEAR]))
def test_near_the_rule_nothing_is_lost(flops, factor):
    n_params = (flops / 6 / TOKENS_PER_PARAM / factor) ** 0.5
    best = BESIROGLU.optimal(flops)
    assert BESIROGLU.loss(n_params, flops / 6 / n_params) - BESIROGLU.loss(best.n_params, best.tokens) < 0.01


@pytest.mark.parametrize(
    ("n_params", "tokens", "words"),
    [(175e9, 300e9, "under-trained"), (70e9, 1.4e12, "near the optimum"), (6.7e9, 1e12, "beyond the optimum")],
)
def test_gpt3_chinchilla_and_llama(n_params, tokens, words):
    assert words in verdict(n_params, tokens)
