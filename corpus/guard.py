"""A forked child around stages that untrusted pages can crash or hang.

The child inherits the batch and the opened stages, works, and leaves its result in shared memory; the parent only
waits. A stage tells through `watched` which row it is at. When a child dies, the row it was at is tried alone: if it
kills two children in a row it is dropped as `extractor_crash`, otherwise the death came from outside and the batch is
simply done again. Time is the child's CPU time, never the wall clock's, so that a busy machine changes no result; a
child that neither works nor ends is given up after `IDLE_SECONDS`.
"""

import ctypes
import mmap
import os
import resource
import select
import signal
import struct
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from corpus import errors
from corpus.errors import MillstreamError
from corpus.schema import align, mark

ROW_CPU_SECONDS = 20.0
"""One page; the slowest of 3,500 real ones takes 0.5 s."""
BATCH_CPU_SECONDS_A_ROW = 1.0
"""Added for every row while a stage does not say where it is."""
IDLE_SECONDS = 300.0
MEMORY_BYTES = 2 * 2**30
"""What a child may allocate beyond what it inherits; pages are at most 10 MiB."""

T = TypeVar("T")
_NOWHERE = -1
_place: mmap.mmap | None = None


def watched(rows: Iterable[T]) -> Iterator[T]:
    """The rows, one by one; inside a guard it publishes the number of the row at hand (about a microsecond each)."""
    for number, row in enumerate(rows):
        if _place is not None:
            struct.pack_into("q", _place, 0, number)
        yield row
    if _place is not None:  # what follows is the batch's work, not the last row's
        struct.pack_into("q", _place, 0, _NOWHERE)


@dataclass(frozen=True)
class Death:
    """How a child ended, and the row it had published, or None."""

    how: str
    row: int | None


Step = Callable[[pa.RecordBatch], Iterator[pa.RecordBatch]]


