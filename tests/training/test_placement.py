"""Ranks on devices: what cannot be is said before any work, in words that tell what to change."""

import os
from dataclasses import replace

import lightning
import pytest
import torch
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, SingleDeviceStrategy
from small_fits import varied
from test_launched import SBATCH, SRUN, TORCHRUN

from corpus.errors import ConfigError
from training.placement import Placement, precision
from training.spec import ModelSpec

TWO = TORCHRUN | {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}


@pytest.fixture
def started(monkeypatch):
    """As ranks that something has started, with so many GPUs on this host."""

    def start(said, gpus=0, *, bf16=True):
        for name in [*os.environ]:
            if name.startswith(("SLURM_", "TORCHELASTIC_")):
                monkeypatch.delenv(name)
        for name, value in said.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Old Card")

    return start


@pytest.mark.parametrize(
    ("said", "gpus", "asked", "told"),
    [
        ({}, 0, {"accelerator": "gpu"}, "accelerator is gpu, and torch sees none on this host; take auto or cpu"),
        (TWO, 1, {}, "2 ranks on this host ask for a GPU each, and torch sees 1; start no more than 1 here"),
        (TWO, 0, {"accelerator": "gpu"}, "torch sees none on this host"),
        (TWO, 2, {"batch_rows": 3}, "batch_rows 3 does not split over 2 ranks; take a multiple of 2"),
        (TORCHRUN, 4, {"strategy": "hsdp", "shards": 3, "batch_rows": 8}, "8 ranks do not make groups of 3; take"),
        (TORCHRUN | {"LOCAL_WORLD_SIZE": "3"}, 4, {}, "8 ranks, 3 of them on this host; start as many on each host"),
        (SRUN | {"SLURM_STEP_NUM_TASKS": "15"}, 8, {}, "15 tasks on 2 hosts"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(said, gpus, asked, told, started, config):
    started(said, gpus)
    with pytest.raises(ConfigError, match=told):
        Placement.of(varied(config, **asked))


def test_stacks_that_share_weights_are_not_spread(started, config):
    shape = {"layers": 1, "width": 32, "heads": 2, "ffn": 48, "vocab": config.model.vocab, "context": 16}
    shared = ModelSpec(family="t5", shared=True, **shape)
    started(TWO)
    with pytest.raises(ConfigError, match='strategy "fsdp" cannot spread stacks that share their weights; take "ddp"'):
        Placement.of(varied(config, model=shared, objective="span_corruption", strategy="fsdp"))


def test_bfloat16_where_a_card_has_none(started, config):
    started({}, 1, bf16=False)
    assert Placement.of(config).precision == "32-true"
    for asked in ("bf16-mixed", "bf16-true"):
        with pytest.raises(ConfigError, match=f"{asked}, and Old Card does not multiply bfloat16; take 32-true"):
            Placement.of(replace(config, precision=asked))
    started({}, 1)
    assert Placement.of(config).precision == "bf16-mixed"
    assert precision(replace(config, precision="bf16-true"), "cpu") == "bf16-true"  # slow, and right


@pytest.mark.parametrize(
    ("said", "gpus", "asked", "expected"),
    [
        ({}, 0, {}, (0, 1, 1, 1, "cpu", 1)),
        ({}, 4, {"micro_rows": 4}, (0, 1, 1, 1, "cuda", 2)),
        ({}, 4, {"accelerator": "cpu"}, (0, 1, 1, 1, "cpu", 1)),
        (TORCHRUN, 4, {"strategy": "hsdp"}, (5, 8, 4, 2, "cuda", 1)),
        (TORCHRUN, 0, {}, (5, 8, 4, 2, "cpu", 1)),
        (SBATCH, 0, {}, (0, 1, 1, 1, "cpu", 1)),
    ],
)
def test_where_it_runs(said, gpus, asked, expected, started, config):
    started(said, gpus)
    place = Placement.of(varied(config, batch_rows=8, **asked))
    assert (place.rank, place.world, place.per_node, place.nodes, place.device, place.pieces) == expected
    told = place.trainer(varied(config, **asked))
    kind = {"fsdp": ModelParallelStrategy, "hsdp": ModelParallelStrategy}.get(asked.get("strategy"), DDPStrategy)
    assert (told["strategy"] == "auto") if place.world == 1 else isinstance(told["strategy"], kind)
    assert told["devices"] * told["num_nodes"] == place.world


def test_what_slurm_lacks_is_no_traceback(started, config):
    started({name: value for name, value in SRUN.items() if name != "SLURM_NTASKS_PER_NODE"}, 8)
    with pytest.raises(ConfigError, match="ntasks-per-node"):
        Placement.of(varied(config, batch_rows=16))


@pytest.mark.parametrize("said", [SBATCH, {name: SBATCH[name] for name in SBATCH if name != "SLURM_NTASKS_PER_NODE"}])
def test_a_batch_script_is_one_process_to_lightning_too(said, started, config, tmp_path):
    """Lightning takes SLURM_NTASKS for a sign that srun was used."""
    started(said)
    told = Placement.of(config).trainer(config)
    trainer = lightning.Trainer(**told, logger=False, enable_checkpointing=False, default_root_dir=tmp_path)
    assert isinstance(trainer.strategy, SingleDeviceStrategy)
    assert (trainer.world_size, trainer.global_rank) == (1, 0)


def test_nothing_is_made_before_it_is_said(started, config, shards, vocab, tmp_path):
    from training.fit import fit

    started(TWO, 1)
    with pytest.raises(ConfigError, match="ask for a GPU each"):
        fit(config, shards, "abc", vocab, tmp_path / "out")
    assert not (tmp_path / "out").exists()
