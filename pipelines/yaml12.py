"""YAML 1.2 read into plain data, with the line of every value.

ruamel.yaml does the syntax; what a scalar means stands here, in four patterns: the core schema of YAML 1.2.2, section
10.3.2, and one thing more, decimal integers grouped by underscores.

    keep: [no, de]     -> ["no", "de"]       `no` is Norwegian, not false
    rate: 1e-4         -> 0.0001
    mode: 017          -> 17                 0o17 is fifteen
    bytes: 4_000_000   -> 4000000
    day: 2026-11-20    -> "2026-11-20"

Only null, bool, int (64 bits), finite float, str, list and dict with str keys come out: values that serialise the
same way in every process. No tag is followed, so that a file runs no code.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

MAX_BYTES = 1_000_000  # a file listing ten thousand archives by name has about this size
MAX_NODES = 100_000  # values after aliases are written out: ten aliases of ten aliases, nine deep, would be 10^9
MAX_DEPTH = 32  # a recipe needs 6

Plain = Any  # None | bool | int | float | str | list[Plain] | dict[str, Plain]
Path = tuple[str | int, ...]

_NodeEvent = AliasEvent | ScalarEvent | SequenceStartEvent | MappingStartEvent

_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+(_[0-9]+)*|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class Yaml12Error(ValueError):
    """Text that is not the YAML we read; `line` counts from 1."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line = line
        self.what = what


@dataclass(frozen=True, kw_only=True)
class Document:
    """Plain data, and the line of each of its values by path: ("corpus", "rules", 0) -> 9."""

    data: Plain
    lines: dict[Path, int]


def read(text: str) -> Document:
    """The one document in the text; an empty text is null.

    Raises Yaml12Error for bad syntax, a key given twice, a tag, more than one document, and for a text, a depth or a
    number of values above the limits of this file.
    """
    if len(text) > MAX_BYTES:
        raise Yaml12Error(1, f"{len(text):,} characters; at most {MAX_BYTES:,} are read")
    try:
        node = _Composer(events=iter(YAML(typ="safe", pure=True).parse(text))).document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise Yaml12Error(mark.line + 1 if mark else 1, " ".join(said.split())) from error
    except YAMLError as error:
        raise Yaml12Error(_line_of(error, text), " ".join(str(error).split())) from error
    return Document(data=node.value, lines=node.lines)


def _line_of(error: YAMLError, text: str) -> int:
    """A character that YAML does not allow is reported by position."""
    return text.count("\n", 0, getattr(error, "position", 0)) + 1


@dataclass(frozen=True, kw_only=True)
class _Node:
    value: Plain
    lines: dict[Path, int] = field(default_factory=dict)  # of what is below, relative to it
    size: int = 1


@dataclass(kw_only=True)
class _Composer:
    """Events to nodes; each value, an alias's with all below it, is taken from the allowance before it is made."""

    events: Iterator[Any]
    anchors: dict[str, _Node] = field(default_factory=dict)
    allowance: int = MAX_NODES

    def document(self) -> _Node:
        node = _Node(value=None)
        n_documents = 0
        for event in self.events:
            if not isinstance(event, DocumentStartEvent):
                continue
            n_documents += 1
            if n_documents > 1:
                _fault(event, "a second document; one file is one document")
            if event.version not in {None, (1, 2)}:
                _fault(event, "another version of YAML; this is read as YAML 1.2")
            node = self.node(next(self.events), depth=0)
        return node

    def node(self, event: _NodeEvent, depth: int) -> _Node:
        if depth > MAX_DEPTH:
            _fault(event, f"more than {MAX_DEPTH} levels deep")
        if isinstance(event, AliasEvent):
            return self.alias(event)
        self.spend(event, 1)
        if event.tag is not None:
            _fault(event, f"tag {event.tag}; tags are not followed, write a plain value")
        if isinstance(event, SequenceStartEvent):
            node = self.sequence(depth)
        elif isinstance(event, MappingStartEvent):
            node = self.mapping(depth)
        else:
            node = _Node(value=_scalar(event))
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def alias(self, event: AliasEvent) -> _Node:
        node = self.anchors.get(event.anchor)
        if node is None:
            _fault(event, f"alias *{event.anchor} names no value that ends before it")
        self.spend(event, node.size)
        return node

    def sequence(self, depth: int) -> _Node:
        items: list[_Node] = []
        lines: dict[Path, int] = {}
        while not isinstance(event := next(self.events), SequenceEndEvent):
            items.append(self.node(event, depth + 1))
            _note(lines, len(items) - 1, _line(event), items[-1])
        return _Node(value=[item.value for item in items], lines=lines, size=1 + sum(item.size for item in items))

    def mapping(self, depth: int) -> _Node:
        values: dict[str, Plain] = {}
        lines: dict[Path, int] = {}
        size = 1
        while not isinstance(event := next(self.events), MappingEndEvent):
            key = _key(event)
            if key in values:
                _fault(event, f"{key} stands twice, first on line {lines[(key,)]}")
            node = self.node(next(self.events), depth + 1)
            values[key] = node.value
            _note(lines, key, _line(event), node)
            size += node.size
        return _Node(value=values, lines=lines, size=size)

    def spend(self, event: Event, n_values: int) -> None:
        self.allowance -= n_values
        if self.allowance < 0:
            _fault(event, f"more than {MAX_NODES:,} values, aliases written out")


def _note(lines: dict[Path, int], step: str | int, line: int, node: _Node) -> None:
    lines[(step,)] = line
    lines.update({(step, *path): below for path, below in node.lines.items()})


def _key(event: Event) -> str:
    """Keys are always words: `no:` and `17:` are "no" and "17"."""
    if not isinstance(event, ScalarEvent) or event.tag is not None:
        _fault(event, "a key must be a plain word")
    return _text(event)


def _scalar(event: ScalarEvent) -> Plain:
    """What the core schema says of a scalar; one in quotes, or in block style, is always a string."""
    text = _text(event)
    if not event.implicit[0] or event.style in {"|", ">"}:
        return text
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return _integer(event, text)
    if _FLOAT.fullmatch(text):
        return _finite(event, text)
    if _NOT_FINITE.fullmatch(text):
        _fault(event, f"{text} is not a number that a recipe can hold; quote it if it is a word")
    return text


def _integer(event: ScalarEvent, text: str) -> int:
    prefixed = text.startswith(("0o", "0x"))
    # int() refuses very long digits with an error of its own, and 22 octal digits hold 64 bits
    value = int(text, 0 if prefixed else 10) if len(text.lstrip("+-0ox_")) < 40 else 2**64
    if not -(2**63) <= value < 2**63:
        _fault(event, "an integer above 64 bits")
    return value


def _finite(event: ScalarEvent, text: str) -> float:
    value = float(text)
    if value in {float("inf"), float("-inf")}:
        _fault(event, f"{text} is above the largest float")
    return value


def _text(event: ScalarEvent) -> str:
    text = str(event.value)
    try:
        text.encode()
    except UnicodeEncodeError:
        _fault(event, "half of a surrogate pair; UTF-8 cannot hold it")
    return text


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1


def _fault(event: Event, what: str) -> NoReturn:
    raise Yaml12Error(_line(event), what)
