"""The benchmark of extraction, on a set and with a peer made on the spot."""

import gzip
import json
import sys
from pathlib import Path

import pytest
from small_run import prose, warc

from corpus.errors import ConfigError
from corpus.html.learn.split import part

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PEER = """
__version__ = "9.9"
heard = []
def extract(html, **settings):
    heard.append(html)
    if "fails" in html and settings.get("fast"):
        raise ValueError("this peer fails here")
    return f"the peer {len(heard) if settings.get('deduplicate') else 'reads'}"
"""
SIDES = {side: [f"site{n}.org" for n in range(40) if part(f"site{n}.org", ()) == side] for side in ("aside", "train")}


@pytest.fixture
def bench(tmp_path, monkeypatch, capsys):
    """What the benchmark prints for a set of 12 pages, 6 of them aside."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    module = tmp_path / "modules" / "trafilatura"
    module.mkdir(parents=True)
    (module / "__init__.py").write_text(PEER)
    (module / "meta.py").write_text("import trafilatura\ndef reset_caches():\n    trafilatura.heard.clear()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    folder = tmp_path / "wcxb-dev"
    folder.mkdir()
    hosts = SIDES["aside"][:6] + SIDES["train"][:6]
    rows = [
        {"uri": f"http://{host}/", "text": prose(host), "must_have": [host], "must_not_have": ["Imprint"], "other": {}}
        | {"page_type": "article" if n % 2 else "forum", "title": None, "key": host}
        for n, host in enumerate(hosts)
    ]
    (folder / "gold.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    page = "<html lang=en><nav>Imprint</nav><article><p>{}</p></article>{}"
    bodies = [page.format(row["text"], "<b>fails</b>" if row["key"] == hosts[-1] else "").encode() for row in rows]
    archive = b"".join(warc(row["uri"], body) for row, body in zip(rows, bodies, strict=True))
    (folder / "pages.warc.gz").write_bytes(archive)
    (tmp_path / "held-out.txt").write_text("")

    def run(*words: object) -> str:
        import extraction

        line = ["extraction.py", folder, "--held-out", tmp_path / "held-out.txt", "--rounds", 1, *words]
        monkeypatch.setattr(sys, "argv", [*map(str, line)])
        extraction.main()
        return capsys.readouterr().out

    return run


def rows_of(printed: str) -> dict[str, list[str]]:
    cells = [line.strip("| ").split(" | ") for line in printed.split("\n") if line.startswith("| ")]
    return {first: rest for first, *rest in reversed(cells)}  # of two tables the first


def test_tables_of_ours_and_the_peer(bench):
    printed = bench("--part", "all", "--peer", sys.executable)
    assert "wcxb-dev: 12 pages (all, every 1)" in printed
    table = rows_of(printed)
    assert table["resiliparse"][1:] == ["1.000", "1.000", "1.000", "0.000"]  # both F1, recall, leak
    assert table["text"][-1] == "1.000"
    assert float(table["trafilatura"][1]) < 0.1
    assert "| extractor | article (6) | forum (6) |" in printed


def test_only_pages_of_sites_set_aside_unless_asked(bench, tmp_path):
    assert "wcxb-dev: 6 pages (aside, every 1)" in bench("--peer", tmp_path / "none")
    assert "wcxb-dev: 3 pages (train, every 2)" in bench("--peer", tmp_path / "none", "--part", "train", "--every", 2)


def test_without_its_environment_the_peer_is_left_out(bench, tmp_path):
    assert "trafilatura" not in bench("--peer", tmp_path / "none")


def test_worst_pages_are_never_of_sites_set_aside(bench, tmp_path):
    printed = bench("--peer", tmp_path / "none", "--part", "all", "--worst", 99)
    named = {line.split("http://")[1].strip("/") for line in printed.split("\n") if "http://" in line}
    assert named == set(SIDES["train"][:6])
    with pytest.raises(SystemExit):
        bench("--peer", tmp_path / "none", "--worst", 1)


def test_a_cache_keeps_what_the_peer_made_of_these_pages(bench, tmp_path):
    words = ("--peer", sys.executable, "--cache", tmp_path / "cache")
    bench(*words)
    (kept,) = (tmp_path / "cache").iterdir()
    assert kept.name.startswith("trafilatura-9.9-")
    runs = json.loads(kept.read_text())
    runs["trafilatura"]["texts"] = [prose(host) for host in SIDES["aside"][:6]]
    kept.write_text(json.dumps(runs))
    assert rows_of(bench(*words))["trafilatura"][1] == "1.000"
    bench(*words, "--every", 2)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_each_round_begins_without_what_earlier_pages_held(bench, tmp_path):
    bench("--peer", sys.executable, "--part", "all", "--rounds", 2, "--cache", tmp_path)
    (kept,) = tmp_path.glob("trafilatura-*.json")
    runs = json.loads(kept.read_text())
    assert runs["trafilatura as in datatrove"]["texts"][0] == "the peer 1"
    assert runs["trafilatura, fast"]["texts"] == ["the peer reads"] * 11 + [""]
    assert {len(run["seconds"]) for run in runs.values()} == {2}


def test_a_peer_that_ends_is_said(bench, tmp_path):
    (tmp_path / "modules" / "trafilatura" / "meta.py").write_text("raise SystemExit(3)")
    with pytest.raises(ConfigError, match="the peer's process ended"):
        bench("--peer", sys.executable)
