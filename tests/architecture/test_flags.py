"""The command line does not grow unnoticed: a new knob belongs to the recipe, or to the dataclass that owns it."""

import re

import pytest
from small_run import millstream

PLAN = ("--root", "--limit", "--set", "--only", "--version")
FLAGS = {
    "run": (*PLAN, "--engine", "--workers", "--engine-set", "--alone", "--if-building"),
    "train": ("--root", "--devices", "--limit", "--set", "--version", "--if-building"),
    "plan": PLAN,
    "budget": ("--set", "--card", "--cards", "--mfu", "--price", "--flops", "--json"),
    "ablate": ("--root", "--workers", "--limit", "--set", "--version", "--if-building"),
    "init": (),
    "show": ("--root", "--json", "--version"),
    "verify": ("--root", "--version"),
    "explain": ("--root", "--version"),
    "report": ("--root", "--version"),
    "generate": (
        "--shots",
        "--model",
        "--root",
        "--version",
        "--max-tokens",
        "--temperature",
        "--top-k",
        "--top-p",
        "--beams",
        "--seed",
    ),
    "fill": ("--top", "--model", "--root", "--version"),
    "export": ("--root", "--version"),
    "promote": ("--root", "--version", "--verdict", "--verdict-version"),
}


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def test_commands_are_these() -> None:
    listing = millstream("--help").out.partition("Commands")[2]
    assert re.findall(r"^│ (\w+)", listing, re.MULTILINE) == list(FLAGS)


@pytest.mark.parametrize("command", FLAGS)
def test_flags_are_these(command: str) -> None:
    said = millstream(command, "--help")
    assert said.code == 0
    listing = said.out.partition("Options")[2]
    assert sorted(re.findall(r"^│[ *]+(--[\w-]+)", listing, re.MULTILINE)) == sorted([*FLAGS[command], "--help"])


@pytest.mark.parametrize("command", FLAGS)
def test_help_has_an_example(command: str) -> None:
    assert re.search(rf"Examples?: millstream {command}", millstream(command, "--help").out)


def test_help_without_words() -> None:
    assert millstream() == millstream("--help")