def guard(step: Step, schema: pa.Schema) -> Step:
    """The step, run in a forked child; rows that kill the child alone, twice, come back marked."""

    def guarded(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        live = np.flatnonzero(pc.is_null(batch.column("drop_reason")))  # marked rows have no part in it
        killers: dict[int, str] = {}
        n_blameless = 0
        while n_blameless < 2:
            rows = [int(row) for row in live if row not in killers]
            result = _in_child(step, _taken(batch, rows), schema)
            if isinstance(result, pa.Table):
                return _whole([result], batch, rows, killers, schema)
            suspect = None if result.row is None else rows[result.row]
            alone = None if suspect is None else _alone(step, batch.slice(suspect, 1), schema)
            if suspect is not None and isinstance(alone, Death):
                killers[suspect] = alone.how
            else:
                n_blameless += 1
        singles = {row: _alone(step, batch.slice(row, 1), schema) for row in rows}
        killers |= {row: result.how for row, result in singles.items() if isinstance(result, Death)}
        alive = {row: result for row, result in singles.items() if isinstance(result, pa.Table)}
        return _whole(list(alive.values()), batch, list(alive), killers, schema)

    return guarded


def _taken(batch: pa.RecordBatch, rows: list[int]) -> pa.RecordBatch:
    return batch if len(rows) == batch.num_rows else batch.take(pa.array(rows, pa.int64()))


def _whole(
    results: list[pa.Table], batch: pa.RecordBatch, done: list[int], killers: dict[int, str], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """What the children made of the rows that are done, with the rest of the batch in its places."""
    table = pa.concat_tables([schema.empty_table(), *results])
    if len(done) < batch.num_rows:
        lost = sorted(killers)
        crashed = mark(_taken(batch, lost), "guard", ["extractor_crash"] * len(lost), [killers[row] for row in lost])
        past = _taken(batch, sorted(set(range(batch.num_rows)) - set(done) - set(lost)))
        rest = [pa.Table.from_batches([align(part, schema)]) for part in (crashed, past) if part.num_rows]
        table = pa.concat_tables([table, *rest]).sort_by([("shard", "ascending"), ("row", "ascending")])
    return iter(table.combine_chunks().to_batches())


def _alone(step: Step, row: pa.RecordBatch, schema: pa.Schema) -> pa.Table | Death:
    """What becomes of one row in a child of its own, or in a second child when the first one died."""
    result = _in_child(step, row, schema)
    return _in_child(step, row, schema) if isinstance(result, Death) else result


def _in_child(step: Step, batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table | Death:
    """The step's batches as one table, or how the child that worked on them died."""
    place = mmap.mmap(-1, 8)
    struct.pack_into("q", place, 0, _NOWHERE)
    shared = os.memfd_create("millstream-guard")
    parent = os.getpid()
    try:
        with warnings.catch_warnings():  # 3.12+ warns of forks beside threads; Arrow's are idle and unused in the child
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            _child(step, batch, schema, place, shared, parent)
        how = _awaited(pid, place, batch.num_rows)
        if how is None and os.fstat(shared).st_size:
            return _received(shared, schema)
        (row,) = struct.unpack_from("q", place, 0)
        return Death(how or "ended itself without a result", row if 0 <= row < batch.num_rows else None)
    finally:
        os.close(shared)
        place.close()


def _received(shared: int, schema: pa.Schema) -> pa.Table:
    with pa.memory_map(f"/proc/self/fd/{shared}") as source, pa.ipc.open_stream(source) as reader:
        first = reader.read_next_batch()
        if first.schema.equals(_FAILURE):  # an error for the user, not a death: it goes on as it was raised
            kind, message = first.to_pylist()[0].values()
            raise getattr(errors, kind)(message)
        return pa.Table.from_batches([first, *reader], schema=schema)


_FAILURE = pa.schema([pa.field("millstream_error", pa.string()), pa.field("message", pa.string())])


def _failure(error: MillstreamError) -> pa.RecordBatch:
    kind = next(kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
    return pa.RecordBatch.from_pylist([dict(zip(_FAILURE.names, (kind.__name__, str(error)), strict=True))], _FAILURE)


def _child(step: Step, batch: pa.RecordBatch, schema: pa.Schema, place: mmap.mmap, shared: int, parent: int) -> None:
    """Works and never returns."""
    global _place  # noqa: PLW0603  the child's own memory: nobody else sees it
    _place = place
    code = 70
    try:
        die_with(parent)
        _limit_memory()
        try:
            parts = [*step(batch)] or [
                pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)
            ]
        except MillstreamError as error:
            schema, parts = _FAILURE, [_failure(error)]
        with os.fdopen(os.dup(shared), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            for part in parts:
                writer.write_batch(part)
        code = 0
    except MemoryError:
        code = 71
    finally:
        os._exit(code)


def die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, linux/prctl.h
    if os.getppid() != parent:  # it died before that call
        os._exit(70)


def _limit_memory() -> None:
    status = Path("/proc/self/status").read_text()
    in_use = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData:"))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is expected here, and a core file has gigabytes
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = in_use + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _awaited(pid: int, place: mmap.mmap, n_rows: int) -> str | None:
    """None when the child ended well; otherwise how it died, killed by us if it hung."""
    descriptor = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    row, cpu_then, busy_at, cpu_last, why = _NOWHERE, 0.0, time.monotonic(), 0.0, ""
    try:
        while not poll.poll(250):
            (now_at,) = struct.unpack_from("q", place, 0)
            cpu = _cpu_seconds(pid)
            if cpu > cpu_last:
                busy_at, cpu_last = time.monotonic(), cpu
            if now_at != row:
                row, cpu_then = now_at, cpu
            bound = ROW_CPU_SECONDS + (n_rows * BATCH_CPU_SECONDS_A_ROW if row == _NOWHERE else 0)
            if cpu - cpu_then > bound:
                why = f"more than {bound:.0f} CPU seconds in one row"
            elif time.monotonic() - busy_at > IDLE_SECONDS:
                why = f"did nothing for {IDLE_SECONDS:.0f} seconds"
            if why:
                os.kill(pid, signal.SIGKILL)
                break
        _, status = os.waitpid(pid, 0)
    except BaseException:  # we are interrupted: nobody waits for the child any more
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    finally:
        os.close(descriptor)
    return why or _told(os.waitstatus_to_exitcode(status))


def _told(code: int) -> str | None:
    if code == 0:
        return None
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return "out of memory" if code == 71 else f"ended with code {code}"


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process so far; proc(5), fields 14 and 15 of stat."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
