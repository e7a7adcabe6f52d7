"""Which rank a process is, from the environments that torchrun, srun and sbatch make."""

import os

import pytest

from corpus.errors import ConfigError
from training.launched import Launched, cores, launched

TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}
SBATCH = {
    "SLURM_JOB_ID": "7", "SLURM_NTASKS": "16", "SLURM_NTASKS_PER_NODE": "8", "SLURM_NNODES": "2", "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0", "SLURM_NODEID": "0",
}  # fmt: skip
SRUN = SBATCH | {
    "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "16", "SLURM_STEP_NUM_NODES": "2", "SLURM_PROCID": "9",
    "SLURM_LOCALID": "1", "SLURM_NODEID": "1",
}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, Launched(0, 1, 1, "")),
        ({"WORLD_SIZE": "4", "RANK": "1"}, Launched(0, 1, 1, "")),  # left over, of some other program
        (TORCHRUN, Launched(5, 8, 4, "torchrun")),
        (SRUN, Launched(9, 16, 8, "slurm")),
        (SBATCH, Launched(0, 1, 1, "")),
        (SBATCH | {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "1"}, Launched()),
        (SRUN | TORCHRUN, Launched(5, 8, 4, "torchrun")),  # srun starts a torchrun on each host
    ],
)
def test_who_this_is(said, expected):
    assert launched(said) == expected


def test_hosts_of_unlike_numbers_are_refused():
    with pytest.raises(ConfigError, match="15 tasks on 2 hosts; start as many on each, with --ntasks-per-node"):
        launched(SRUN | {"SLURM_STEP_NUM_TASKS": "15"})


def test_a_rank_s_own_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(24)))
    assert cores(Launched(), {}) == 24
    assert cores(Launched(5, 8, 4, "torchrun"), {"SLURM_CPUS_PER_TASK": "24"}) == 6
    assert cores(Launched(5, 99, 99, "torchrun"), {}) == 1
    assert cores(Launched(9, 16, 8, "slurm"), {}) == 3
    assert cores(Launched(9, 16, 8, "slurm"), {"SLURM_CPUS_PER_TASK": "12"}) == 12  # all see all
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(5)))
    assert cores(Launched(9, 16, 8, "slurm"), {"SLURM_CPUS_PER_TASK": "12"}) == 5
