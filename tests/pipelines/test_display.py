"""Progress: bars with rates and time left on a terminal, plain lines now and then elsewhere."""

import io
import re
from collections.abc import Iterator

import pytest
from rich.console import Console

from pipelines import display
from pipelines.display import PLAIN_EVERY_SECONDS, Display


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    monkeypatch.setattr(display, "time", made)
    return made


def plain(sink: io.StringIO) -> Console:
    return Console(file=sink, width=60)


def test_plain_lines_now_and_then(clock: Clock) -> None:
    sink = io.StringIO()
    with Display(plain(sink)) as shown:
        for done in range(41):
            shown.progress("extracted", done, 80, done * 10)
            clock.now += 1.0
    lines = sink.getvalue().splitlines()
    assert len(lines) == 40 // PLAIN_EVERY_SECONDS - 1
    assert lines[0] == "  extracted: 11 of 80, 10 documents/s, 1:09 left"


def test_a_line_is_not_cut_and_its_brackets_are_no_markup() -> None:
    sink = io.StringIO()
    with Display(plain(sink)) as shown:
        shown.told("corpus/pages@dev: [bold] " + "many words " * 12)
    assert sink.getvalue() == "corpus/pages@dev: [bold] " + "many words " * 12 + "\n"


def test_quick_phases_say_nothing(clock: Clock) -> None:
    sink = io.StringIO()
    with Display(plain(sink)) as shown:
        for phase in ("extracted", "url_dedup", "pages"):
            shown.progress(phase, 0, 2, 0)
            clock.now += 1.0
            shown.progress(phase, 2, 2, 100)
    assert sink.getvalue() == ""


def test_rate_and_time_left_count_what_this_run_did(clock: Clock) -> None:
    """A resumed phase starts at 30 of 40: the 2 that took 20 seconds say what the 8 will take."""
    sink = io.StringIO()
    with Display(plain(sink)) as shown:
        shown.progress("training", 30, 40, 7680, "tokens")
        clock.now += 20.0
        shown.progress("training", 32, 40, 8192, "tokens", "loss 3.1")
    assert sink.getvalue() == "  training: 32 of 40, 26 tokens/s, loss 3.1, 1:20 left\n"


def test_bars_on_a_terminal(clock: Clock) -> None:
    sink = io.StringIO()
    console = Console(file=sink, force_terminal=True, width=120)
    with Display(console) as shown:
        shown.progress("extracted", 0, 10, 0)
        clock.now += 10.0
        shown.progress("extracted", 4, 10, 2000)
        shown._bars.refresh()
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", sink.getvalue())
    assert re.search(r"extracted +━+.* 4/10 .*200 documents/s, 0:15 left", drawn)


def test_a_narrow_terminal_shows_all_of_it_in_one_line(clock: Clock) -> None:
    sink = io.StringIO()
    console = Console(file=sink, force_terminal=True, width=80)
    with Display(console) as shown:
        shown.progress("corpus/extracted", 0, 10, 0)
        clock.now += 10.0
        shown.progress("training", 4, 1000, 2000, "tokens", "loss 3.123")
        clock.now += 10.0
        shown.progress("training", 10, 1000, 90_000, "tokens", "loss 3.123")
        shown._bars.refresh()
        rows = console.render_lines(shown._bars.get_renderable())
    (line,) = ["".join(segment.text for segment in row) for row in rows]
    assert re.fullmatch(r"training +[━╸╺ ]{8,} +10/1000 8,800 tokens/s, loss 3\.123, 27:30 left *", line)
