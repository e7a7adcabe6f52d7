"""A plan: a small expression of stages. It says what is made; an engine only schedules it.

    Read(name, schema)              a named input: raw splits, or the kept documents of an artifact
    Map(source, stage)              a stage, batch by batch
    Reduce(source, key, ...)        first, sum or count per key
    Group(source, stage)            what Reduce cannot say, with whole keys in memory
    Components(edges)               the smallest id of each row's component
    Union(parts)                    rows of several plans with the same columns
    Attach(source, verdicts)        columns that come home to the documents by (shard, row)

Plans are data: they can be printed, compared and checked without running. Limits: Group gives its stage whole keys in
memory; what else is held in memory is the engine's affair.
"""

import hashlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

import pyarrow as pa

from corpus.errors import SchemaError
from corpus.schema import joined, without
from corpus.stage import GroupStage, Stage, written

OURS = ("corpus", "tokenizer", "training", "pipelines")
How = Literal["first", "sum", "count"]


@dataclass(frozen=True)
class Read:
    """A named input and the columns it has."""

    name: str
    schema: pa.Schema


@dataclass(frozen=True)
class Map:
    """The stage over every batch of the source; rows keep their order."""

    source: "Plan"
    stage: Stage


@dataclass(frozen=True)
class Reduce:
    """One row per key, in key order within `buckets` buckets: `key` and, for every (output, how, input) of `take`, that
    column. Rows of a key are ordered by `order`, "first" takes from the first of them. With `spread`, every row of the
    source instead, with the outputs added (a window), in (key, order)."""

    source: "Plan"
    key: str
    take: tuple[tuple[str, How, str], ...]
    order: tuple[str, ...] = ("id",)
    spread: bool = False
    buckets: int = 16


@dataclass(frozen=True)
class Group:
    """The stage over whole keys, bucket by bucket."""

    source: "Plan"
    stage: GroupStage
    buckets: int = 16


@dataclass(frozen=True)
class Components:
    """The rows of `edges` (id, shard, row, first), one per document, with `first` the smallest id of the document's
    component and `n` the number of its documents; each row is an edge between its id and its first."""

    edges: "Plan"


@dataclass(frozen=True)
class Union:
    """The rows of all parts, which have the same columns; they come in no order, and have left their shards."""

    parts: tuple["Plan", ...]


@dataclass(frozen=True)
class Attach:
    """The source with the verdicts' columns joined by (shard, row). A column that the source has already is set only
    where the verdict speaks; rows that are marked already stay as they are."""

    source: "Plan"
    verdicts: "Plan"


Plan = Read | Map | Reduce | Group | Components | Union | Attach

EDGE = pa.schema([("id", pa.string()), ("shard", pa.int32()), ("row", pa.int64()), ("first", pa.string())])
LABELLED = pa.schema([*EDGE, ("n", pa.int64())])
"""A document, the first of those that it is one with, and how many they are."""


def schema_of(plan: Plan) -> pa.Schema:  # noqa: PLR0911  one for each node
    """The columns of the plan's rows; SchemaError when its parts do not fit together."""
    match plan:
        case Read(schema=schema):
            return schema
        case Map(source, stage):
            return written(schema_of(source), stage)
        case Reduce():
            return _reduced(plan)
        case Group(source, stage):
            _need(schema_of(source), [field.name for field in stage.reads], f'group stage "{stage.name}"')
            return stage.emits
        case Components(edges):
            _need(schema_of(edges), EDGE.names, "Components")
            return LABELLED
        case Union(parts):
            return _same([schema_of(part) for part in parts])
        case Attach(source, verdicts):
            found = schema_of(verdicts)
            _need(found, ["shard", "row"], "Attach")
            if not _at_home(source):
                raise SchemaError("Attach joins verdicts to documents in their shards; its source has left them")
            return joined(schema_of(source), without(found, {"shard", "row"}))


def _same(schemas: list[pa.Schema]) -> pa.Schema:
    if not schemas:
        raise SchemaError("Union has no parts; give it one at least")
    for schema in schemas[1:]:
        if schema != schemas[0]:
            ours, theirs = (", ".join(f"{field.name}: {field.type}" for field in one) for one in (schemas[0], schema))
            raise SchemaError(f"Union puts rows of the same columns together, but its parts have {ours} and {theirs}")
    return schemas[0]


def _at_home(plan: Plan) -> bool:
    """Whether the plan's rows still lie in the shards and the order that they were read in."""
    match plan:
        case Read():
            return True
        case Map(source) | Attach(source):
            return _at_home(source)
        case _:
            return False


def _reduced(plan: Reduce) -> pa.Schema:
    schema = schema_of(plan.source)
    _need(schema, [plan.key, *plan.order, *(column for _, how, column in plan.take if how != "count")], "Reduce")
    for out, how, column in plan.take:
        if how == "sum" and not pa.types.is_integer(schema.field(column).type):
            raise SchemaError(f'Reduce sums column "{column}" to "{out}", but it is {schema.field(column).type}')
    added = pa.schema([pa.field(out, _type(schema, how, column)) for out, how, column in plan.take])
    return joined(schema if plan.spread else pa.schema([schema.field(plan.key)]), added)


def _type(schema: pa.Schema, how: How, column: str) -> pa.DataType:
    return schema.field(column).type if how == "first" else pa.int64()


def _need(schema: pa.Schema, names: list[str], who: str) -> None:
    for name in names:
        if name not in schema.names:
            raise SchemaError(f'{who} needs column "{name}"; columns here: {", ".join(schema.names)}')


