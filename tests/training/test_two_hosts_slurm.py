"""A training as a job of a real Slurm of two hosts: a rank is lost, or a host; Slurm starts it again, and it ends."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hosts import Host, two_hosts
from small_run import outside
from two_host_run import SECONDS, STEPS, copied, environment, script, written
from waiting import soon

CONF = """
ClusterName=tiny
SlurmctldHost=alpha
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/linear
ReturnToService=2
SlurmdTimeout=6
KillWait=2
MailProg=/bin/true
SchedulerParameters=sched_interval=2,batch_sched_delay=0
NodeName=alpha,beta CPUs=1 RealMemory=1000 State=UNKNOWN
PartitionName=tiny Nodes=ALL Default=YES MaxTime=60 State=UP
"""
SMALLER = {
    "--ntasks-per-node=8": "--ntasks-per-node=1",
    "--gpus-per-node=8": "--gpus-per-node=0",
    "--cpus-per-task=12": "--cpus-per-task=1",
    "--time=24:00:00": "--time=00:10:00",
}
DAEMONS = ("munged", "slurmctld", "slurmd")


@dataclass(frozen=True)
class Slurm:
    """A Slurm of two nodes, the first of which has its controller."""

    alpha: Host
    beta: Host
    folder: Path

    def start(self, host: Host, *command: str) -> None:
        host.start(command, self.folder / f"{host.name}-{command[0]}.log", self._env())

    def join(self, host: Host) -> None:
        self.start(host, "slurmd", "-D", "-N", host.name)

    def nodes(self) -> list[str]:
        """The states of alpha and beta."""
        return self.told("sinfo", "--noheader", "--Node", "--format=%t").split()

    def told(self, *command: str | Path) -> str:
        words = (f"{name}={value}" for name, value in (environment() | self._env()).items())
        return self.alpha.do("env", *words, *map(str, command))

    def _env(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}


@contextmanager
def slurm(folder: Path) -> Iterator[Slurm]:
    (folder / "state").mkdir(parents=True)
    (folder / "slurm.conf").write_text(CONF.format(folder=folder))
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    files = {"key-file": "munge.key", "socket": "munge.socket", "seed-file": "munge.seed", "log-file": "munge.log"}
    options = [f"--{option}={folder / name}" for option, name in (files | {"pid-file": "munged.pid"}).items()]
    with two_hosts(folder) as (alpha, beta):
        cluster = Slurm(alpha, beta, folder)
        cluster.start(alpha, "munged", "-F", "--force", *options)
        soon((folder / "munge.socket").exists, "munge")
        cluster.start(alpha, "slurmctld", "-D", "-i")
        for host in (alpha, beta):
            cluster.join(host)
        soon(lambda: cluster.nodes() == ["idle", "idle"], "Slurm's nodes")
        yield cluster


@pytest.mark.slow
@pytest.mark.skipif(not all(map(shutil.which, DAEMONS)), reason="needs munge and slurm-wlm installed")
def test_a_job_that_lost_a_rank_and_a_host_ends(tmp_path: Path) -> None:
    recipe = written(tmp_path)
    alone, run = copied(recipe, tmp_path / "alone"), copied(recipe, tmp_path / "run")
    job = tmp_path / "job.sh"
    job.write_text(script("srun", SMALLER | run.instead))
    with slurm(tmp_path / "slurm") as cluster:
        cluster.told("sbatch", f"--output={run.logs / 'job'}", job)
        run.amid(1)
        cluster.beta.do("pkill", "-KILL", "-f", "bin/millstream")
        run.amid(2)
        cluster.beta.kill()
        soon(lambda: "down*" in cluster.nodes(), "the loss of a node", SECONDS)
        cluster.join(cluster.beta)
        soon(lambda: not cluster.told("squeue", "--noheader"), "the job's end", 2 * SECONDS)

    log = (run.logs / "job").read_text()
    assert "srun: error: beta: task 1: Killed" in log
    assert "srun: error: Node failure on beta" in log
    assert (run.model / "manifest.json").exists(), log
    assert len(run.steps()) == STEPS
    said = outside("train", recipe, "--root", alone.root)
    assert said.returncode == 0, said.stderr
    for one, two in zip(alone.steps(), run.steps(), strict=True):
        assert two == pytest.approx(one, rel=1e-5)
