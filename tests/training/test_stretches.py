"""A curriculum: its arithmetic, and a run through it that is killed in each of its stretches."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rank_processes import ended, run_ranks, start_ranks
from small_fits import bert_parts, die, losses, record, varied

from corpus.errors import ConfigError
from training.fit import fit
from training.record import read_metrics
from training.stretches import Phase, Stretch, at, stretches, tokens_after

CONTEXT = 512
PHASES = st.lists(
    st.builds(
        Phase,
        context=st.sampled_from([16, 64, 128, 256]),
        share=st.floats(0.01, 0.3),
        batch_rows=st.none() | st.integers(1, 64),
    ),
    max_size=3,
)


@given(PHASES, st.integers(1, 3000), st.none() | st.integers(1, 64))
def test_every_step_is_in_one_stretch(phases, steps, batch_rows):
    try:
        found = stretches(phases, CONTEXT, steps, batch_rows=batch_rows, batch_tokens=None)
    except ConfigError:
        assert round(steps * sum(phase.share for phase in phases)) >= steps
        return
    assert [stretch.first_step for stretch in found] == [0, *(stretch.stop_step for stretch in found[:-1])]
    assert found[-1].stop_step == steps
    assert found[-1].context == CONTEXT
    assert all(stretch.stop_step > stretch.first_step for stretch in found)
    for step in {0, steps // 3, steps - 1}:
        stretch = found[at(found, step)]
        assert stretch.first_step <= step < stretch.stop_step
    assert at(found, steps) == at(found, steps + 9) == len(found) - 1
    upto = min(steps, 50)
    assert tokens_after(found, upto) == sum(found[at(found, step)].tokens for step in range(upto))
    assert tokens_after(found, steps + 9) == tokens_after(found, steps)


@given(PHASES, st.integers(100, 3000))
def test_shares_are_kept_to_a_step(phases, steps):
    whole = stretches(phases, CONTEXT, steps, batch_rows=4, batch_tokens=None)
    long = sum(stretch.stop_step - stretch.first_step for stretch in whole if stretch.context == CONTEXT)
    assert abs(long - steps * (1 - sum(phase.share for phase in phases))) <= 1
    rows = {stretch.context: stretch.batch_rows for stretch in whole}
    asked = {phase.context: {p.batch_rows or 4 for p in phases if p.context == phase.context} for phase in phases}
    assert all(rows[context] in asked[context] for context in rows if context != CONTEXT)


def test_the_head_s_case_and_batches_of_tokens():
    phases = [Phase(context=128, share=0.9)]
    assert stretches(phases, 512, 10, batch_rows=None, batch_tokens=None) == (
        Stretch(0, 9, 128, 16),
        Stretch(9, 10, 512, 16),
    )
    equal = stretches(phases, 512, 10, batch_rows=None, batch_tokens=1024)
    assert [(stretch.batch_rows, stretch.tokens) for stretch in equal] == [(8, 1024), (2, 1024)]
    assert tokens_after(equal, 10) == 10 * 1024
    near = stretches([Phase(context=128, share=0.29)], 512, 100, batch_rows=None, batch_tokens=None)
    assert near[0].stop_step == 29  # 100 x 0.29 is less, in floats


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Phase(context=8, share=1.0), "share is 1.0; it must be above 0 and below 1"),
        (lambda: Phase(context=0, share=0.5), "context is 0; it must be 1 or more"),
        (lambda: Phase(context=8, share=0.5, batch_rows=0), "batch_rows is 0"),
        (
            lambda: stretches([Phase(context=8, share=0.99)], 16, 10, batch_rows=1, batch_tokens=None),
            "leave no step for rows of the whole context; make them smaller",
        ),
        (
            lambda: stretches([Phase(context=8, share=0.9)] * 2, 16, 10, batch_rows=1, batch_tokens=None),
            "leave no step for rows of the whole context",
        ),
        (
            lambda: stretches([Phase(context=24, share=0.5)], 64, 10, batch_rows=None, batch_tokens=64),
            "batch_tokens 64 is not a whole number of rows of 24 tokens; take a multiple of 24",
        ),
    ],
)
def test_what_does_not_fit_is_said(make, told):
    with pytest.raises(ConfigError, match=told):
        make()


def test_a_run_killed_in_each_stretch_is_the_run_that_was_not(tmp_path):
    """BERT's way: pairs of texts in short rows, then in long ones."""
    config, *rest = bert_parts(tmp_path, steps=10, curriculum=(Phase(context=16, share=0.6),))
    config = varied(config, checkpoint_every=2, micro_rows=4)
    fit(config, *rest, tmp_path / "whole")
    for at_step in (3, 6, 8):  # 6: the last of the short rows, its checkpoint perhaps not written

        def killed(at_step: int = at_step) -> None:
            fit(config, *rest, tmp_path / "parts", on_progress=lambda step, *_: die() if step == at_step else None)

        assert ended(start_ranks(1, killed)) == [-signal.SIGKILL]
    run_ranks(1, lambda: fit(config, *rest, tmp_path / "parts"))
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    tokens = [row["tokens"] for row in read_metrics(tmp_path / "parts" / "metrics.csv")]
    assert tokens == [8 * 16 * n for n in range(1, 7)] + [8 * 16 * 6 + 8 * 32 * n for n in range(1, 5)]
    whole, parts = (record(tmp_path / name, 10) for name in ("whole", "parts"))
    assert parts["callbacks"] == whole["callbacks"]
    assert len(whole["callbacks"]["Watch"]["losses"]) == 4  # rows of another length, another history
    assert (tmp_path / "parts/model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()
