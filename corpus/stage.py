"""A stage is a pure function from an Arrow record batch to Arrow record batches; `fuse` makes many of them one pass.

Filters mark, the writer splits: a stage never removes a row for a reason, it sets `drop_reason`, and `fuse` carries
marked rows past the stages that follow, so that every row that was read can be counted at the end.
"""

import re
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, reduce
from itertools import chain, groupby
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.errors import DataError, MillstreamError, SchemaError
from corpus.guard import guard
from corpus.schema import FAULTS, align, mark, without

Opened = Callable[[pa.RecordBatch], Iterator[pa.RecordBatch]]


class Stage(Protocol):
    """A frozen dataclass: its fields are its configuration and, with `version`, its identity."""

    @property
    def name(self) -> str:
        """Stands in `dropped_by` and in the report."""

    @property
    def version(self) -> int:
        """Raised when the stage's output changes."""

    @property
    def reads(self) -> pa.Schema:
        """Columns that must be there."""

    @property
    def writes(self) -> pa.Schema:
        """Columns that it sets or adds."""

    @property
    def drops(self) -> frozenset[str]:
        """Columns that it consumes."""

    @property
    def reasons(self) -> frozenset[str]:
        """Every word it may put into `drop_reason`."""

    @property
    def rows(self) -> Literal["same", "many", "project"]:
        """Filters keep the row count; readers and copiers multiply it; a projection yields rows of exactly `writes`
        (the keys of a document, say) and marked rows end there."""

    @property
    def guarded(self) -> bool:
        """True when an input can crash or hang it: it then runs in a forked child (corpus/guard.py)."""

    def open(self) -> Opened:
        """Once per worker: compile, load a model. The function gets only rows that are not marked; a "same" stage
        yields exactly one batch with the same rows in the same order; a "many" stage yields bounded batches."""


