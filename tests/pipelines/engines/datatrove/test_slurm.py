"""Tasks as ranks of datatrove's Slurm executor, on a real Slurm of one node that this machine runs for the test."""

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_tasks import Fail, Wait, Write
from waiting import gone, pid_in, soon

from corpus.errors import DataError, MillstreamError
from pipelines.engines.datatrove import executors
from pipelines.engines.datatrove.crew import DatatroveCrew
from pipelines.engines.datatrove.phase import Order, Phase
from pipelines.engines.datatrove.settings import DatatroveSettings
from pipelines.engines.versions import Environment

CONF = """
ClusterName=tiny
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MailProg=/bin/true
SchedulerParameters=sched_interval=2,batch_sched_delay=0
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000 State=UNKNOWN
PartitionName=tiny Nodes={host} Default=YES MaxTime=60 State=UP
"""
DAEMONS = ("munged", "slurmctld", "slurmd")

slurm_only = pytest.mark.skipif(
    os.getuid() != 0 or not all(map(shutil.which, DAEMONS)), reason="needs root, and munge and slurm-wlm installed"
)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """A Slurm of one node with two processors; its configuration stands in SLURM_CONF."""
    folder = Path("/tmp") / f"slurm-{os.getpid()}"  # a socket's path is short
    folder.mkdir()
    (folder / "state").mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    ports = {"controller": free_port(), "node": free_port()}
    (folder / "slurm.conf").write_text(CONF.format(host=socket.gethostname().split(".")[0], folder=folder, **ports))
    env = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}
    munge = {"key-file": "munge.key", "socket": "munge.socket", "seed-file": "seed", "log-file": "munge.log"}
    options = [f"--{option}={folder / name}" for option, name in munge.items()]
    commands = [["munged", "-F", "--force", *options, f"--pid-file={folder}/munged.pid"], ["slurmctld", "-D", "-i"]]
    commands.append(["slurmd", "-D"])
    daemons = []
    with (folder / "daemons.log").open("w") as log, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", env["SLURM_CONF"])
        for command in commands:
            daemons.append(subprocess.Popen(command, env=env, stdout=log, stderr=log))
            time.sleep(1)
        try:
            soon(lambda: "idle" in told("sinfo", "-h", "-o", "%t"), "Slurm's node")
            yield folder
        finally:
            for daemon in reversed(daemons):
                daemon.send_signal(signal.SIGTERM)
                daemon.wait()
            shutil.rmtree(folder, ignore_errors=True)


def told(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def running() -> list[str]:
    return told("squeue", "-h", "-r", "-t", "R", "-o", "%i").splitlines()


def settings(tmp_path: Path, *more: str) -> DatatroveSettings:
    words = ["executor=slurm", f"folder={tmp_path}", "partition=tiny", "time=10:00", "mem_per_cpu_gb=1", *more]
    return DatatroveSettings.parsed(words)


def crew(tmp_path: Path, *more: str) -> DatatroveCrew:
    return DatatroveCrew(settings(tmp_path, *more), 2, tmp_path / "phases")


@slurm_only
@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_a_job_that_is_cancelled_in_the_middle_is_submitted_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def cancel() -> None:
        try:
            path = tmp_path / "b.pid"
            pid = pid_in(path)
            path.unlink()
            soon(lambda: (tmp_path / "a").exists() and len(running()) == 1, "only one job that runs")
            told("scancel", *running())
            assert pid_in(path) != pid  # begun again
        finally:
            (tmp_path / "go").touch()

    folder = str(tmp_path)
    canceller = threading.Thread(target=cancel)
    canceller.start()
    tasks = [Write(folder, "a"), Wait(folder, "b"), Write(folder, "c")]
    one = crew(tmp_path, "max_array_size=2")  # two arrays
    counts = list(one.run(tasks))
    canceller.join()
    assert (sum(n for n, _ in counts), sum(n for _, n in counts)) == (3, 6)
    assert one.usage.cpu_seconds > 0
    assert capfd.readouterr() == ("", "")
    assert told("squeue", "-h") == ""


@slurm_only
@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_an_error_comes_through_and_takes_the_other_jobs_out_of_the_queue(tmp_path: Path) -> None:
    folder = str(tmp_path)
    with pytest.raises(DataError, match=r"^what, where and how to mend$"):
        list(crew(tmp_path).run([Wait(folder, "late"), Fail("DataError"), *(Wait(folder, str(n)) for n in range(4))]))
    soon(lambda: told("squeue", "-h") == "", "an empty queue")
    at_work = tmp_path / "late.pid"  # not there when the other failed before this one had begun
    soon(lambda: not at_work.exists() or gone(int(at_work.read_text())), "the end of the other task")


@slurm_only
@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_what_sbatch_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        MillstreamError,
        match=r"slurm executor ended and left 1 tasks undone; .*sbatch: error: .*sbatch refused the job",
    ):
        list(crew(tmp_path, "sbatch.constraint=gold").run([Write(str(tmp_path), "a")]))


def test_the_script_says_what_was_set(tmp_path: Path) -> None:
    pytest.importorskip("datatrove")
    wanted = settings(tmp_path, "sbatch.account=me", "qos=low", "cpus_per_task=3")
    order = Order(wanted, 7, 9, str(tmp_path), Environment.here())
    with Phase.made(tmp_path, [Write(str(tmp_path), str(n)) for n in range(9)], order) as phase:
        executor = executors.slurm_executor(phase)
    script = executor.get_launch_file_contents(executor.get_sbatch_args(9), "run")
    said = dict(re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", script, re.MULTILINE))
    told_of = {"partition": "tiny", "time": "10:00", "mem-per-cpu": "1G", "cpus-per-task": "3", "qos": "low"}
    assert told_of | {"account": "me", "array": "0-8%7"} == {key: said[key] for key in (*told_of, "account", "array")}
    assert said["output"].startswith(str(phase.folder))
    assert re.search(r"^export PATH=/.*:\$PATH$", script, re.MULTILINE)
