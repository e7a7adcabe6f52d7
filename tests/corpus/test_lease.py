"""The newest lease alone may write."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from corpus.errors import LeaseError
from corpus.lease import Lease
from corpus.storage import Folder


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    return Folder(str(tmp_path) if request.param == "local" else f"memory://{uuid.uuid4()}")


def test_an_older_holder_is_refused(folder: Folder) -> None:
    first = Lease.take(folder)
    first.check()
    second = Lease.take(folder)
    with pytest.raises(LeaseError, match="another run has taken over"):
        first.check()
    second.check()
    third = Lease.take(folder)
    for old in (first, second):
        with pytest.raises(LeaseError):
            old.check()
    assert [first.number, second.number, third.number] == [1, 2, 3]


def test_no_two_hold_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        leases = list(threads.map(lambda _: Lease.take(Folder(str(tmp_path))), range(24)))
    assert sorted(lease.number for lease in leases) == list(range(1, 25))
