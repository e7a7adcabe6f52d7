"""The order of samples, and what a row becomes."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from corpus.errors import ConfigError
from tokenizer.specials import Specials
from training.config import TrainingConfig
from training.data import RankSteps, RowData, Sample, pieces
from training.objective import Row, noise
from training.objectives import objective
from training.objectives.causal import Causal
from training.objectives.masked import Masked
from training.run_config import RunConfig
from training.spec import ModelSpec
from training.stretches import Phase

SPECIALS = Specials(size=300, eod=0)


SHAPE = {"layers": 1, "width": 8, "heads": 2, "ffn": 8, "vocab": 300, "context": 16}


NO_SOURCES = SimpleNamespace(nothing=lambda: np.zeros((0, 2), int), counted=lambda rows, which: np.zeros((0, 2), int))


def data_of(rows, steps=40, step=0, objective=None, pieces=1, **fields):
    run = RunConfig(micro_rows=fields.pop("micro_rows", None), workers=fields.pop("workers", None))
    config = TrainingConfig(model=ModelSpec(**SHAPE), seed=5, steps=steps, **{"batch_rows": 4, "run": run} | fields)
    many = rows if isinstance(rows, list) else [rows]
    data = RowData(config, objective or Causal(specials=SPECIALS), many, NO_SOURCES, "abc")
    device = SimpleNamespace(root_device=SimpleNamespace(type="cpu"))
    data.trainer = SimpleNamespace(
        global_step=step, world_size=1, global_rank=0, accumulate_grad_batches=pieces, strategy=device
    )
    return data


def stack(batches):
    return np.concatenate([batch["tokens"].numpy() for batch in batches])


def stack_of(data, rank, world):
    """All steps of a rank: tokens, a step after the other."""
    return stack(piece for step in (RankSteps(data, rank, world)[n] for n in range(40)) for piece in step)


def test_each_epoch_reads_each_row_once(rows):
    n = len(rows)
    seen_NT = stack(data_of(rows, steps=n, batch_rows=2).train_dataloader())  # 2 epochs
    everything = sorted(tuple(rows.row(i).tokens_S[:-1].tolist()) for i in range(n))
    first, second = (list(map(tuple, half.tolist())) for half in np.split(seen_NT, 2))
    assert sorted(first) == sorted(second) == everything
    assert first != second


def test_a_resumed_run_reads_what_is_left(rows):
    whole = stack(data_of(rows).train_dataloader())
    at_17 = data_of(rows, step=17).state_dict()
    assert at_17 == {"step": 17, "fingerprint": "abc"}
    resumed = data_of(rows, step=17)
    resumed.load_state_dict(at_17)
    np.testing.assert_array_equal(stack(resumed.train_dataloader()), whole[17 * 4 :])


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(workers, rows):
    alone = stack(data_of(rows).train_dataloader())
    np.testing.assert_array_equal(stack(data_of(rows, workers=workers).train_dataloader()), alone)


def test_ranks_share_a_batch_between_them(rows):
    data = data_of(rows)
    whole = stack_of(data, 0, 1).reshape(40, 4, -1)
    halves = [stack_of(data, rank, 2).reshape(40, 2, -1) for rank in (0, 1)]
    np.testing.assert_array_equal(np.concatenate(halves, axis=1), whole)
    in_pieces = data_of(rows, micro_rows=1)
    np.testing.assert_array_equal(stack_of(in_pieces, 0, 1).reshape(40, 4, -1), whole)
    data.trainer.world_size = 3
    with pytest.raises(ConfigError, match="4 does not split over 3 ranks"):
        data.train_dataloader()


def test_a_piece_knows_the_targets_of_its_whole_step(rows):
    first, second = RankSteps(data_of(rows, micro_rows=2), 0, 1)[3]
    assert first["n_tokens"] == second["n_tokens"] == 4 * 16
    assert len(first["tokens"]) == len(second["tokens"]) == 2


def test_pieces_are_as_few_as_fit(rows):
    config = data_of(rows, batch_rows=12).config
    for micro_rows, world, expected in ((None, 1, 1), (12, 1, 1), (5, 1, 3), (5, 2, 2), (1, 4, 3), (2, 12, 1)):
        assert pieces(replace(config, run=RunConfig(micro_rows=micro_rows)), world) == expected
    short = replace(config, curriculum=(Phase(context=4, share=0.5, batch_rows=48),), run=RunConfig(micro_rows=4))
    assert pieces(short, 1) == 3  # 16 rows of 4 tokens, 4 rows of 16
    odd = replace(config, curriculum=(Phase(context=4, share=0.5, batch_rows=7),), run=RunConfig(micro_rows=1))
    with pytest.raises(ConfigError, match="7, 12 a rank, do not divide into equal pieces of 1 rows or fewer"):
        pieces(odd, 1)
    data = data_of(rows, micro_rows=1)
    with pytest.raises(ConfigError, match="give it accumulate_grad_batches=4"):
        data.train_dataloader()


def test_a_curriculum_reads_short_rows_first(shards):
    task = Causal(specials=SPECIALS)
    data = data_of([task.rows(shards, length, 0) for length in (4, 16)], curriculum=(Phase(context=4, share=0.9),))
    lengths = [RankSteps(data, 0, 1)[step][0]["tokens"].shape for step in (0, 35, 36, 39)]
    assert lengths == [(4, 4), (4, 4), (4, 16), (4, 16)]
    assert [sample.stretch for sample in data.samples(36)] == [1] * 4
    assert data.config.tokens_after(40) == 36 * 4 * 4 + 4 * 4 * 16
    resumed = data_of(data.rows, curriculum=data.config.curriculum)
    resumed.load_state_dict({"step": 35, "fingerprint": "abc"})
    assert [piece["tokens"].shape[1] for piece in resumed.train_dataloader()] == [4, 16, 16, 16, 16]


def test_other_tokens_are_refused(rows):
    with pytest.raises(ConfigError, match="trained on tokens xyz, these are abc"):
        data_of(rows).load_state_dict({"step": 1, "fingerprint": "xyz"})


def test_causal_shifts_by_one_and_puts_an_eod_with_what_it_begins():
    row = Row(np.array([5, 9, 2, 7, 7, 2, 4]), np.array([1, 1, 1, 2, 2, 2, 3]))
    example = Causal(specials=SPECIALS, document_mask=True).draw(row, noise(0, 0, 0))
    assert example["tokens_T"].tolist() == [5, 9, 2, 7, 7, 2]
    assert example["targets_T"].tolist() == [9, 2, 7, 7, 2, 4]
    assert example["segments_T"].tolist() == [1, 1, 2, 2, 2, 3]


def test_segments_reach_the_batch(rows):
    data = data_of(rows, objective=Causal(specials=SPECIALS, document_mask=True))
    shapes = {name: tuple(tensor.shape) for name, tensor in data.batch(data.samples(0)).items()}
    assert shapes == {"tokens": (4, 16), "targets": (4, 16), "segments": (4, 16)}


def test_noise_belongs_to_seed_epoch_and_row():
    draws = {
        (seed, epoch, row): tuple(noise(seed, epoch, row).integers(0, 2**63, 8))
        for seed in (0, 1)
        for epoch in (0, 1)
        for row in (0, 1, 2)
    }
    assert len({number for numbers in draws.values() for number in numbers}) == 12 * 8  # neighbours share nothing
    assert tuple(noise(1, 1, 2).integers(0, 2**63, 8)) == draws[1, 1, 2]


def test_unknown_objectives_and_fields():
    with pytest.raises(ConfigError, match=r"known: .*causal"):
        objective("casual", specials=SPECIALS)
    with pytest.raises(ConfigError, match=r'objective "causal" has no field segment; its fields: document_mask'):
        objective("causal", specials=SPECIALS, segment=True)


def test_static_noise_comes_back_after_its_copies(shards, vocab):
    specials = replace(vocab.specials, pad=1, start=2, separator=3, mask=4)
    dynamic, static = (Masked(specials=specials, static_copies=copies) for copies in (None, 2))
    for task, again in ((static, True), (dynamic, False)):
        data = data_of(task.rows(shards, 16, 0), objective=task)
        by_epoch = []
        for epoch in range(3):
            samples = [Sample(0, row, epoch) for row in range(len(data.rows[0]))]
            by_epoch.append(data.batch(samples)["tokens"].numpy())
        assert (by_epoch[0] != by_epoch[1]).any()
        assert (by_epoch[0] == by_epoch[2]).all() == again