def sources(plan: Plan) -> tuple[Plan, ...]:
    """The plans that this one reads."""
    match plan:
        case Read():
            return ()
        case Attach(source, verdicts):
            return (source, verdicts)
        case Components(edges):
            return (edges,)
        case Union(parts):
            return parts
        case Map(source) | Reduce(source) | Group(source):
            return (source,)


def narrow(plan: Plan) -> tuple[Plan, tuple[Map | Attach, ...]]:
    """The node that the plan's rows come from, and what they go through after it, batch by batch."""
    links: list[Map | Attach] = []
    while isinstance(plan, Map | Attach):
        links.insert(0, plan)
        plan = plan.source
    return plan, tuple(links)


def strands(plan: Plan) -> list[tuple[Plan, tuple[Map | Attach, ...]]]:
    """The nodes that the plan's rows come from, none of them a Union, each with what its rows go through after it."""
    node, links = narrow(plan)
    if not isinstance(node, Union):
        return [(node, links)]
    return [(source, (*own, *links)) for part in node.parts for source, own in strands(part)]


def title(plan: Plan) -> str:
    """What a progress line calls the work that ends in the plan's rows."""
    match plan:
        case Map(_, stage):
            return stage.name
        case Read(name):
            return name
        case _:
            return type(plan).__name__.lower()


def documents_at_home(plan: Plan) -> None:
    """Raises SchemaError unless the plan's rows are documents in their shards, which is what an engine can store."""
    if not _at_home(plan):
        raise SchemaError(f"a plan ends with documents in their shards, this one in {title(plan)}; Attach it to some")


def stages(plan: Plan) -> Iterator[Stage | GroupStage]:
    """Every stage of the plan, inputs before outputs; one that is used twice comes twice."""
    for source in sources(plan):
        yield from stages(source)
    if isinstance(plan, Map | Group):
        yield plan.stage


def inputs(plan: Plan) -> set[str]:
    """The names of what the plan reads."""
    if isinstance(plan, Read):
        return {plan.name}
    return set().union(*map(inputs, sources(plan)))


def described(plan: Plan) -> dict[str, Any]:  # noqa: PLR0911  one for each node
    """The plan as plain data, the same in every process: what enters a fingerprint."""
    match plan:
        case Read(name, schema):
            return {"read": name, "columns": {field.name: str(field.type) for field in schema}}
        case Map(source, stage):
            return {"map": stage_identity(stage), "source": described(source)}
        case Group(source, stage, buckets):
            return {"group": stage_identity(stage), "buckets": buckets, "source": described(source)}
        case Reduce(source, key, take, order, spread, buckets):
            how = {"key": key, "take": [list(t) for t in take], "order": list(order), "spread": spread}
            return {"reduce": how, "buckets": buckets, "source": described(source)}
        case Components(edges):
            return {"components": described(edges)}
        case Union(parts):
            return {"union": [described(part) for part in parts]}
        case Attach(source, verdicts):
            return {"attach": described(verdicts), "source": described(source)}


def stage_identity(stage: Stage | GroupStage) -> dict[str, Any]:
    """A stage's name, its class, version and configuration, and the sha256 of every file it loads."""
    resources = {r.name: r.sha256 for r in getattr(stage, "resources", ())}
    return {"stage": stage.name, "fields": plain(stage), **({"resources": resources} if resources else {})}


def plain(value: Any) -> Any:
    """A configuration value as JSON data; TypeError for what is not the same in every process."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case tuple() | list():
            return [plain(item) for item in value]
        case frozenset() | set():
            return sorted(plain(item) for item in value)
        case Mapping():
            return {str(key): plain(item) for key, item in sorted(value.items())}
    if is_dataclass(value) and not isinstance(value, type):
        kind = {"class": f"{type(value).__module__}:{type(value).__qualname__}"}
        kind |= {"version": value.version} if hasattr(value, "version") else {}
        kind |= _source(type(value).__module__)
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)} | kind
    raise TypeError(f"{value!r} cannot be part of a recipe: it is not the same in every process")


def _source(module: str) -> dict[str, str]:
    """A hash of a user's own module, whose authors need not raise a version; ours do."""
    if module.partition(".")[0] in OURS:
        return {}
    return {"source": hashlib.sha256(inspect.getsource(sys.modules[module]).encode()).hexdigest()}


def explain(plan: Plan) -> str:
    """The plan as indented lines, the last step first; what is read a second time is told once."""
    return "\n".join(_explained(plan, 0, set()))


def _explained(plan: Plan, depth: int, told: set[str]) -> Iterator[str]:
    here = str(described(plan))
    again = here in told and not isinstance(plan, Read)
    told.add(here)
    yield "  " * depth + _head(plan) + ("  (as above)" if again else "")
    if not again:
        for source in reversed(sources(plan)):
            yield from _explained(source, depth + 1, told)


def _head(plan: Plan) -> str:  # noqa: PLR0911  one for each node
    match plan:
        case Read(name):
            return f"read {name}"
        case Map(_, stage):
            return f"map {stage.name}" + (f"  may drop: {', '.join(sorted(stage.reasons))}" if stage.reasons else "")
        case Group(_, stage):
            return f"group {stage.name} by {stage.key}"
        case Reduce(_, key, take):
            return f"reduce by {key}: {', '.join(f'{out} = {how}({column})' for out, how, column in take)}"
        case Components():
            return "components"
        case Union(parts):
            return f"union of {len(parts)}"
        case Attach():
            return "attach verdicts"