class GroupStage(Protocol):
    """Gets the whole keys of a bucket in one table, sorted by (key, id)."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def key(self) -> str: ...
    @property
    def reads(self) -> pa.Schema: ...
    @property
    def emits(self) -> pa.Schema: ...
    def open(self) -> Callable[[pa.Table], pa.Table]: ...


Step = Callable[[pa.RecordBatch], Iterator[pa.RecordBatch]]


def written(schema: pa.Schema, stage: Stage) -> pa.Schema:
    """The columns that leave a stage when `schema` enters it; SchemaError when one that it reads is missing."""
    for field in stage.reads:
        at = schema.get_field_index(field.name)
        if at < 0:
            raise SchemaError(
                f'stage "{stage.name}" reads column "{field.name}"; columns here: {", ".join(schema.names)}. '
                f"Add the stage that writes it before this one."
            )
        if schema.field(at).type != field.type:
            raise SchemaError(
                f'stage "{stage.name}" reads {field.name}: {field.type}, but that column is {schema.field(at).type}'
            )
    if stage.rows == "project":
        return stage.writes
    kept = without(schema, stage.drops | set(stage.writes.names))
    order = [name for name in schema.names if name not in stage.drops]
    fields = {field.name: field for field in (*kept, *stage.writes)}
    return pa.schema([fields[name] for name in (*order, *(n for n in fields if n not in order))])


def fuse(stages: Sequence[Stage], schema: pa.Schema) -> tuple[Step, pa.Schema]:
    """One pass over batches of `schema` through all stages, opened now, and the schema of what it yields.

    Neighbours among which one is guarded run together in a forked child, batch by batch.
    """
    steps: list[Step] = []
    for guarded, run in groupby(stages, key=lambda stage: stage.guarded):
        links: list[Step] = []
        for stage in run:
            after = written(schema, stage)
            links.append(_carrying(stage, after))
            schema = after
        steps.append(guard(_chained(links), schema) if guarded else _chained(links))
    return _chained(steps), schema


def _chained(steps: Sequence[Step]) -> Step:
    def chained(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        return reduce(lambda batches, step: chain.from_iterable(map(step, batches)), steps, iter((batch,)))

    return chained


def _carrying(stage: Stage, after: pa.Schema) -> Step:
    """The stage for batches that hold marked rows: those go past it and come back in their places."""
    opened = _opened(stage)  # type: ignore[arg-type]  # frozen dataclasses are hashable; a protocol cannot say so

    def step(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        marks = batch.schema.get_field_index("drop_reason")
        live = None if marks < 0 or not _any_marked(batch, marks) else pc.is_null(batch.column(marks))
        if live is None:
            yield from _attempt(stage, opened, batch, after)
        elif stage.rows == "project":
            yield from _attempt(stage, opened, batch.filter(live), after)
        else:
            past = align(batch.filter(pc.invert(live)), after)
            here = batch.filter(live)
            done = list(_attempt(stage, opened, here, after)) if here.num_rows else []
            yield from _merged([*done, past], None if stage.rows == "many" else np.asarray(live), after)

    return step


@lru_cache(maxsize=32)
def _opened(stage: Stage) -> Opened:
    """A stage is a value, and what it opens to is pure: a worker opens equal stages once."""
    return stage.open()


def _any_marked(batch: pa.RecordBatch, at: int) -> bool:
    return bool(batch.column(at).null_count < batch.num_rows)


def _merged(parts: list[pa.RecordBatch], live: np.ndarray | None, schema: pa.Schema) -> list[pa.RecordBatch]:
    """Rows that went through a stage and rows that went past it, in the order of reading."""
    table = pa.Table.from_batches(parts, schema=schema)
    if live is None:  # the stage multiplied its rows: home order is the order of reading
        table = table.sort_by([("shard", "ascending"), ("row", "ascending")])
    else:
        places = np.concatenate([np.flatnonzero(live), np.flatnonzero(~live)])
        table = table.take(np.argsort(places, kind="stable"))
    batches: list[pa.RecordBatch] = table.combine_chunks().to_batches()
    return batches


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_arrays([[]] * len(table.schema), schema=table.schema)


def _attempt(stage: Stage, opened: Opened, batch: pa.RecordBatch, after: pa.Schema) -> Iterator[pa.RecordBatch]:
    """What the stage makes of the batch; a row that raises is dropped as `stage_error` with its trace as the fault."""
    if "drop_reason" not in batch.schema.names:  # a reader: its input is a split, and there is no row to blame
        yield from (_checked(stage, align(out, after)) for out in opened(batch))
        return
    try:
        outs = [_checked(stage, align(out, after)) for out in opened(batch)]
    except (MillstreamError, MemoryError):  # the latter says nothing of the row unless a guard bounds the memory
        raise
    except Exception as error:  # nobody foresaw it: find the row, keep its trace, go on
        trace = _trace(error)
    else:
        _conserved(stage, batch, outs)
        yield from outs
        return
    if batch.num_rows > 1:
        halves = (batch.slice(0, batch.num_rows // 2), batch.slice(batch.num_rows // 2))
        outs = [out for half in halves for out in _attempt(stage, opened, half, after)]
        yield from [_one_batch(pa.Table.from_batches(outs, schema=after))] if stage.rows == "same" else outs
    elif stage.rows == "project":  # what it yields has no marks, and no document may be lost without one
        raise DataError(f'stage "{stage.name}" cannot take document {batch.column("id")[0]}: {trace}')
    else:
        yield align(mark(batch, stage.name, ["stage_error"], [trace]), after)


def _trace(error: Exception) -> str:
    """The last calls and the error, by module and line: the same wherever the project lies and in every process."""
    calls = [
        f"{frame.f_globals.get('__name__')}:{line} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    told = "".join(traceback.format_exception_only(error)).strip()
    return "\n".join([*calls[-4:], re.sub(r"\b0x[0-9a-f]{6,}\b", "0x...", told)])


def _conserved(stage: Stage, batch: pa.RecordBatch, outs: Sequence[pa.RecordBatch]) -> None:
    """DataError unless every row that went in came out, in its order: a stage drops a row by marking it."""
    if stage.rows == "project":
        return
    went, came = _row_numbers([batch]), _row_numbers(outs)
    if stage.rows == "many":  # the copies of a row stand together
        went, came = (numbers[np.flatnonzero(np.diff(numbers, prepend=-1))] for numbers in (went, came))
    if not np.array_equal(went, came):
        raise DataError(
            f'stage "{stage.name}" took {len(went)} rows and gave back {len(came)}, or others, or in another order; '
            f"a stage marks the rows that it drops and leaves none out"
        )


def _row_numbers(batches: Sequence[pa.RecordBatch]) -> np.ndarray:
    numbers = [b.column("row").to_numpy() if "row" in b.schema.names else np.zeros(b.num_rows, int) for b in batches]
    return np.concatenate(numbers) if numbers else np.zeros(0, int)


def _checked(stage: Stage, batch: pa.RecordBatch) -> pa.RecordBatch:
    at = batch.schema.get_field_index("drop_reason")
    if at >= 0 and _any_marked(batch, at):
        unknown = set(pc.unique(batch.column(at)).to_pylist()) - stage.reasons - FAULTS - {None}
        if unknown:
            raise SchemaError(f'stage "{stage.name}" used drop reasons it does not declare: {sorted(unknown)}')
    return batch
