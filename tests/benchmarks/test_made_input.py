"""Inputs that benchmarks make up: archives that our reader reads, documents with the duplicates that were planted."""

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from small_run import warc

from corpus.archive.records import Record, read_records
from corpus.parquet import read_batches
from corpus.text.minhash import MinHash
from corpus.text.shingles import plain_shingles

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _beside_the_benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


def urls(data: bytes) -> list[str]:
    records = [*read_records(io.BytesIO(data), 0, len(data), max_bytes=2**20)]
    assert all(isinstance(record, Record) for record in records)
    return [record.fields["warc-target-uri"] for record in records]


def test_tiny_archives_have_a_record_or_two_and_no_two_fit_into_the_largest():
    from tiny_archives import archives

    made = dict(archives(40))
    assert [len(urls(data)) for data in made.values()] == [1, 2] * 20
    assert len({url for data in made.values() for url in urls(data)}) == 40
    sizes = [len(data) for data in made.values()]
    assert max(sizes) < 2 * min(sizes)


def test_repeated_archive_has_each_page_under_other_urls(tmp_path):
    from repeated_pages import repeated

    archive = tmp_path / "pages.warc.gz"
    first = warc("http://a.example/", b"<p>one</p>") + warc("http://a.example/two?x=1", b"<p>two</p>")
    archive.write_bytes(first)
    repeated(archive, 3)
    data = archive.read_bytes()
    assert data.startswith(first)
    assert len(set(urls(data))) == 6
    assert gzip.decompress(data).count(b"<p>two</p>") == 3


def jaccard(one: str, other: str) -> float:
    left, right = set(plain_shingles(one, 5)), set(plain_shingles(other, 5))
    return len(left & right) / len(left | right)


def test_planted_clusters_are_alike_and_nothing_else_is():
    from planted_pages import PLANTED_SHARE, origins, texts

    of = origins(5_000)
    _, sizes = np.unique(of, return_counts=True)
    assert sizes[sizes > 1].sum() == pytest.approx(PLANTED_SHARE * 5_000, abs=2)
    assert (sizes == 2).sum() > (sizes == 4).sum() > 0  # a power law
    made = texts(np.arange(5_000), of).to_pylist()
    assert all(60 <= len(text.split()) <= 100 for text in made)
    pairs = [(n, o) for n, o in enumerate(of.tolist()) if n != o][:300]
    assert all(jaccard(made[n], made[o]) > 0.4 for n, o in pairs)
    strangers = [(n, n + 1) for n in range(300) if of[n] != of[n + 1]]
    assert all(jaccard(made[n], made[o]) < 0.05 for n, o in strangers)


def test_shards_hold_what_all_documents_together_would(tmp_path):
    from planted_pages import STORED, origins, texts, write_pages

    files = json.loads(write_pages(tmp_path / "pages", 1_000, 300).read_text())
    assert [file["rows"] for file in files] == [300, 300, 300, 100]
    rows = pa.Table.from_batches([batch for file in files for batch in read_batches(file["path"])], STORED)
    assert rows.column("text").combine_chunks() == texts(np.arange(1_000), origins(1_000))
    assert rows.column("shard").to_pylist() == [n // 300 for n in range(1_000)]
    assert rows.column("row").to_pylist() == [n % 300 for n in range(1_000)]
    assert len(set(rows.column("id").to_pylist())) == 1_000


def test_near_dedup_job_finds_planted_duplicates_and_tells_what_it_took(tmp_path):
    from growth import LOCAL, _run
    from planted_pages import origins, write_pages

    listed = write_pages(tmp_path / "pages", 400, 200)
    run = _run(LOCAL, listed, tmp_path, [])
    keys, _ = MinHash().band_keys(np.array([0, 1]), np.frombuffer(b"a", np.uint8))
    assert keys.shape == (1, 14)
    n_texts = len(np.unique(origins(400)))
    assert n_texts <= run.told["kept"] < 400
    assert run.told["shuffle_bytes"] > 400 * 14 * 8  # a key a band at least


def test_exponent_of_growth():
    from growth import exponent

    assert exponent(10, 1000, 2, 200) == pytest.approx(1)
    assert exponent(10, 100, 2, 200) == pytest.approx(2)
    assert exponent(10, 100, 0, 200) is None
