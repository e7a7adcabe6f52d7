"""Tables of names: every name is found, nothing else is, and kernels hash as Python does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from corpus.html.lookup import ABSENT, FNV_OFFSET, Table, find, fnv1a, step, table
from corpus.html.tags import ATTRIBUTES, ELEMENTS, NUMBER


@njit
def found(among: Table, name: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> int:
    value = FNV_OFFSET
    for byte in name:
        value = step(value, byte)
    return find(among, value)


def look_up(among: Table, name: bytes) -> int:
    return int(found(among, np.frombuffer(name, np.uint8)))


@pytest.mark.parametrize(("name", "value"), [(b"", 0x811C9DC5), (b"a", 0xE40C292C), (b"foobar", 0xBF9CF968)])
def test_fnv1a_as_published(name: bytes, value: int) -> None:
    """The test vectors of the draft (appendix C)."""
    assert fnv1a(name) == value


@given(st.sets(st.binary(min_size=1, max_size=12), max_size=40), st.binary(min_size=1, max_size=12))
def test_names_are_found_and_no_others(names: set[bytes], other: bytes) -> None:
    numbers = {name: number for number, name in enumerate(sorted(names))}
    made = table(numbers)
    assert np.count_nonzero(made[0]) * 2 <= made.shape[1], "at most half full: a search ends"
    assert {name: look_up(made, name) for name in names} == numbers
    assert other in names or look_up(made, other) == ABSENT


def test_two_names_of_one_hash_are_refused() -> None:
    first, second = b"costarring", b"liquid"  # a published collision of FNV-1a, 32 bits
    assert fnv1a(first) == fnv1a(second)
    with pytest.raises(AssertionError, match="collides"):
        table({first: 1, second: 2})


def test_elements_and_attributes_are_found() -> None:
    assert {name: look_up(ELEMENTS, name.encode()) for name in NUMBER if name} == {
        name: number for name, number in NUMBER.items() if name
    }
    assert look_up(ELEMENTS, b"blink") == look_up(ATTRIBUTES, b"href") == ABSENT
    assert look_up(ATTRIBUTES, b"class") == 0
