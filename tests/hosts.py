"""Two hosts on this one machine, each with a network card, a name and processes of its own, joined by a cable.

They are Linux namespaces. Files are shared, as on a cluster's common file system; nothing else is, and the cable is the
only way out. The first process of a host reads from a pipe that this process holds, so that no host outlives it.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ADDRESSES = {"alpha": "10.77.0.1", "beta": "10.77.0.2"}
COMMANDS = ("ip", "unshare", "nsenter", "mount", "hostname")
NAMESPACES = ("--net", "--uts", "--mount", "--pid", "--mount-proc")
BOOT = 'hostname "$1" && mount --bind "$2" /etc/hosts && echo $$ && exec cat'


@dataclass(frozen=True)
class Host:
    """A host that runs; `first_process` is what its process 1 is called outside."""

    name: str
    address: str
    first_process: int
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(
        self, command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """The command on this host, in the current folder; what it says is added to the log."""
        with log.open("ab") as file:
            process = subprocess.Popen(
                [*self._on_it(), f"--wd={Path.cwd()}", *map(str, command)],
                env=os.environ | (env or {}), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.started.append(process)
        return process

    def do(self, *command: str) -> str:
        """What a command says, at its end; CalledProcessError where it fails."""
        return subprocess.run([*self._on_it(), *command], check=True, stdout=subprocess.PIPE, text=True).stdout

    def kill(self) -> None:
        """SIGKILL for every process at once; the kernel stays, and closes their connections."""
        self.do("sh", "-c", "kill -9 -1")
        for process in self.started:
            process.wait()

    def lose_power(self) -> None:
        """SIGKILL for every process, and no connection is closed: nobody is told."""
        self.do("ip", "link", "set", "eth0", "down")
        self.kill()

    def boot(self) -> None:
        """Back on the cable, after a power cut."""
        self.do("ip", "link", "set", "eth0", "up")

    def _on_it(self) -> list[str]:
        return ["nsenter", f"--target={self.first_process}", "--all"]


@contextmanager
def two_hosts(folder: Path) -> Iterator[tuple[Host, Host]]:
    """alpha and beta, who know each other by name; the test is skipped where this machine cannot make them."""
    if reason := hindrance():
        pytest.skip(f"no hosts can be made here: {reason}")
    known = folder / "hosts"
    known.write_text("127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in ADDRESSES.items()))
    with ExitStack() as stack:
        alpha, beta = (stack.enter_context(_host(name, address, known)) for name, address in ADDRESSES.items())
        one, other = (f"eth0 netns {host.first_process}" for host in (alpha, beta))
        subprocess.run(f"ip link add {one} type veth peer {other}".split(), check=True)
        for host in (alpha, beta):
            host.do("ip", "address", "add", f"{host.address}/24", "dev", "eth0")
            host.do("ip", "link", "set", "lo", "up")
            host.do("ip", "link", "set", "eth0", "up")
        yield alpha, beta


@contextmanager
def _host(name: str, address: str, known: Path) -> Iterator[Host]:
    boot = ["unshare", *NAMESPACES, "--fork", "--kill-child", "sh", "-c", BOOT, "sh", name, str(known)]
    with subprocess.Popen(boot, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as outside:
        assert outside.stdout is not None
        assert outside.stdout.readline() == b"1\n"
        (child,) = Path(f"/proc/{outside.pid}/task/{outside.pid}/children").read_text().split()
        host = Host(name, address, int(child))
        try:
            yield host
        finally:
            outside.kill()
            for process in host.started:
                process.wait()


def hindrance() -> str | None:
    """What this machine lacks, None if nothing."""
    if absent := [command for command in COMMANDS if shutil.which(command) is None]:
        return f"{', '.join(absent)} not installed"
    if os.geteuid() != 0:
        return "only root may make namespaces"
    trial = ["unshare", *NAMESPACES, "--fork", "sh", "-c", "hostname trial && ip link add one type veth peer other"]
    return subprocess.run(trial, capture_output=True, text=True, check=False).stderr.strip() or None
