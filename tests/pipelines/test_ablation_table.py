"""An ablation's verdict in a terminal: it fits, says which arm is better, and hides what it has no room for by name."""

from typing import Any

import build_ablation_verdict as made
import pytest
from rich.cells import cell_len
from rich.console import Console

from pipelines.ablation.table import tables

MEASURES_AT = {80: 5, 120: 9}


def printed(verdict: dict[str, Any], about: dict[str, Any], width: int = 120) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        for one in tables(verdict, about):
            console.print(one)
    return capture.get()


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return made.verdict()


@pytest.mark.parametrize("width", [40, 80, 120, 200])
@pytest.mark.parametrize("names", [("decoder",), ("decoder", "encoder", "encoder-decoder")])
def test_it_fits_and_cuts_no_figure(width: int, names: tuple[str, ...]) -> None:
    said = printed(made.verdict(names), made.about(), width)
    assert max(map(cell_len, said.splitlines())) <= width
    if width > 40:
        assert "…" not in said
    for mark in "▲▼":  # a mark alone on its line has lost its figure
        assert not [line for line in said.splitlines() if line.strip() == mark]


@pytest.mark.parametrize(("width", "n"), MEASURES_AT.items())
def test_a_wider_terminal_shows_more_measures(width: int, n: int, whole: dict[str, Any]) -> None:
    said = printed(whole, {}, width)
    row = next(line for line in said.splitlines() if line.startswith("wet_tier"))
    assert len([word for word in row.split()[1:] if word not in "▲▼"]) == n
    assert ("more measures: 4" in said) == (n == 5)


def test_rows_are_differences_with_a_mark_for_what_was_found(whole: dict[str, Any]) -> None:
    """Bits per byte are worse where there are more of them."""
    said = printed(whole, {})
    lines = {line.split()[0]: line.split()[1:] for line in reversed(said.splitlines()) if line.split()}
    one = next(
        one for one in whole["comparisons"] if one["arm"] == "unfiltered" and one["measure"] == "bits_per_byte/clean"
    )
    assert one["found"]
    assert lines["unfiltered"][:2] == [f"+{one['difference']:.4f}", "▼"]
    assert lines["clean"][0] == f"{one['baseline_mean']:.4f}"
    assert lines["±"][:4] == ["by", "seeds", "alone", "0.0040"]


def test_words_and_t5_follow(whole: dict[str, Any]) -> None:
    said = printed(whole, made.about())
    assert "13 arms, 5 seeds, 6,553,600 tokens for each training" in said
    assert "clean is better than unfiltered on 5 of 9 measures and worse on 1; on 3 no difference was shown." in said
    for one in whole["comparisons"]:
        if one["arm"] == "unfiltered" and not one["measure"].startswith("blimp/") and one["measure"] != "arc-easy/norm":
            assert one["says"] in said
    assert "83.28, 81.46" in said
    assert "52.44, 52.90" in said


def test_one_seed_and_nothing_else_is_printed() -> None:
    verdict = made.verdict(arms=("clean", "a", "b"), measures=("piqa",), seeds=1)
    for key in ("doses", "curves", "decisions", "controls", "t5"):
        del verdict[key]
    said = printed(verdict, {})
    assert "3 arms, 1 seed\n" in said
    assert "better than" not in said  # with two rivals there is no one question
    assert "None" not in said


def test_a_terminal_obeys_no_name() -> None:
    verdict = made.verdict(arms=("clean", "\x1b[31mred[bold]"), measures=("piqa",))
    said = printed(verdict, {})
    assert "\x1b" not in said
    assert "[31mred[bold]" in said
