"""Asking a store again that throttles or hangs up, for a while.

What its client asks again by itself (botocore and s3fs do for 503, 500, time-outs and lost connections; others do not)
is not multiplied: the bound here is a time, and a client that tried longer than that is not called again.

A request that was carried out and whose answer was lost is made twice, too. That is harmless for reads and for writes
of whole objects; one that only creates may then find its own object there.
"""

import errno
import random
import time
from collections.abc import Callable
from itertools import count
from typing import TypeVar

from corpus.errors import MillstreamError

PATIENCE_SECONDS = 60.0
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.1, 8.0
"""Waits double between these and are cut by chance, so that many workers do not come back at once."""

ANSWERS = (FileNotFoundError, FileExistsError, PermissionError, MillstreamError, ValueError, TypeError)
REFUSED = frozenset({errno.EINVAL, errno.ENOSYS})

T = TypeVar("T")


def patiently(url: str, call: Callable[[], T]) -> T:
    """What the call gives, tried again while the store fails; MillstreamError once it has failed for too long. Errors
    that are answers ("no such object") pass."""
    started = time.monotonic()
    for attempt in count():
        try:
            return call()
        except ANSWERS:
            raise
        except Exception as error:  # every client has a tree of its own
            if getattr(error, "errno", None) in REFUSED:
                raise
            seconds = time.monotonic() - started
            if seconds > PATIENCE_SECONDS:
                raise MillstreamError(
                    f"{url}: the store failed {attempt + 1} times in {seconds:.0f} seconds, the last time with "
                    f"{type(error).__name__}: {error}. Nothing half-written is left; see to the store, or run with "
                    f"fewer --workers if it throttles, then run again: finished work is kept"
                ) from error
        longest = min(FIRST_WAIT_SECONDS * 2**attempt, LONGEST_WAIT_SECONDS)
        time.sleep(random.uniform(0, longest))  # noqa: S311  (when, not what)
    raise AssertionError("count() has no end")
