"""Which snapshots a run builds, and with which earlier ones each is compared."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dags.snapshots import archives, built, month_before, snapshots
from pipelines.recipe import load

NAMES = st.lists(st.sampled_from(["2025-50", "2026-05", "2026-10", "2026-22", "2026-41"]), unique=True)


def versions(said: str) -> list[str]:
    """The versions that an override names, as the recipe's reader understands it."""
    against = load("monthly", [said]).corpus.against
    return [] if against is None else [one.version for one in against.versions]


@given(NAMES, NAMES, st.integers(0, 4))
def test_each_is_compared_with_the_last_before_it(wanted: list[str], there: list[str], at_most: int) -> None:
    found = snapshots(wanted, there, "web", "/crawl/{snapshot}/*.gz", at_most)
    assert [one["version"] for one in found] == sorted(wanted)
    for one in found:
        before = sorted(name for name in {*wanted, *there} if name < one["version"])
        assert versions(one["against"]) == (before[-at_most:] if at_most else [])


def test_archives_are_those_of_the_snapshot() -> None:
    said = archives("web", "/crawl/{snapshot}/*/{snapshot}-*.warc.gz", "2026-41")
    assert load("monthly", [said]).sources["web"].paths == ("/crawl/2026-41/*/2026-41-*.warc.gz",)


def test_a_pattern_with_braces_and_quotes_stays_as_it_is() -> None:
    said = archives("web", '/crawl/{a,b}/"{snapshot}"/*.gz', "2026-41")
    assert load("monthly", [said]).sources["web"].paths == ('/crawl/{a,b}/"2026-41"/*.gz',)


def test_built_are_released_versions_that_are_whole(tmp_path: Path) -> None:
    for name, whole in {"2026-10": True, "2026-22": False, "dev": True}.items():
        folder = tmp_path / "corpus" / "deduped" / name
        folder.mkdir(parents=True)
        if whole:
            (folder / "manifest.json").write_text(json.dumps({}))
    assert built(str(tmp_path)) == ["2026-10"]
    assert built(f"file://{tmp_path}") == ["2026-10"]


@pytest.mark.parametrize(
    ("day", "month"), [("2026-11-01", "2026-10"), ("2026-01-31", "2025-12"), ("2026-03-31", "2026-02")]
)
def test_the_month_before_has_ended(day: str, month: str) -> None:
    assert month_before(datetime.fromisoformat(f"{day}T00:00+00:00")) == month


def test_nothing_is_built_where_there_is_nothing(tmp_path: Path) -> None:
    assert built(str(tmp_path / "new")) == []
