"""A manifest and an artifact graph as a person reads them, for `millstream show` and `millstream plan`."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from corpus.manifest import Manifest
from corpus.plan import Plan, schema_of
from corpus.plan import explain as explained
from corpus.schema import MARKS, without
from pipelines.wording import printable

LISTED = 8
"""Entries of a long listing that are shown; --json has all."""
PLAN_WIDTH = 68
"""80 columns less the name and its margins."""
LONG = ("clusters", "lengths_log2", "sources", "documents", "samples")
"""Measures that are for the report: long, or said by the tally already."""


def manifest_lines(manifest: Manifest) -> Iterator[Any]:
    """What rich prints of a manifest: its head, the tally, the measures."""
    yield Text(f"{manifest.name}@{manifest.version}", "bold") + Text(f"  {manifest.kind}", "not bold")
    size = sum(file.size for shard in manifest.shards for file in shard.files.values())
    head = {
        "fingerprint": manifest.fingerprint[:16],
        "made from": "\n".join(_input(name, content) for name, content in manifest.inputs.items()),
        "recipe": "\n".join(f"{path} {value}" for path, value in _leaves(manifest.recipe)),
        "files": f"{size:,} bytes in {len(manifest.shards):,} shard{'s' if len(manifest.shards) != 1 else ''}",
    }
    yield _pairs(head.items())
    if manifest.tally:
        yield _tally(manifest)
    measures = [(key, _measured(value)) for key, value in manifest.measures.items() if key not in LONG]
    yield _pairs(measures)


def _tally(manifest: Manifest) -> Padding:
    several = len({t.source for t in manifest.tally}) > 1
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in (*(["source"] if several else []), "", ""):
        table.add_column(name, no_wrap=True)
    for name in ("documents", "share", "bytes of text"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row(*([""] if several else []), "read", "", f"{manifest.read:,}", "", "")
    for t in sorted(manifest.tally, key=lambda t: (t.source, t.dropped_by or "", -t.documents)):
        said = ("kept", "") if t.drop_reason is None else (str(t.dropped_by), t.drop_reason)
        share = f"{t.documents / manifest.read:.1%}" if manifest.read else ""
        source = [t.source] if several else []
        table.add_row(*source, *said, f"{t.documents:,}", share, f"{t.text_bytes:,}")
        if t.copies:
            table.add_row(*([""] if several else []), "", "and their copies", f"{t.copies:,}", "", "")
    return Padding(table, (1, 0, 1, 2))


def _pairs(pairs: Iterable[tuple[str, str]]) -> Padding:
    """Names and what they say, one under the other; long values are wrapped in a column of their own. Words of the web
    are among them."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, said in pairs:
        table.add_row(name, Text("\n".join(map(printable, said.split("\n")))))
    return Padding(table, (0, 0, 0, 2))


def _input(name: str, content: Any) -> str:
    if isinstance(content, list):
        return "\n".join([_raw_file(file) for file in content[:LISTED]] + _more(len(content)))
    if isinstance(content, Mapping):
        return "\n".join(f"{name} {key} {str(digest)[:16]}" for key, digest in content.items())
    return f"{name} {str(content)[:16]}" if isinstance(content, str) else f"{name} {_number(content)}"


def _raw_file(file: Mapping[str, Any]) -> str:
    return f"{file['source']}: {file['file']}, {file['size']:,} bytes, {file['content'][:19]}"


def _more(n_entries: int) -> list[str]:
    return [f"and {n_entries - LISTED:,} more"] if n_entries > LISTED else []


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """`corpus.language.keep en, de`: settings by their dotted path."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        for at, item in enumerate(value):
            yield from _leaves(item, f"{path}.{at}")
    else:
        yield path, _number(value) if not isinstance(value, list | tuple) else ", ".join(map(str, value)) or "none"


def _measured(value: Any) -> str:
    """A measure in as few lines as can be read: the largest counts first, one line for each group of numbers."""
    if not isinstance(value, Mapping):
        return f"{len(value):,} entries" if isinstance(value, list) else _number(value)
    if any(isinstance(item, Mapping) for item in value.values()):
        return "\n".join(f"{key}: {_measured(item).replace(chr(10), '; ')}" for key, item in value.items())
    entries = list(value.items())
    if all(isinstance(item, int) for item in value.values()):
        entries.sort(key=lambda entry: -entry[1])
    return ", ".join([f"{key} {_number(item)}" for key, item in entries[:LISTED]] + _more(len(entries)))


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "null" if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def step_lines(
    name: str, state: str, about: Mapping[str, str], plan: Plan | None, known: pa.Schema | None
) -> Iterator[Any]:
    """What rich prints of a step: what is to be said about it, where it stands, the columns that `known` has not, its
    plan."""
    yield Text(name, "bold")
    said = {**about, "state": state}
    if plan is not None:
        said |= {
            "columns": _columns(stored_columns(plan), known),
            "plan": "\n".join(map(_hung, explained(plan).splitlines())),
        }
    yield _pairs(said.items())


def _hung(line: str) -> str:
    """The line, what is too long for a terminal under it and further in."""
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.fill(line, PLAN_WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def stored_columns(plan: Plan) -> pa.Schema:
    """The columns of the kept documents."""
    return without(schema_of(plan), set(MARKS.names))


def _columns(schema: pa.Schema, known: pa.Schema | None) -> str:
    fresh = [field for field in schema if known is None or field.name not in known.names]
    listed = ", ".join(f"{field.name}: {field.type}" for field in fresh)
    if known is None:
        return listed
    return f"the same, and {listed}" if fresh else "the same"
