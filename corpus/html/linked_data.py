"""What a page's JSON-LD says of its article: headline, authors, date.

The nodes are schema.org's (https://schema.org/Article), at the top, in lists, in `@graph` and in `mainEntity`. The
script is untrusted: what is no JSON, or has another type than it should have, says nothing.
"""

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

MAX_SCRIPT_CHARACTERS: Final = 1 << 20
"""Longer scripts are not read; the longest of 1,900 real pages has 52,000."""
MAX_NODES: Final = 1_000
"""Lists and objects looked at; 1,900 real pages have up to 62."""
MAX_AUTHORS: Final = 16

Node = Mapping[str, Any]

_ARTICLES: Final = ("article", "posting", "report", "review", "recipe")
"""How the types end that are the page's own text; a Comment is not."""
_ABOUT_PAGE: Final = ("webpage", "itempage", "page", "object", "course", "howto", "episode")
_TOLD: Final = frozenset({"headline", "author", "datePublished"})
_TELLING: Final = (*_TOLD, "@id")
"""A script without any of these words says nothing: 4 in 10 are about a site or its breadcrumbs."""
_BEGIN: Final = re.compile(r"(?<!<!)(?<!CDATA)[{\[]")
"""The first object or list: pages wrap scripts in comments and in `<![CDATA[`."""
_DECODER: Final = json.JSONDecoder(strict=False)


@dataclass(frozen=True)
class LinkedData:
    """Values as they are written: neither decoded nor checked, but strings."""

    headline: str | None = None
    authors: tuple[str, ...] = ()
    published: str | None = None


def linked_data(scripts: Sequence[str]) -> LinkedData:
    """What the first node that is an article, or else is about the page, says of each."""
    nodes = list(_nodes([parsed for script in scripts if (parsed := _parsed(script)) is not None]))
    by_id = {node["@id"]: node for node in nodes if isinstance(node.get("@id"), str) and "name" in node}
    telling = [(node, _types(node)) for node in nodes if not _TOLD.isdisjoint(node)]
    if not telling:
        return LinkedData()
    articles = [node for node, types in telling if any(name.endswith(_ARTICLES) for name in types)]
    pages = [node for node, types in telling if any(name.endswith(_ABOUT_PAGE) for name in types)]
    return LinkedData(
        headline=next(filter(None, (_string(node.get("headline")) for node in articles)), None),
        authors=next(filter(None, (_authors(node.get("author"), by_id) for node in articles + pages)), ()),
        published=next(filter(None, (_string(node.get("datePublished")) for node in articles + pages)), None),
    )


def _parsed(script: str) -> object:
    if len(script) > MAX_SCRIPT_CHARACTERS or not any(key in script for key in _TELLING):
        return None
    begin = _BEGIN.search(script)
    try:
        return _DECODER.raw_decode(script, begin.start())[0] if begin else None
    except (ValueError, RecursionError):  # no JSON; numbers of too many digits; nested too deep
        return None


def _nodes(parsed: list[object]) -> Iterator[Node]:
    """Breadth first, so that what is said of the page itself comes before what is said in passing."""
    waiting = deque(parsed)
    for _ in range(MAX_NODES):
        if not waiting:
            return
        value = waiting.popleft()
        if isinstance(value, list):
            waiting.extend(value[:MAX_NODES])
        elif isinstance(value, dict):
            yield value
            waiting.extend(value[key] for key in ("@graph", "mainEntity", "mainEntityOfPage") if key in value)


def _types(node: Node) -> list[str]:
    return [name.lower() for name in _listed(node.get("@type")) if isinstance(name, str)]


def _authors(value: object, by_id: Mapping[str, Node]) -> tuple[str, ...]:
    """Names: of people as nodes, of those that are named elsewhere by their id, or as plain strings."""
    names: list[object] = []
    for one in _listed(value)[:MAX_AUTHORS]:
        person = one if not isinstance(one, dict) or "name" in one else by_id.get(str(one.get("@id")), one)
        names += _listed(person.get("name"))[:MAX_AUTHORS] if isinstance(person, dict) else [person]
    return tuple(name for name in names if isinstance(name, str) and name)[:MAX_AUTHORS]


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _string(value: object) -> str | None:
    """The first string: some pages put lists where one value belongs."""
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, str) else None
