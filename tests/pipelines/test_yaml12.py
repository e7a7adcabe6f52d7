"""YAML 1.2 as a recipe needs it: what scalars mean, where they stand, and what is refused."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.yaml12 import MAX_BYTES, Yaml12Error, read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # the core schema's own table, YAML 1.2.2 example 10.9, as far as it is finite
        ("[~, null, NULL]", [None, None, None]),
        ("[true, True, false, FALSE]", [True, True, False, False]),
        ("[0, 0o7, 0x3A, -19]", [0, 7, 58, -19]),
        ("[0., -0.0, .5, +12e03, -2E+05]", [0.0, -0.0, 0.5, 12000.0, -200000.0]),
        # what 1.1 read otherwise
        ("[no, yes, on, off, y, n]", ["no", "yes", "on", "off", "y", "n"]),
        ("[1e-4, 017, 0b1, 1:30]", [0.0001, 17, "0b1", "1:30"]),
        ("[2026-11-20, 2001-12-14t21:59:43Z]", ["2026-11-20", "2001-12-14t21:59:43Z"]),
        ("{<<: {a: 1}}", {"<<": {"a": 1}}),
        # ours: decimal integers may be grouped
        ("[4_000_000, -1_0, 1_, _1, 1__0, 1_0.5]", [4_000_000, -10, "1_", "_1", "1__0", "1_0.5"]),
        ("['4', \"true\", '']", ["4", "true", ""]),
        ("a: |\n  4\nb: >-\n  true\n", {"a": "4\n", "b": "true"}),
        ("{no: 1, 17: 2, null: 3}", {"no": 1, "17": 2, "null": 3}),
        ("[9223372036854775807, -9223372036854775808]", [2**63 - 1, -(2**63)]),
        ("base: &b {x: 1}\nown: *b\n", {"base": {"x": 1}, "own": {"x": 1}}),
        ("", None),
        ("# nothing\n", None),
        ("%YAML 1.2\n---\na: 1\n", {"a": 1}),
        ("\ufeffa: 1", {"a": 1}),
    ],
)
def test_scalars_mean_what_yaml_1_2_says(text, value):
    data = read(text).data
    assert data == value
    assert json.dumps(data) == json.dumps(value)  # types too: 1 is not 1.0, and not true


def test_every_value_has_its_line():
    document = read(
        "name: demo\ncorpus:\n  rules:\n    - rule: c4\n      min_words: 3\n    - rule: x\nmix: {a: 1,\n  b: 2}\n"
    )
    assert document.lines == {
        ("name",): 1,
        ("corpus",): 2,
        ("corpus", "rules"): 3,
        ("corpus", "rules", 0): 4,
        ("corpus", "rules", 0, "rule"): 4,
        ("corpus", "rules", 0, "min_words"): 5,
        ("corpus", "rules", 1): 6,
        ("corpus", "rules", 1, "rule"): 6,
        ("mix",): 7,
        ("mix", "a"): 7,
        ("mix", "b"): 8,
    }


def test_what_an_alias_brings_has_the_lines_where_it_was_written():
    assert read("a: &x\n  y: 1\nb: *x").lines == {("a",): 1, ("a", "y"): 2, ("b",): 3, ("b", "y"): 2}


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: 1\nb: 2\na: 3", 3, "a stands twice, first on line 1"),
        ("a:\n  b: 1\n  b: 1", 3, "b stands twice, first on line 2"),
        ("x: 1\na: !!python/object/apply:os.system ['true']", 2, "tags are not followed"),
        ("a: !!python/name:os.system", 1, "tags are not followed"),
        ("a: ! b", 1, "tags are not followed"),
        ("!mine {a: 1}", 1, "tag !mine; tags are not followed"),
        ("a: !!binary aGk=", 1, "tags are not followed"),
        ("a: .nan", 1, ".nan is not a number that a recipe can hold"),
        ("\na: -.Inf", 2, "-.Inf is not a number that a recipe can hold"),
        ("a: 1e999", 1, "1e999 is above the largest float"),
        ("a: 9223372036854775808", 1, "an integer above 64 bits"),
        ("a: " + "9" * 5000, 1, "an integer above 64 bits"),  # int() itself refuses 4,300 digits
        ('a: "\\ud800"', 1, "half of a surrogate pair"),
        ("a: 1\n---\nb: 2", 2, "a second document"),
        ("%YAML 1.1\n---\na: no", 2, "this is read as YAML 1.2"),
        ("? [a]\n: 1", 1, "a key must be a plain word"),
        ("a: *b", 1, "alias *b names no value"),
        ("a: &a [*a]", 1, "alias *a names no value that ends before it"),
        ("a: [1\nb: 2", 2, "flow sequence"),
        ("a: 1\n\tb: 2", 2, "cannot start any token"),
        ("a: 1\nb: \x01", 2, "special characters are not allowed"),
        ("[" * 40, 1, "more than 32 levels deep"),
        ("a: '" + "x" * MAX_BYTES + "'", 1, "at most 1,000,000 are read"),
    ],
)
def test_what_is_refused_is_refused_with_its_line(text, line, what):
    with pytest.raises(Yaml12Error) as caught:
        read(text)
    assert caught.value.line == line
    assert what in caught.value.what
    assert "\n" not in caught.value.what


def _laughs(levels: int) -> str:
    """Ten to the power of `levels` values from as many lines."""
    lines = ["a0: &a0 [" + "lol," * 10 + "]"]
    lines += [f"a{n}: &a{n} [" + f"*a{n - 1}," * 10 + "]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [_laughs(9), "[" * 100_000, "{a: " * 50_000, "- " * 100_000, "".join(" " * n + "a:\n" for n in range(1000))],
    ids=["billion laughs", "lists", "mappings", "dashes", "indents"],
)
def test_bombs_are_refused_at_once(text):
    started = time.process_time()
    with pytest.raises(Yaml12Error, match=r"values, aliases written out|levels deep"):
        read(text)
    assert time.process_time() - started < 3


def test_a_few_laughs_are_data():
    assert len(read(_laughs(3)).data["a2"][0][0]) == 10


_words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Cn", "Zl", "Zp"]), max_size=8)
_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_words, inner, max_size=4),
    max_leaves=12,
)


@given(_plain)
def test_json_is_yaml(value):
    text = json.dumps(value, ensure_ascii=False, indent=1)
    assert json.dumps(read(text).data) == json.dumps(value)


def _paths(value, path=()):
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in below:
        yield (*path, step)
        yield from _paths(inner, (*path, step))


@given(_plain)
def test_lines_name_every_value_and_no_other(value):
    document = read(json.dumps(value, ensure_ascii=False, indent=1))
    assert sorted(map(str, document.lines)) == sorted(map(str, _paths(document.data)))
