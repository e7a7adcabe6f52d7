"""The report: its page is safe and whole, its numbers are those of the manifests and say whose they are."""

import json
from html.parser import HTMLParser
from pathlib import Path

import build_report_run as runs
import pytest

from corpus.manifest import MANIFEST
from pipelines.artifact import Place
from pipelines.report.page import REPORT, write_report

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>$\\frac{1}{$ \u202e\x07 &amp; {{ 7*7 }} 電"
LOADING = {"script", "img", "iframe", "object", "embed", "link", "base", "form", "audio", "video", "image", "a:href"}
VOID = {"meta", "br"}


class Page(HTMLParser):
    """What a browser would make of it: elements with their attributes, and all text outside of <style>."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.said = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.said += data

    def titles(self, tag: str) -> list[str]:
        return [attrs["title"] for name, attrs in self.elements if name == tag and "title" in attrs]


def written(place: Place, artifacts: tuple[str, ...] = runs.ALL, title: str = "try") -> Page:
    path = Path(write_report(place, artifacts, title))
    assert path.name == REPORT
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return written(runs.build(tmp_path_factory.mktemp("demo")))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return written(runs.build(tmp_path_factory.mktemp("hostile"), HOSTILE), title=HOSTILE)


def test_every_tag_is_closed(demo: Page, hostile: Page) -> None:
    assert demo.open == hostile.open == []


def test_words_of_the_web_make_no_element_and_no_attribute(demo: Page, hostile: Page) -> None:
    names = {name for name, _ in hostile.elements}
    assert names <= {name for name, _ in demo.elements}
    assert not names & LOADING
    attributes = {name for _, attrs in hostile.elements for name in attrs}
    assert not {name for name in attributes if name.startswith("on")}
    assert attributes <= {name for _, attrs in demo.elements for name in attrs}


def test_words_of_the_web_are_shown_as_they_are(hostile: Page) -> None:
    """As text: in the title, the sample rejects, the fault, the model's samples and the names in charts."""
    assert hostile.said.count("<script>alert(1)</script>") >= 5
    assert "{{ 7*7 }}" in hostile.said
    assert hostile.said.count("\\frac{1}{$") >= 5


def test_nothing_is_loaded_from_anywhere(hostile: Page) -> None:
    metas = [attrs for name, attrs in hostile.elements if name == "meta"]
    policy = next(attrs["content"] for attrs in metas if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    for name, attrs in hostile.elements:
        assert "src" not in attrs, name
        assert attrs.get("href", "#").startswith("#"), name
        assert "url(#" in attrs.get("clip-path", "url(#"), name


def test_ids_are_used_once_and_links_lead_somewhere(demo: Page) -> None:
    ids = [attrs["id"] for _, attrs in demo.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {attrs["href"][1:] for _, attrs in demo.elements if "href" in attrs} <= set(ids)


def test_every_number_in_a_table_says_which_artifact_it_is_from(demo: Page) -> None:
    cells = [attrs for name, attrs in demo.elements if name == "td" and attrs.get("class") == "n"]
    assert len(cells) > 50
    assert all(attrs.get("title", "").startswith(runs.ALL) for attrs in cells)
    assert {attrs["title"].split("@")[0].split(" ")[0] for attrs in cells} == set(runs.ALL)
    assert len(demo.titles("li")) == 4


def test_the_headline_is_that_of_the_manifests(demo: Page) -> None:
    said = " ".join(demo.said.split())
    assert "34 records read" in said
    assert "16 documents kept 47.1 % of the records" in said
    assert "1,234,567 tokens" in said
    assert "1.612 bits per byte held out; bigram 2.213, untrained 3.314" in said


def test_the_law_is_shown_for_every_corpus(demo: Page) -> None:
    said = " ".join(demo.said.split())
    for law in (
        "34 read = 30 kept + 4 dropped",
        "30 read = 20 kept + 10 dropped",
        "20 read = 16 kept + 4 dropped",
        "16 read = 2 kept + 14 dropped",
        "16 read = 14 kept + 2 dropped",
    ):
        assert f"{law} ✓ adds up" in said


def test_a_file_with_fewer_rows_than_its_tally_does_not_add_up(tmp_path: Path) -> None:
    place = runs.build(tmp_path)
    manifest = json.loads(place.folder(runs.PAGES).read(MANIFEST))
    manifest["shards"][0]["files"]["data"]["rows"] -= 1
    place.folder(runs.PAGES).write(MANIFEST, json.dumps(manifest).encode())
    said = " ".join(written(place).said.split())
    assert "✗ does not add up: its files hold 19 kept and 10 dropped rows, and corpus/extracted@dev kept 30" in said
    assert said.count("✓ adds up") == 4


def test_what_a_run_does_not_have_is_left_out(tmp_path: Path) -> None:
    """c4_en ends at corpus/deduped; a run that was stopped has less; one with nothing still has a page."""
    place = runs.build(tmp_path, artifacts=runs.LINE)
    sections = [attrs["id"] for name, attrs in written(place, runs.LINE).elements if name == "section"]
    assert sections == ["funnel", "languages", "domains", "lengths", "duplicates", "cost", "provenance"]
    one = written(place, (runs.EXTRACTED,))
    assert [attrs["id"] for name, attrs in one.elements if name == "section"] == [
        "funnel",
        "languages",
        "domains",
        "lengths",
        "cost",
        "provenance",
    ]
    assert "no artifact that is whole" in written(place, ("corpus/unmade",)).said


@pytest.mark.parametrize(
    ("measures", "words"),
    [
        (
            {
                "held_out_targets": {
                    "tokens": {"nats_per_target": 3.2104, "targets": 77, "unigram_nats_per_target": 5.4}
                }
            },
            ("3.210 nats per held-out target a unigram model 5.400", "A held-out target is", "3.210 5.400 77"),
        ),
        (
            {"held_out_unmeasured": "1 held-out documents make no example of 512 tokens"},
            ("Not measured on held-out text: 1 held-out documents make no example of 512 tokens.",),
        ),
    ],
)
def test_a_model_without_bits_per_byte_says_what_it_is_worth(
    measures: dict[str, object], words: tuple[str, ...], tmp_path: Path
) -> None:
    place = runs.build(tmp_path)
    manifest = json.loads(place.folder("checkpoint/main").read(MANIFEST))
    manifest["measures"] = {"n_params": 7, **measures}
    manifest["recipe"]["objective"] = {"name": "next_sentence", "version": 1}
    place.folder("checkpoint/main").write(MANIFEST, json.dumps(manifest).encode())
    said = " ".join(written(place).said.split())
    assert "bits per byte" not in said
    for one in (*words, "loss, nats per masked token + nats per pair of texts"):
        assert one in said


def test_a_corpus_of_nothing_has_a_report(tmp_path: Path) -> None:
    place = Place(runs.Folder(str(tmp_path)))
    runs.put_corpus(place, runs.EXTRACTED, [], ("read_warc",))
    runs.put_corpus(place, runs.PAGES, [], ("c4",))
    assert "0 read = 0 kept + 0 dropped" in " ".join(written(place, runs.LINE).said.split())


def test_the_report_does_not_depend_on_when_it_is_written(tmp_path: Path) -> None:
    place = runs.build(tmp_path)
    first = Path(write_report(place, runs.ALL, "try")).read_bytes()
    assert Path(write_report(place, runs.ALL, "try")).read_bytes() == first
