"""A real standalone Spark cluster on 127.0.0.1 for as long as a block lasts: a master and workers of one core each."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

START_SECONDS = 90
QUICK_JVM = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
LOST_SECONDS = 6
"""After so long without a sign the master takes a worker for lost."""

APP_CONF = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.extraJavaOptions": QUICK_JVM,
    "spark.driver.host": "127.0.0.1",
    "spark.executor.cores": "1",
    "spark.executor.extraJavaOptions": QUICK_JVM,
    "spark.executor.heartbeatInterval": "1s",
    "spark.executor.memory": "512m",
    "spark.network.timeout": "8s",
    "spark.network.timeoutInterval": "2s",
    "spark.shuffle.io.maxRetries": "2",
    "spark.shuffle.io.retryWait": "1s",
    "spark.storage.blockManagerHeartbeatTimeoutMs": "6000",
    "spark.ui.enabled": "false",
}
"""What an application needs so that it notices within seconds that an executor is gone."""


@dataclass(frozen=True)
class Daemon:
    """A master or a worker, the leader of a process session that all its children stay in."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def members(self) -> dict[int, str]:
        """The command lines of the daemon and all that came from it, executors and their Pythons too, by pid."""
        found = {}
        for process in Path("/proc").iterdir():
            try:
                state, _, _, session = (process / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(session) == self.pid and state != "Z":
                    found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
            except (OSError, ValueError, IndexError):  # no process, or one that has just ended
                continue
        return found

    def executors(self) -> list[int]:
        """The pids of a worker's executor JVMs."""
        return [pid for pid, command in self.members().items() if "CoarseGrainedExecutorBackend" in command]

    def kill(self, pids: Sequence[int] | None = None) -> None:
        """SIGKILL for the pids, or for the whole of it: a machine that is lost."""
        for pid in self.members() if pids is None else pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def end(self) -> None:
        """Leaves no process behind; children may be born while the others are killed."""
        while self.members():
            self.kill()
            self.process.poll()
            time.sleep(0.05)
        self.process.wait()


@dataclass(frozen=True)
class Cluster:
    """Where a cluster is, and its processes."""

    url: str
    state_url: str
    master: Daemon
    workers: tuple[Daemon, ...]

    @cached_property
    def settings(self) -> list[str]:
        """The key=value settings for an application here."""
        return [f"master={self.url}", *(f"{key}={value}" for key, value in APP_CONF.items())]

    def alive(self) -> int:
        """How many workers the master counts on."""
        with urllib.request.urlopen(self.state_url, timeout=5) as answer:
            return sum(worker["state"] == "ALIVE" for worker in json.load(answer)["workers"])


@contextmanager
def cluster(
    folder: Path,
    n_workers: int = 2,
    *,
    python: str | Path = sys.executable,
    environments: Mapping[int, Mapping[str, str]] | None = None,
) -> Iterator[Cluster]:
    """The cluster of the pyspark that `python` has, its logs and work folders in `folder`; every worker's executors
    get WORKER=number and what `environments` has for the number."""
    ask = [str(python), "-c", "import pyspark; print(pyspark.__path__[0])"]
    home = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    port, ui = _free_ports(2)
    url = f"spark://127.0.0.1:{port}"
    with ExitStack() as stack:
        arguments = ["master.Master", "--port", port, "--webui-port", ui]
        master = _started(stack, home, folder / "master", "127.0.0.1", arguments, {})
        workers = tuple(
            _started(
                stack,
                home,
                folder / f"worker-{number}",
                f"127.0.0.{number + 1}",  # to Spark a host of its own: it puts no second try of a task on the same one
                ["worker.Worker", "--cores", 1, "--memory", "640m", "--webui-port", 0, url],
                {"WORKER": str(number), "PYSPARK_PYTHON": str(python)} | dict((environments or {}).get(number, {})),
            )
            for number in range(n_workers)
        )
        found = Cluster(url, f"http://127.0.0.1:{ui}/json/", master, workers)
        _wait_for(found)
        yield found


def _started(
    stack: ExitStack,
    home: str,
    folder: Path,
    address: str,
    arguments: Sequence[str | int],
    environment: Mapping[str, str],
) -> Daemon:
    folder.mkdir(parents=True)
    name, *options = map(str, arguments)
    command = [f"{home}/bin/spark-class", f"org.apache.spark.deploy.{name}", "--host", address, *options]
    more = {
        "SPARK_HOME": home,
        "SPARK_LOCAL_IP": address,
        "SPARK_WORKER_DIR": str(folder / "work"),
        "SPARK_LOCAL_DIRS": str(folder / "local"),
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_DAEMON_JAVA_OPTS": f"{QUICK_JVM} -Dspark.worker.timeout={LOST_SECONDS}",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=os.environ | more | environment, stdout=log, stderr=log, start_new_session=True
        )
    daemon = Daemon(process, folder)
    stack.callback(daemon.end)
    return daemon


def _wait_for(found: Cluster) -> None:
    started = time.monotonic()
    while True:
        for daemon in (found.master, *found.workers):
            assert daemon.process.poll() is None, daemon.log
            assert time.monotonic() - started < START_SECONDS, daemon.log
        try:
            if found.alive() == len(found.workers):
                return
        except OSError:
            pass  # the master does not listen yet
        time.sleep(0.2)


def _free_ports(n: int) -> list[int]:
    with ExitStack() as stack:
        listening = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(n)]
        return [server.getsockname()[1] for server in listening]
