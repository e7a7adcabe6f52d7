"""Who may write an artifact: the holder of the newest lease, a counter that only grows.

A run that takes an artifact over makes the next lease; the run before it, should it still live, is refused at its next
commit. So an orphan that a scheduler gave up can do no harm.
"""

import os
import socket
from dataclasses import dataclass

from corpus.canonical import canonical_json
from corpus.errors import LeaseError
from corpus.storage import Folder


@dataclass(frozen=True)
class Lease:
    """The `number`-th right to write into the folder's artifact."""

    folder: Folder
    number: int

    @staticmethod
    def take(folder: Folder) -> "Lease":
        """The newest lease, taken now; whoever held one before is refused from now on."""
        holder = canonical_json({"host": socket.gethostname(), "pid": os.getpid()})
        number = 1
        while folder.found(_name(number)) is not None or not folder.create(_name(number), holder):
            number += 1
        return Lease(folder, number)

    def check(self) -> None:
        """LeaseError when a newer lease exists."""
        if self.folder.found(_name(self.number + 1)) is not None:
            raise LeaseError(
                f"another run has taken over {self.folder.url}; this one stops here and has lost nothing: "
                f"what it committed is kept and used by the other"
            )


def _name(number: int) -> str:
    return f"lease-{number:06d}.json"
