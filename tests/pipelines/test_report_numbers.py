"""The report's numbers, from manifests and sample rejects."""

import json
from itertools import pairwise
from pathlib import Path

import build_report_run as runs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.canonical import canonical_json
from corpus.manifest import FileInfo, Manifest, ShardInfo, Tally
from corpus.storage import Folder
from pipelines.artifact import Place
from pipelines.report.funnel import SAMPLE_CHARS, levels, passage, stages
from pipelines.report.numbers import Numbers, numbers
from pipelines.report.page import write_report
from pipelines.report.records import Record, records


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return runs.build(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def found(place: Place) -> Numbers:
    return numbers(records(place, runs.ALL))


def test_losses_come_in_the_order_of_the_plan(found: Numbers) -> None:
    losses = [(loss.stage, loss.reason, loss.documents) for loss in found.passages[1].losses]
    assert losses == [("language_filter", "other_language", 5), ("c4", "too_few_sentences", 5)]


def test_sample_rejects_are_three_with_text_cut_to_a_glance(found: Numbers) -> None:
    c4 = found.passages[1].losses[1]
    assert len(c4.samples) == 3
    assert all(one.text and one.text.endswith(" …") and len(one.text) == SAMPLE_CHARS + 2 for one in c4.samples)
    broken = found.passages[0].losses[0]
    assert [(one.text, one.fault) for one in broken.samples] == [(None, "cut ")] * 3


def test_text_cut_out_of_documents_that_stayed_is_counted(found: Numbers) -> None:
    """Each of the 20 kept pages lost 10 bytes."""
    assert [one.cut_bytes for one in found.passages] == [None, 200, 0, 0, None]
    assert [one.copies for one in found.passages] == [0, 0, 0, 0, 14]


def test_levels_lead_from_the_archive_to_the_last_corpus(found: Numbers) -> None:
    assert [(one.name, one.documents, one.lost) for one in found.levels] == [
        ("records read", 34, 0),
        ("read_warc", 30, 4),
        ("corpus/extracted holds", 30, 0),
        ("language_filter", 25, 5),
        ("c4", 20, 5),
        ("lines cut", 20, 0),
        ("exact_dedup", 16, 4),
    ]
    assert found.levels[-1].size_bytes == found.end.kept_bytes  # type: ignore[union-attr]


counts = st.integers(0, 10**6)


@given(
    st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), counts, counts)), max_size=4), counts
)
def test_levels_lose_nothing(drops: list[list[tuple[str, str, int, int]]], kept: int) -> None:
    """Whatever the drops: each level is the one before less what it lost, and the last is what was kept."""
    line: list[Record] = []
    for number, rows in reversed(list(enumerate(drops))):
        below = line[0].manifest.read if line else kept
        tally = (Tally("web", None, None, below, below), *(Tally("web", by, why, n, size) for by, why, n, size in rows))
        manifest = Manifest(f"corpus/{number}", "dev", "corpus", "0", {}, {}, runs.plan("a", "b"), tally)
        line.insert(0, Record(manifest=manifest, run={}, folder=Folder("nowhere")))
    passages = [passage(one, before) for one, before in zip(line, [None, *line], strict=False)]
    found = levels(passages)
    for before, after in pairwise(found):
        assert after.documents == before.documents - after.lost
        if before.size_bytes is not None:
            assert after.size_bytes == before.size_bytes - (after.lost_bytes or 0)
    if found:
        assert (found[-1].documents, found[-1].size_bytes) == (kept, kept)


def test_languages_are_those_of_every_corpus(found: Numbers) -> None:
    assert found.languages is not None
    assert dict(found.languages.rows) == {"en": (22, 15, 12, 2, 20), "de": (8, 5, 4, 0, 8)}


def test_a_corpus_that_kept_nothing_has_none_of_each_language(tmp_path: Path) -> None:
    place = runs.build(tmp_path, artifacts=(runs.EXTRACTED,))
    rows = [runs.dropped(runs.page(n, "Page"), "language_filter", "other_language") for n in range(30)]
    runs.put_corpus(place, runs.PAGES, rows, ("language_filter",))
    found = numbers(records(place, runs.LINE))
    assert found.languages is not None
    assert dict(found.languages.rows) == {"en": (22, 0), "de": (8, 0)}
    assert Path(write_report(place, runs.LINE, "empty")).exists()


