"""A clock that charges CPU seconds to labels: each moment to one label, children that were forked included."""

import mmap
import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
_CHILDREN = 0  # the slot that sums what children charged themselves


class CpuClock:
    """CPU seconds of this process, by label. The first label runs from the start of the process.

    A forked child goes on charging the label it is forked under. What a child did not charge itself (its end, or all of
    it when another program runs there) falls to the label under which its parent waits for it.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._slots = {label: at for at, label in enumerate(labels, start=1)}
        self._spent = memoryview(mmap.mmap(-1, 8 * (len(labels) + 1))).cast("d")
        self._current, self._last, self._is_child = labels[0], 0.0, False
        os.register_at_fork(after_in_child=self._restart)

    def switch(self, label: str) -> str:
        """Charges from now on to `label`; the label so far."""
        now = self._now()
        self._spent[self._slots[self._current]] += now - self._last
        if self._is_child:
            self._spent[_CHILDREN] += now - self._last
        before, self._current, self._last = self._current, label, now
        return before

    @contextmanager
    def at(self, label: str) -> Iterator[None]:
        """Charges to `label` inside."""
        before = self.switch(label)
        try:
            yield
        finally:
            self.switch(before)

    def call(self, label: str, function: Callable[..., T], *arguments: Any) -> T:
        """What the function gives; its work is charged to `label`."""
        with self.at(label):
            return function(*arguments)

    def each(self, label: str, items: Iterable[T]) -> Iterator[T]:
        """The items; what making them takes is charged to `label`, what is done with them is not."""
        iterator = iter(items)
        while True:
            with self.at(label):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def seconds(self) -> dict[str, float]:
        """What every label was charged so far."""
        self.switch(self._current)
        return {label: self._spent[at] for label, at in self._slots.items()}

    def _now(self) -> float:
        if self._is_child:
            return time.process_time()
        waited_for = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + waited_for.ru_utime + waited_for.ru_stime - self._spent[_CHILDREN]

    def _restart(self) -> None:
        self._is_child, self._last = True, time.process_time()
