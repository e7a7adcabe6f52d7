"""Small hash tables that kernels can read: names to numbers, by FNV-1a of their bytes.

Two names with one hash of 32 bits would be taken for each other; no two names in the tables here have one
(`table` sees to it), and a page that makes up a name to collide gains another element's treatment, nothing else.
"""

from collections.abc import Mapping

import numpy as np
from numba import njit
from numpy.typing import NDArray

FNV_OFFSET = np.uint32(2166136261)
FNV_PRIME = np.uint32(16777619)
"""FNV-1a, 32 bits (Fowler, Noll, Vo: draft-eastlake-fnv)."""
ABSENT = -1

Table = NDArray[np.uint32]
"""Shape (2, 2^k): hashes (0 where nothing stands), and the numbers that belong to them."""


def fnv1a(name: bytes) -> int:
    """The hash that kernels compute byte by byte with `step`."""
    value = int(FNV_OFFSET)
    for byte in name:
        value = (value ^ byte) * int(FNV_PRIME) & 0xFFFFFFFF
    return value


def table(numbers: Mapping[bytes, int]) -> Table:
    """The table of these names, at most half full."""
    size = 1 << (2 * max(len(numbers), 1)).bit_length()
    made = np.zeros((2, size), np.uint32)
    for name, number in numbers.items():
        value = fnv1a(name)
        place = value & (size - 1)
        while made[0, place]:
            assert made[0, place] != value, f"{name!r} collides"
            place = (place + 1) & (size - 1)
        made[0, place], made[1, place] = value, number
    return made


@njit(cache=True, nogil=True, inline="always")
def step(value, byte):  # type: ignore[no-untyped-def]
    """The hash of what came so far and one byte more."""
    return np.uint32((value ^ np.uint32(byte)) * FNV_PRIME)


@njit(cache=True, nogil=True)
def find(among, value):  # type: ignore[no-untyped-def]
    """The number of the name with this hash, or ABSENT."""
    mask = np.uint32(among.shape[1] - 1)
    place = value & mask
    while among[0, place] != 0:
        if among[0, place] == value:
            return np.int32(among[1, place])
        place = (place + np.uint32(1)) & mask
    return np.int32(ABSENT)