def test_domains_are_not_hosts(tmp_path: Path) -> None:
    place = Place(Folder(str(tmp_path)))
    urls = ("https://a.one.example/", "https://b.one.example/x", "http://news.two.co.uk/")
    runs.put_corpus(place, runs.EXTRACTED, [runs.page(n, "Page", url) for n, url in enumerate(urls)], ("extract",))
    found = numbers(records(place, runs.LINE)).domains
    assert found is not None
    assert (found.n_domains, found.rows) == (2, (("one.example", 2), ("two.co.uk", 1)))


def test_clusters_count_the_survivor(found: Numbers) -> None:
    (one,) = found.clusters
    assert (one.stage, one.n_clusters, dict(one.sizes), one.n_removed) == ("exact_dedup", 1, {5: 1}, 4)


def test_the_composition_says_what_was_asked_and_what_it_is(found: Numbers) -> None:
    assert found.composition is not None
    web, total = found.composition.lines
    assert (web.source, web.amount.documents, web.requested_share, web.share) == ("web", 28, 1.0, 1.0)
    assert web.epochs == web.requested_epochs == 2.0
    assert found.composition.tokens == {"total": 1_234_567}
    assert total.amount == web.amount


def test_the_curve_leaves_out_a_line_that_was_cut_short(found: Numbers) -> None:
    assert found.model is not None
    assert found.model.curve is not None
    assert (found.model.curve.steps[-1], found.model.curve.tokens[-1]) == (40, 40 * 2048)


def test_models_stand_beside_their_baselines(found: Numbers) -> None:
    assert found.model is not None
    assert list(found.model.bits_per_byte.items()) == [("trained", 1.612), ("bigram", 2.213), ("untrained", 3.314)]
    assert found.model.by_domain is not None
    assert found.model.by_domain.rows == (("en", (1.612, 2.213, 3.314)),)
    assert dict(found.model.measures.plain) == {"n_params": 1_000_000}


def test_stages_of_a_plan_are_those_of_its_sources_first() -> None:
    firsts = {"map": {"stage": "url_dedup"}, "source": {"reduce": {}, "source": runs.plan("key")}}
    attached = {"attach": firsts, "source": runs.plan("extract", "measure")}
    assert stages({"map": {"stage": "last"}, "source": attached}) == ["extract", "measure", "key", "url_dedup", "last"]


def test_samples_are_looked_for_in_a_bounded_number_of_shards(place: Place) -> None:
    """Shards beyond the bound are not opened: these are not there."""
    record = records(place, runs.LINE)[runs.PAGES]
    shard = record.manifest.shards[0]
    gone = ShardInfo(1, {"rejects": FileInfo("rejects/absent.parquet", 0, "", 0)})
    many = Manifest(**{**vars(record.manifest), "shards": (*[shard] * 16, *[gone] * 5)})
    assert len(passage(Record(manifest=many, run={}, folder=record.folder), None).losses[0].samples) == 3


def test_costs_of_a_step_s_own_are_told(tmp_path: Path) -> None:
    place = runs.build(tmp_path, artifacts=(runs.EXTRACTED,))
    folder = place.folder(runs.EXTRACTED)
    folder.write("run.json", canonical_json(json.loads(folder.read("run.json")) | {"threads": 3}))
    (cost,) = numbers(records(place, runs.LINE)).costs
    assert (cost.more, cost.documents_per_second) == ((("threads", 3),), 34 / 12.5)


def test_run_json_may_be_missing(tmp_path: Path) -> None:
    place = runs.build(tmp_path, artifacts=runs.LINE)
    place.folder(runs.PAGES).remove("run.json")
    assert [cost.label for cost in numbers(records(place, runs.LINE)).costs] == [
        "corpus/extracted@dev",
        "corpus/deduped@dev",
    ]
