"""The tokenizer against html5lib's vectors (MIT).

Names of elements and attributes that the tokenizer does not keep are put into its tables for each vector, so that every
start tag and attribute counts; comments and doctypes must leave nothing. Character references are another part's work:
vectors of theirs alone are left out, in the others they are decoded here.
"""

import gzip
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpus.html import tokens as tokenizer
from corpus.html.lookup import table
from corpus.html.tags import NUMBER, PROPERTIES, RAW
from corpus.html.tokens import CHARACTERS, CLOSE, TEXT

Case = dict[str, Any]
Shown = list[list[Any]]
"""Tokens as the vectors write them."""

VECTORS = ("contentModelFlags", "domjs", "escapeFlag", "pendingSpecChanges", "test1", "test2", "test3", "test4")
BEFORE = {  # what brings our tokenizer into the state that a vector begins in
    "Data state": "",
    "CDATA section state": "<svg><![CDATA[",
    "PLAINTEXT state": "<plaintext>",
    "RCDATA state": "<title>",
    "RAWTEXT state": "<style>",
    "Script data state": "<script>",
}
BY_THE_PARSER = frozenset(name for name, number in NUMBER.items() if PROPERTIES[number] & RAW) | {"plaintext"}
"""Our tokenizer knows that what follows these start tags is raw; the vectors' is told by a parser."""
NOT_OURS = re.compile(
    r"</$"  # the beginning of an end tag is not told where the page ends in it
    r"|<h a='&not"  # html.unescape does not know that "&notx" is no reference in attributes
    r"|&#X10FFFF;|<a[^>]*\0"  # nor this character; a name with a NUL is another name, but no known one
)


def test_html5lib_vectors(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = list(vectors(shared_data / "reference/html5lib-tests/tokenizer"))
    wrong = [
        f"{state}: {case['input']!r}: {found} and not {right}"
        for state, case in cases
        if (found := shown(state, case, monkeypatch)) != (right := joined(case["output"]))
    ]
    assert len(cases) > 2_000
    assert not wrong, "\n".join(wrong)


def vectors(folder: Path) -> Iterator[tuple[str, Case]]:
    """Each vector with each state that it may begin in."""
    for name in VECTORS:
        cases = json.loads(gzip.decompress((folder / f"{name}.test.gz").read_bytes()))["tests"]
        for case in map(unescaped, cases):
            started = {output[1] for output in case["output"] if output[0] == "StartTag"}
            if not NOT_OURS.match(case["input"]) and not started & BY_THE_PARSER:
                yield from ((state, case) for state in case.get("initialStates", ["Data state"]))


def unescaped(case: Case) -> Case:
    written = json.dumps(case)
    made: Case = json.loads(
        re.sub(r"\\\\(u[0-9A-Fa-f]{4})", r"\\\1", written) if case.get("doubleEscaped") else written
    )
    return made


def shown(state: str, case: Case, monkeypatch: pytest.MonkeyPatch) -> Shown:
    """What our tokenizer finds."""
    names = sorted({output[1] for output in case["output"] if output[0] in ("StartTag", "EndTag")} - set(NUMBER))
    numbers = NUMBER | {name: len(NUMBER) + at for at, name in enumerate(names)}
    known = sorted({name for output in case["output"] if output[0] == "StartTag" for name in output[2]})
    monkeypatch.setattr(tokenizer, "ELEMENTS", table({name.encode(): at for name, at in numbers.items() if name}))
    monkeypatch.setattr(tokenizer, "PROPERTIES", np.append(PROPERTIES, np.zeros(len(names), np.uint8)))
    monkeypatch.setattr(tokenizer, "ATTRIBUTES", table({name.encode(): at for at, name in enumerate(known)}))
    before = f"<{case['lastStartTag']}>" if "lastStartTag" in case and state != "PLAINTEXT state" else BEFORE[state]
    page = (before + re.sub("\r\n?", "\n", case["input"])).encode()  # the standard does this before (13.2.3.5)
    found = tokenizer.tokenized(np.frombuffer(page, np.uint8))
    element = {number: name for name, number in numbers.items()}
    outputs: Shown = []
    for kind, tag, begin, end, first, last in found.tokens[1 if before else 0 :].tolist():
        text = page[begin:end].decode()
        if kind in (TEXT, CHARACTERS):
            has_references = kind == TEXT or state == "RCDATA state"
            outputs += [["Character", html.unescape(text) if has_references else text]] if text else []
        elif kind == CLOSE:
            outputs.append(["EndTag", element[tag]])
        else:
            spans = found.attributes[first:last].tolist()
            values = {known[which]: html.unescape(page[start:stop].decode()) for which, start, stop in spans}
            outputs.append(["StartTag", element[tag], values])
    return joined(outputs)


def joined(outputs: Shown) -> Shown:
    """Tags and texts alone, neighbouring texts as one, NULs as what they are shown as."""
    kept: Shown = []
    for output in json.loads(json.dumps(outputs).replace(r"\u0000", r"\ufffd")):
        if kept and output[0] == kept[-1][0] == "Character":
            kept[-1][1] += output[1]
        elif output[0] in ("Character", "StartTag", "EndTag"):
            kept.append(output[:3])
    return kept
