"""datatrove's executors, told to run the ranks of a phase; each function ends when no rank is at work any more."""

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.executor.ray import RayPipelineExecutor
from datatrove.executor.slurm import SlurmPipelineExecutor

from pipelines.engines.datatrove.phase import Phase
from pipelines.engines.datatrove.step import RunTasks

QUEUE_SECONDS = 5.0
"""Between two looks at Slurm's queue, which many users share."""


def run_local(phase: Phase) -> None:
    """Runs the ranks in processes of this machine."""
    workers = phase.order().workers
    LocalPipelineExecutor(workers=workers, **_common(phase)).run()


def run_ray(phase: Phase) -> None:
    """Runs the ranks on the Ray cluster of `address`, or of RAY_ADDRESS, or on one of this machine's own."""
    import ray

    order = phase.order()
    settings = order.settings
    options: dict[str, Any] = {}
    if settings.address is None and "RAY_ADDRESS" not in os.environ:
        options = {"num_cpus": order.workers * settings.cpus_per_task, "include_dashboard": False}
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(address=settings.address, **options)
    RayPipelineExecutor(
        workers=order.workers,
        cpus_per_task=settings.cpus_per_task,
        mem_per_cpu_gb=settings.mem_per_cpu_gb,
        **_common(phase),
    ).run()


def run_slurm(phase: Phase) -> None:
    """Submits the ranks as job arrays and waits until they have left the queue."""
    try:
        slurm_executor(phase).run()
    except subprocess.CalledProcessError as error:  # of a subprocess that has told why in the log
        sys.exit(f"{error.cmd[0]} refused the job")
    while _in_queue(phase):
        time.sleep(QUEUE_SECONDS)


class _Arrays(SlurmPipelineExecutor):  # type: ignore[misc]  # datatrove has no types
    """Without the job that adds up the statistics: it would wait in the queue for ever after a rank that failed."""

    def launch_merge_stats(self) -> None:
        """Submits nothing."""


def slurm_executor(phase: Phase) -> SlurmPipelineExecutor:
    """The executor that submits a phase's ranks. Unless told how to come by its Python, a job uses that of the driver,
    at the same path; other variables (PYTHONPATH) travel with the job."""
    order = phase.order()
    settings = order.settings
    told = settings.env_command or settings.condaenv or settings.venv_path
    return _Arrays(
        workers=order.workers,
        job_name=_job_name(phase),
        partition=settings.partition,
        time=settings.time,
        cpus_per_task=settings.cpus_per_task,
        mem_per_cpu_gb=settings.mem_per_cpu_gb,
        qos=settings.qos,
        env_command=settings.env_command if told else _own_python(),
        condaenv=settings.condaenv,
        venv_path=settings.venv_path,
        max_array_size=settings.max_array_size,
        sbatch_args=dict(settings.sbatch_args),
        **_common(phase),
    )


def cancel_slurm(phase: Phase) -> None:
    """Takes the phase's jobs out of the queue, running or not."""
    subprocess.run(["scancel", f"--name={_job_name(phase)}"], check=False)


def _in_queue(phase: Phase) -> bool:
    """Whether one of the phase's jobs waits or runs; also when Slurm does not answer: that says nothing of them."""
    command = ["squeue", "--noheader", f"--name={_job_name(phase)}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode != 0 or bool(done.stdout.strip())


def _job_name(phase: Phase) -> str:
    return f"millstream-{phase.folder.name}"


def _own_python() -> str:
    return f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"


def _common(phase: Phase) -> dict[str, Any]:
    order = phase.order()
    return {
        "pipeline": [RunTasks(str(phase.folder))],
        "tasks": order.n_ranks,
        "logging_dir": str(phase.folder),
    }


EXECUTORS = {"local": run_local, "slurm": run_slurm, "ray": run_ray}
