"""A rule of the user's own, named by import path in a recipe: it is made as ours are, or the error says why not."""

import json
import sys

import pytest

from corpus.errors import ConfigError
from corpus.text.verdict import Drop, Keep
from pipelines.recipe import build_rules, load
from pipelines.sections import RuleEntry

MINE = """
from dataclasses import dataclass
from corpus.text.verdict import Drop, Keep

@dataclass(frozen=True, kw_only=True)
class Shorter:
    than: int
    words: tuple[str, ...] = ()
    version = 1
    reasons = frozenset({"long"})
    def __post_init__(self):
        if self.than < 1:
            raise ValueError("than: needs\\nat least 1")
    def __call__(self, text):
        return Keep(text) if len(text) < self.than else Drop("long")

def shorter(than): raise AssertionError("a recipe must not call this")
@dataclass
class Empty: pass
"""


@pytest.fixture
def my_rules(tmp_path, monkeypatch):
    (tmp_path / "my_rules.py").write_text(MINE)
    (tmp_path / "my_broken.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("my_rules", None)


@pytest.mark.usefixtures("my_rules")
def test_a_rule_of_the_user_s_is_named_by_import_path():
    entries = [{"rule": "my_rules:Shorter", "than": 3, "words": ["a"]}]
    (rule,) = build_rules(load("demo", [f"corpus.rules={json.dumps(entries)}"]).corpus.rules)
    assert rule.words == ("a",)
    assert [rule("ab"), rule("abc")] == [Keep("ab"), Drop("long")]


@pytest.mark.usefixtures("my_rules")
@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{rule: 'my_rules:Shorter'}", "corpus.rules.0.than: is missing; add it"),
        ("{rule: 'my_rules:Shorter', than: 0}", "corpus.rules.0: than: needs at least 1"),
        ("{rule: 'my_rules:Shorter', than: 3, thn: 1}", "corpus.rules.0.thn: unknown field; did you mean than?"),
        (
            "{rule: 'my_rules:Shorter', than: 3, words: [1]}",
            "corpus.rules.0.words.0: is 1, but should be a valid string",
        ),
        (
            "{rule: 'my_rules:shorter', than: 1}",
            "corpus.rules.0.rule: my_rules:shorter is no rule: it has no @dataclass",
        ),
        ("{rule: 'os:system', command: 'exit 1'}", "corpus.rules.0.rule: os:system is no rule: it has no @dataclass"),
        (
            "{rule: 'my_rules:Empty'}",
            "corpus.rules.0.rule: my_rules:Empty is no rule: it has no __call__, version, reasons",
        ),
        ("{rule: 'my_rules:Shortr'}", "corpus.rules.0.rule: my_rules has no rule Shortr; did you mean Shorter?"),
        ("{rule: 'my_broken:X'}", "corpus.rules.0.rule: cannot import my_broken (ZeroDivisionError: division by zero)"),
        ("{rule: 'no_such_module:X'}", "corpus.rules.0.rule: cannot import no_such_module (ModuleNotFoundError:"),
    ],
)
def test_a_rule_that_cannot_be_made(entry, message):
    override = f"corpus.rules=[{entry}]"
    with pytest.raises(ConfigError) as caught:
        load("demo", [override])
    assert str(caught.value).startswith(f"--set {override}: {message}")
    assert "\n" not in str(caught.value)


def test_build_rules_without_a_file_still_says_where():
    with pytest.raises(ConfigError, match=r"^recipe: corpus.rules.0.rule: is \"c5\"; rules here: "):
        build_rules([RuleEntry(rule="c5")])
