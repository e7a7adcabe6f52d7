"""The report's account of a training: from the files that the trainer leaves in its folder to the page."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import build_report_run as runs
import pytest

from pipelines.artifact import Place
from pipelines.report.curve import Curve, Document
from pipelines.report.learning import model
from pipelines.report.page import write_report
from pipelines.report.records import records
from training import blame

MODEL = "checkpoint/main"
HOSTILE = "https://a.example/<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}"
METRICS = """step,loss,learning_rate,grad_norm,tokens,tokens_per_second
1,9.5,0.001,2.5,512,682.3
2,nan,0.0005,inf,1024,778.4
3,8.25,0.0002,1.5,1536,780.0
"""


def document(number: int, tokens: int, **names: str | None) -> dict[str, Any]:
    place = {"source": "web", "part": 1, "document": number, "first_token": 0, "tokens": tokens}
    return {"id": f"web:{number}", "url": f"https://a.example/{number}", **place, **names}


def row(*documents: dict[str, Any]) -> dict[str, Any]:
    return {"row": 5, "epoch": 0, "stretch": 0, "nats_per_target": 11.0, "documents": list(documents)}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return runs.build(tmp_path, artifacts=(MODEL,))


def put(place: Place, **files: str) -> None:
    for name, text in files.items():
        place.folder(MODEL).write(name.replace("__", "."), text.encode())


def curve(place: Place) -> Curve:
    found = model(records(place, (MODEL,))[MODEL]).curve
    assert found is not None
    return found


def spoil(place: Place, step: int, *rows: dict[str, Any], loss: float = 30.0, skipped: bool = True) -> None:
    """A bad step, told by the trainer itself."""
    event = blame.event(step, "spike" if loss < 99 else "nonfinite", loss, 45.678, skipped=skipped, rows=rows)
    blame.append(Path(place.folder(MODEL).path("spikes.jsonl")), event)


class Page(HTMLParser):
    """The elements' names and the text."""

    def __init__(self, place: Place) -> None:
        super().__init__(convert_charrefs=True)
        self.names: set[str] = set()
        self.said = ""
        self.feed(Path(write_report(place, (MODEL,), "try")).read_text(encoding="utf-8"))
        self.said = " ".join(self.said.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)

    def handle_data(self, data: str) -> None:
        self.said += data


def test_a_folder_of_an_older_run_has_neither_norms_nor_points_nor_bad_steps(place: Place) -> None:
    found = curve(place)
    assert (len(found.losses), found.norms, found.held_out, found.bad) == (40, (), None, ())
    said = Page(place).said
    assert "checkpoint/main@dev · metrics.csv; the strong line" in said
    assert not [one for one in ("gradient norm", "held-out documents, bits", "ad step") if one in said]


def test_norms_stand_beside_losses_even_where_they_are_no_number(place: Place) -> None:
    put(place, metrics__csv=METRICS)
    found = curve(place)
    assert (found.norms, found.losses[::2]) == ((2.5, float("inf"), 1.5), (9.5, 8.25))
    said = Page(place).said
    assert "gradient norm" in said


@pytest.mark.parametrize(
    ("measures", "unit"),
    [
        (("bits_per_byte/en", "bits_per_byte", "bits_per_byte/de"), "bits per byte"),
        (("nats_per_target/pairs", "nats_per_target/tokens"), "nats per target"),
    ],
)
def test_the_held_out_measure_is_that_of_the_whole_and_a_line_cut_short_is_left_out(
    measures: tuple[str, ...], unit: str, place: Place
) -> None:
    lines = [f"{step},{name},{step / 8 if '/' not in name or 'tokens' in name else 99.0}" for step in (1, 3)
             for name in measures]  # fmt: skip
    put(place, metrics__csv=METRICS, held_out__csv="\n".join(["step,measure,value", *lines, f"4,{measures[1]},0."]))
    found = curve(place).held_out
    assert found is not None
    assert (found.unit, found.steps, found.values) == (unit, (1, 3), (0.125, 0.375))
    said = Page(place).said
    assert f"on held-out documents, {unit}" in said
    assert "0.375" in said
    assert "metrics.csv, held_out.csv; the strong line" in said


def test_a_file_of_held_out_measures_with_its_head_alone_shows_nothing(place: Place) -> None:
    put(place, metrics__csv=METRICS, held_out__csv="step,measure,value\n")
    assert curve(place).held_out is None


def test_bad_steps_name_the_longest_documents_of_their_worst_row(place: Place) -> None:
    put(place, metrics__csv=METRICS)
    unnamed = document(7, 60, id=None, url=None)
    spoil(place, 1, row(*(document(n, 10 * n) for n in range(1, 5)), unnamed), row(document(9, 9)))
    spoil(place, 2, loss=float("nan"), skipped=False)
    with Path(place.folder(MODEL).path("spikes.jsonl")).open("a") as file:
        file.write('{"step": 3, "verd')
    first, second = curve(place).bad
    assert first.documents == (
        Document(name="document 7 of part 1", url=None),
        Document(name="web:4", url="https://a.example/4"),
        Document(name="web:3", url="https://a.example/3"),
    )
    assert (first.more, second.documents, second.more) == (2, (), 0)
    said = Page(place).said
    for one in (
        "▼ bad step",
        "There were 2, and the update was skipped in 1. The documents",
        "1 spike 30 45.68 skipped no urldocument 7 of part 1 https://a.example/4web:4",
        "and 2 more",
        "2 no number nan 45.68 done –",
        "from checkpoint/main@dev · spikes.jsonl",
    ):
        assert one in said
    assert "web:9" not in said


def test_of_many_bad_steps_the_first_ten_are_listed(place: Place) -> None:
    put(place, metrics__csv=METRICS)
    for step in range(1, 13):
        spoil(place, step, row(document(step, 1)))
    said = Page(place).said
    assert "There were 12, and the update was skipped in 12; here are the first 10." in said
    assert ("web:10" in said, "web:11" in said) == (True, False)


def test_a_url_is_shown_as_it_is_and_makes_no_element(place: Place) -> None:
    put(place, metrics__csv=METRICS)
    spoil(place, 1, row(document(1, 1)))
    plain = Page(place)
    spoil(place, 2, row(document(2, 1, url=HOSTILE, id=HOSTILE)))
    hostile = Page(place)
    assert hostile.said.count(HOSTILE) == 2
    assert hostile.names == plain.names
    assert not hostile.names & {"script", "img"}


def test_spikes_are_read_as_the_trainer_writes_them(place: Place) -> None:
    """Every figure may be no number."""
    put(place, metrics__csv=METRICS)
    spoil(place, 2, row(document(1, 1)) | {"nats_per_target": float("nan")}, loss=float("inf"))
    (line,) = Path(place.folder(MODEL).path("spikes.jsonl")).read_text().splitlines()
    assert json.loads(line)["loss"] == "inf"
    assert curve(place).bad[0].loss == float("inf")
