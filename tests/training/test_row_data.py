"""The order of samples, and what a row becomes."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from corpus.errors import ConfigError
from tokenizer.specials import Specials
from training.data import Batches, RowData
from training.objective import Row, noise
from training.objectives import objective
from training.objectives.causal import Causal
from training.objectives.masked import Masked

SPECIALS = Specials(size=300, eod=0)


def data_of(rows, steps=40, step=0, objective=None, **fields):
    made = {"seed": 5, "batch_rows": 4, "steps": steps, "fingerprint": "abc"} | fields
    data = RowData(rows, objective or Causal(specials=SPECIALS), **made)
    data.trainer = SimpleNamespace(global_step=step, world_size=1, global_rank=0)
    return data


def stack(batches):
    return np.concatenate([batch["tokens"].numpy() for batch in batches])


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
    assert at_17 == {"samples": 17 * 4, "fingerprint": "abc"}
    resumed = data_of(rows, step=17)
    resumed.load_state_dict(at_17)
    np.testing.assert_array_equal(stack(resumed.train_dataloader()), whole[17 * 4 :])
    resumed.trainer.global_step = 20
    assert resumed.state_dict()["samples"] == 20 * 4


def test_ranks_share_a_batch_between_them(rows):
    data = data_of(rows)
    whole = stack(Batches(data, 0, 1)).reshape(40, 4, -1)
    halves = [stack(Batches(data, rank, 2)).reshape(40, 2, -1) for rank in (0, 1)]
    np.testing.assert_array_equal(np.concatenate(halves, axis=1), whole)
    data.trainer.world_size = 3
    with pytest.raises(ConfigError, match="4 does not split over 3 ranks"):
        data.train_dataloader()


def test_other_tokens_are_refused(rows):
    with pytest.raises(ConfigError, match="trained on tokens xyz, these are abc"):
        data_of(rows).load_state_dict({"samples": 4, "fingerprint": "xyz"})


def test_causal_shifts_by_one_and_puts_an_eod_with_what_it_begins():
    row = Row(np.array([5, 9, 2, 7, 7, 2, 4]), np.array([1, 1, 1, 2, 2, 2, 3]))
    example = Causal(specials=SPECIALS, document_mask=True).draw(row, noise(0, 0, 0))
    assert example["tokens_T"].tolist() == [5, 9, 2, 7, 7, 2]
    assert example["targets_T"].tolist() == [9, 2, 7, 7, 2, 4]
    assert example["segments_T"].tolist() == [1, 1, 2, 2, 2, 3]


def test_segments_reach_the_batch(rows):
    batch = data_of(rows, objective=Causal(specials=SPECIALS, document_mask=True)).batch(0, 3)
    assert {name: tuple(tensor.shape) for name, tensor in batch.items()} == {
        "tokens": (3, 16),
        "targets": (3, 16),
        "segments": (3, 16),
    }


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
        n = len(data.rows)
        by_epoch = []
        for epoch in range(3):
            rows_N = data.order.samples(epoch * n, (epoch + 1) * n)
            batch = data.batch(epoch * n, (epoch + 1) * n)["tokens"].numpy()
            by_epoch.append(batch[np.argsort(rows_N)])
        assert (by_epoch[0] != by_epoch[1]).any()
        assert (by_epoch[0] == by_epoch[2]).all() == again
