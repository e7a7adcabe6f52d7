"""What a run will cost, by hand and against what published runs took."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ConfigError
from pipelines.recipe import load
from pipelines.training_plan import planned_objective, training_config
from training.budget import USABLE, Cards, Work, fits, layouts_of, planned_positions, precision_on, work
from training.cards import CARDS
from training.config import TrainingConfig
from training.families.multiplies import Positions
from training.run_config import RunConfig
from training.spec import preset

EIGHT = Cards(CARDS["h100-sxm"], 8, 0.4, 2.5)


def planned(name, *changes):
    recipe = load(name, changes)
    return training_config(recipe, recipe.tokenizer.vocab_size), planned_objective(recipe)


def test_bert_reads_short_rows_first():
    """256 rows of 128 tokens in nine steps of ten, then of 512 (Devlin et al. 2019, A.2); 15 % of them are targets, and
    each row is a pair."""
    config, task = planned("bert_base")
    short, long = Positions(128, targets=19, pairs=1), Positions(512, targets=77, pairs=1)
    assert (planned_positions(task, 128), planned_positions(task, 512)) == (short, long)
    run = work(config, task)
    assert run.tokens == 256 * (900_000 * 128 + 100_000 * 512)
    assert run.flops == 256 * (900_000 * config.model.flops(short) + 100_000 * config.model.flops(long))
    assert run.flops_per_token * run.tokens == pytest.approx(run.flops)


def test_t5_reads_114_targets_for_512_inputs():
    config, task = planned("t5_base")
    assert planned_positions(task, 512) == Positions(114, inputs=512, targets=114)
    assert work(config, task).tokens == 2**35  # Raffel et al. 2020, section 3.1.2


@pytest.mark.parametrize(
    ("name", "tokens", "gpu_hours"),
    [
        ("llama-7b", 1e12, 82_432),
        ("llama-13b", 1e12, 135_168),
        ("llama-33b", 1.4e12, 530_432),
        ("llama-65b", 1.4e12, 1_022_362),
    ],
)
def test_llama_s_hours(name, tokens, gpu_hours):
    """Touvron et al. 2023, table 15: hours of A100-80GB; about half of the peak was reached."""
    cards = Cards(CARDS["a100-sxm-80"], 2048, 0.5, 1.0)
    flops = tokens * preset(name).flops_per_token()
    assert cards.hours(flops) * 2048 == pytest.approx(gpu_hours, rel=0.1)
    assert cards.dollars(flops) == pytest.approx(cards.hours(flops) * 2048)


def test_chinchilla_s_flops():
    """70 billion parameters, 1.4 trillion tokens, 5.76e23 FLOPs (Hoffmann et al. 2022, section 4 and table 4). A GPT of
    its 80 layers, 8,192 wide, has 64.7 billion without its relative positions; its FLOPs are within a fiftieth."""
    chinchilla = preset("gpt2", layers=80, width=8192, heads=64, ffn=4 * 8192, vocab=32_000, context=2048)
    assert 1.4e12 * chinchilla.flops_per_token() == pytest.approx(5.76e23, rel=0.02)
    run = Work(n_params=70 * 10**9, steps=1, tokens=1400 * 10**9, flops=1)
    assert run.tokens_per_param == 20


def test_layouts_are_those_of_the_cards():
    config, _ = planned("llama_1b")
    assert layouts_of(config, 1) == {"one card": 1}
    assert layouts_of(config, 8) == {"ddp": 1, "fsdp": 8}
    assert layouts_of(config, 32) == {"ddp": 1, "fsdp": 32, "hsdp": 8}
    assert layouts_of(config, 12) == {"ddp": 1, "fsdp": 12}
    assert layouts_of(planned("t5_base", "training.model=t5-base-shared")[0], 8) == {"ddp": 1}
    asked = replace(config, run=RunConfig(strategy="hsdp", shards=4))
    assert layouts_of(asked, 8) == {"ddp": 1, "fsdp": 8, "hsdp": 4}


def test_rows_that_do_not_split_are_said():
    config, task = planned("tiny_gpt", "training.batch_rows=20")
    with pytest.raises(ConfigError, match="batch_rows 20 does not split over 8 cards"):
        fits(config, task, EIGHT)


def test_llama_7b_fits_one_way_only():
    changes = ["training.model=llama-7b", "training.batch_rows=64"]
    found = {(fit.layout, fit.recompute): fit for fit in fits(*planned("llama_1b", *changes), EIGHT)}
    assert [key for key, fit in found.items() if fit.fits] == [("fsdp", True)]
    assert not found["ddp", True].most_rows  # 16 bytes a parameter are more than a card has


@given(st.sampled_from(["gpt2", "llama-1b", "llama-7b"]), st.sampled_from(sorted(CARDS)), st.integers(0, 6))
def test_the_most_rows_fit_and_one_more_does_not(name, card, doublings):
    config = TrainingConfig(model=preset(name), steps=1, seed=1, batch_rows=2**12)
    task, cards = planned("gpt2_small")[1], replace(EIGHT, card=CARDS[card], count=2**doublings)
    for fit in fits(config, task, cards):
        share, room = 2 ** (12 - doublings), USABLE * CARDS[card].memory_gib * 2**30
        assert fit.rows == share
        assert fit.fits == (fit.memory.total <= room) == (fit.most_rows == share)
        if 0 < fit.most_rows < share:
            at = {
                rows: fits(replace(config, run=RunConfig(micro_rows=rows)), task, cards)
                for rows in (fit.most_rows, fit.most_rows + 1)
            }
            key = (fit.layout, fit.recompute)
            assert [[one.fits for one in found if (one.layout, one.recompute) == key] for found in at.values()] == [
                [True], [False],
            ]  # fmt: skip


def test_auto_is_what_the_card_multiplies():
    config, _ = planned("gpt2_small")
    assert precision_on(config, CARDS["a100-sxm-80"]) == "bf16-mixed"
    assert precision_on(config, CARDS["v100-sxm-32"]) == "32-true"
    assert precision_on(replace(config, precision="bf16-true"), CARDS["a100-sxm-80"]) == "bf16-true"
