"""Processes that share a run on this machine, as torchrun would start them."""

import os
import signal
import socket
import traceback
from collections.abc import Callable, Sequence


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def start_ranks(world: int, work: Callable[[], object]) -> list[int]:
    """Forked children, each with the environment of its rank, that do the work and end; their ids, by rank."""
    port, children = free_port(), []
    for rank in range(world):
        child = os.fork()
        if child == 0:
            said = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world,
                    "GROUP_RANK": 0, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}  # fmt: skip
            os.environ |= {name: str(value) for name, value in said.items()}
            os.environ |= {"TORCHELASTIC_RUN_ID": "test", "TORCHELASTIC_USE_AGENT_STORE": "False"}
            try:
                work()
                os._exit(0)
            except BaseException:  # the parent's pytest must not go on in the child
                traceback.print_exc()
                os._exit(1)
        children.append(child)
    return children


def ended(children: Sequence[int]) -> list[int]:
    """Their exit codes."""
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def run_ranks(world: int, work: Callable[[], object]) -> None:
    """Does the work on so many ranks; all must end well."""
    assert ended(start_ranks(world, work)) == [0] * world


def kill(children: Sequence[int]) -> None:
    for child in children:
        os.kill(child, signal.SIGKILL)
