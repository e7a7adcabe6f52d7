"""Who may write an artifact: the holder of the newest lease, a counter that only grows.

A run that takes an artifact over makes the next lease; the run before it, should it still live, is refused at its next
commit. So an orphan that a scheduler gave up can do no harm, and which run goes on is a matter of policy alone.

    lease-000007.json    who holds it
    lease-000007.beat    a number that its holder raises while it works, then "ended"

A newcomer that does not just take over watches whether the number changes: no two clocks are compared.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from threading import Event, Thread
from typing import Literal

from corpus.errors import LeaseError
from corpus.holder import Holder
from corpus.storage import Folder

IfBuilding = Literal["take-over", "wait", "refuse"]
ENDED = b"ended"
WAITING = "waiting: "
"""What a line begins with that tells of another run."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a run does about another one that is alive and builds what it is to build.

    Silence is longer than four signs of life: one may be late on a busy machine, or lost with a request.
    """

    if_building: IfBuilding = "take-over"
    beat_seconds: float = 10.0
    silence_seconds: float = 45.0
    look_seconds: float = 1.0
    tell_seconds: float = 30.0


@dataclass(frozen=True)
class Lease:
    """The `number`-th right to write into the folder's artifact."""

    folder: Folder
    number: int

    @staticmethod
    def take(folder: Folder) -> "Lease":
        """The newest lease, taken now; whoever held one before is refused from now on. It shows no signs of life."""
        return _taken(folder, folder.url, Policy(), lambda _: None)

    def check(self) -> None:
        """LeaseError when a newer lease exists."""
        if self.folder.found(_name(self.number + 1)) is not None:
            raise LeaseError(
                f"another run has taken over {self.folder.url}; this one stops here and has lost nothing: "
                f"what it committed is kept and used by the other"
            )


@contextmanager
def held(folder: Folder, what: str, policy: Policy, told: Callable[[str], None]) -> Iterator[Lease]:
    """The newest lease of `what`, with signs of life for as long as the block lasts.

    Where another run that is alive has it, the policy decides: LeaseError, or waiting, of which `told` tells. An
    earlier try of this very task is taken over under every policy.
    """
    lease = _taken(folder, what, policy, told)
    process, end = os.getpid(), Event()
    thread = Thread(target=_beat, args=(lease, policy.beat_seconds, end), name="signs of life", daemon=True)
    thread.start()
    try:
        yield lease
    except Exception:
        lease.check()  # a newer run sweeps away what this one is writing: that is told, not what came of it
        raise
    finally:
        if os.getpid() == process:  # a forked child that leaves the block ends nothing
            end.set()
            thread.join()
            _sign(lease, ENDED)


def _beat(lease: Lease, seconds: float, end: Event) -> None:
    for number in count(1):
        _sign(lease, str(number).encode())
        if end.wait(seconds):
            return


def _sign(lease: Lease, sign: bytes) -> None:
    # what cannot be written shows as silence; whatever else is written there will say why
    with suppress(Exception):
        lease.folder.mark(_name(lease.number, "beat"), sign)


def _taken(folder: Folder, what: str, policy: Policy, told: Callable[[str], None]) -> Lease:
    me = Holder.here()
    number = 0
    while True:
        while folder.found(_name(number + 1)) is not None:
            number += 1
        if number and policy.if_building != "take-over":
            _until_free(Lease(folder, number), me, what, policy, told)
        # a store whose answer was lost is asked again, and then finds what it has created
        if folder.create(_name(number + 1), me.to_json()) or folder.found(_name(number + 1)) == me.to_json():
            return Lease(folder, number + 1)


def _until_free(lease: Lease, me: Holder, what: str, policy: Policy, told: Callable[[str], None]) -> None:
    """Returns when the lease's holder is not at work, or has been taken over by another."""
    holder = Holder.from_json(lease.folder.read(_name(lease.number)))
    if holder.same_task(me):
        return
    url = lease.folder.url.removesuffix("/run")
    before, quiet = _last_sign(lease), -1
    for look in count():
        sign, life = _last_sign(lease), holder.life(me)
        if sign == ENDED or life == "ended" or lease.folder.found(_name(lease.number + 1)) is not None:
            return
        alive = sign != before or life == "running"
        if alive and policy.if_building == "refuse":
            raise LeaseError(
                f"another run builds {what} at {url}: {holder}. Wait for it (--if-building wait does), end it, or take "
                f"the artifact over with --if-building take-over"
            )
        if look % max(1, round(policy.tell_seconds / policy.look_seconds)) == 0:
            told(f"{WAITING}{what} at {url} is held by {holder}")
        # looks are counted, not seconds: a store that fails for a minute silences the holder and holds up the looks
        before, quiet = sign, 0 if alive else quiet + 1
        if quiet * policy.look_seconds >= policy.silence_seconds:
            return
        time.sleep(policy.look_seconds)


def _last_sign(lease: Lease) -> bytes | None:
    return lease.folder.found(_name(lease.number, "beat"))


def _name(number: int, ending: str = "json") -> str:
    return f"lease-{number:06d}.{ending}"
