"""What the fork server of the pool loads once, so that no worker does.

pyarrow imports pandas at its first array, to know a Series where it meets one, and numba asks for scipy as it is
imported and before its first kernel. Where they are installed (no stage wants either) that is half a CPU second a
worker. Both libraries take "there is none" for an answer, so that is what they hear while they ask; whoever imports
pandas or scipy later gets it.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class _Absent:
    """An import finder that lets nobody find these."""

    names: tuple[str, ...]

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> None:
        if name in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Inside, importing these packages fails, unless they are loaded already."""
    finder = _Absent(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


with absent("pandas", "scipy"):
    pa.array([None])
    from corpus.text.shingles import mix64

    mix64(np.zeros((1, 1), np.uint64))  # and with the first kernel all that numba sets up, a fifth of a second
