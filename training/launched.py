"""Which of several ranks this process is, as torchrun or Slurm says in its environment. No torch."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from corpus.errors import ConfigError


class Launched(NamedTuple):
    """Rank `rank` of `world`, of which `per_node` are on this host; `by` is "torchrun", "slurm" or "" for one alone."""

    rank: int = 0
    world: int = 1
    per_node: int = 1
    by: str = ""


def launched(said: Mapping[str, str] = os.environ) -> Launched:
    """From torchrun's RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, or those that srun gives each task; a batch script, which
    knows the job's number of tasks too, is none of them. ConfigError where hosts have unlike numbers of tasks."""
    if "TORCHELASTIC_RUN_ID" in said:
        return Launched(int(said["RANK"]), int(said["WORLD_SIZE"]), int(said["LOCAL_WORLD_SIZE"]), "torchrun")
    if "SLURM_STEP_NUM_TASKS" in said and int(said["SLURM_STEP_NUM_TASKS"]) > 1:
        world, nodes = int(said["SLURM_STEP_NUM_TASKS"]), int(said.get("SLURM_STEP_NUM_NODES", 1))
        if world % nodes:
            raise ConfigError(f"{world} tasks on {nodes} hosts; start as many on each, with --ntasks-per-node")
        return Launched(int(said["SLURM_PROCID"]), world, world // nodes, "slurm")
    return Launched()


def cores(here: Launched, said: Mapping[str, str] = os.environ) -> int:
    """How many are a rank's own: as many as its task asked Slurm for, else its part of those it sees."""
    seen = len(os.sched_getaffinity(0))
    if here.by == "slurm" and "SLURM_CPUS_PER_TASK" in said:
        return min(seen, int(said["SLURM_CPUS_PER_TASK"]))  # Slurm may show it these alone
    return max(1, seen // here.per_node)
