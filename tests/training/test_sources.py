"""Counts by source are those of the documents' spans, for every kind of rows, and add up over ranks and restarts."""

import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from corpus.errors import DataError
from corpus.storage import Folder
from tokenizer.shard import Batch, TokenShard, write_shard
from tokenizer.specials import Specials
from training.objectives import objective
from training.sources import UNKNOWN, Sources

SPECIALS = Specials(size=300, eod=0, pad=1, start=2, separator=3, mask=4, sentinels=tuple(range(200, 300)))
NAMES = ["web", "wiki", None, "code"]


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> list[TokenShard]:
    """Three parts, one of them empty; the last knows a source that the first does not."""
    folder, rng = tmp_path_factory.mktemp("sources"), np.random.default_rng(5)
    for part, n in enumerate((30, 0, 20)):
        tokens = [rng.integers(10, 200, k) for k in rng.integers(1, 60, n)]
        marks = [rng.integers(0, 4, len(t)).astype(np.uint8) for t in tokens]
        sources = [NAMES[int(k)] for k in rng.integers(0, 3 if part == 0 else 4, n)]
        rows = pa.RecordBatch.from_pydict({"id": [str(k) for k in range(n)], "source": pa.array(sources, pa.string())})
        write_shard(Folder(str(folder)), part, [Batch(rows, tokens, marks)], vocab_size=300, eod_id=0)
    return [TokenShard.open(folder, part, 300) for part in range(3)]


def by_spans(rows, which, row_len):
    """Rows and tokens by source, from what `documents` says. Tokens that the next row has too are its own."""
    n_rows, n_tokens = Counter(), Counter()
    for i in which:
        found = Counter()
        for span in rows.documents(i):
            found[span.source or UNKNOWN] += max(min(span.row_stop, row_len) - span.row_start, 0)
        n_tokens += found
        n_rows += Counter(name for name, n in found.items() if n)
    return n_rows, n_tokens


@pytest.mark.parametrize(
    "name", ["causal", "prefix_lm", "masked", "roberta", "span_corruption", "bart", "next_sentence"]
)
def test_counts_are_those_of_the_spans(name, parts):
    rows = objective(name, specials=SPECIALS).rows(parts, 32, 3)
    sources = Sources.of(parts)
    packed = getattr(rows, "packed", None)
    row_len = packed.row_len if packed else 10**6
    n = len(rows)
    assert n > 20
    found = sources.measures(sources.counted(rows, range(n)))
    n_rows, n_tokens = by_spans(rows, range(n), row_len)
    assert {name: told["rows"] for name, told in found.items()} == {name: n_rows[name] for name in sources.names}
    assert {name: told["tokens"] for name, told in found.items()} == {name: n_tokens[name] for name in sources.names}
    if packed:  # an epoch is each token once, but the tail
        assert sum(told["tokens"] for told in found.values()) == row_len * n
        assert all(0.9 < told["epochs"] <= 1 for told in found.values())


def test_each_document_keeps_its_source(parts):
    sources = Sources.of(parts)
    assert sources.names == ("code", UNKNOWN, "web", "wiki")
    for shard, codes_N in zip(parts, sources.codes, strict=True):
        expected = [name or UNKNOWN for name in shard.origins["source"].to_pylist()]
        assert [sources.names[code] for code in codes_N] == expected
        assert codes_N.dtype == np.uint8
    assert sources.tokens_S.sum() == sum(len(shard.tokens) for shard in parts)


def test_ranks_and_restarts_add_up(parts):
    rows = objective("causal", specials=SPECIALS).rows(parts, 16, 3)
    sources = Sources.of(parts)
    whole = sources.counted(rows, range(40))
    ranks = [sources.counted(rows, range(start, 40, 4)) for start in range(4)]
    np.testing.assert_array_equal(sum(ranks), whole)
    state = json.loads(json.dumps(sources.state(sources.counted(rows, range(25)))))
    np.testing.assert_array_equal(sources.restored(state) + sources.counted(rows, range(25, 40)), whole)
    np.testing.assert_array_equal(sources.restored(sources.state(sources.nothing())), sources.nothing())
    twice = sources.measures(2 * sources.counted(rows, range(len(rows))))
    assert 1.9 < twice["web"]["epochs"] <= 2


def test_a_table_of_other_documents_is_refused(parts, tmp_path):
    for part in (0, 2):
        for path in parts[0].folder.glob(f"part-{part:05d}*"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "part-00000.documents.parquet").write_bytes((tmp_path / "part-00002.documents.parquet").read_bytes())
    with pytest.raises(DataError, match=r"part-00000\.documents\.parquet has 20 documents, and the index .* 30"):
        Sources.of([TokenShard.open(tmp_path, 0, 300)])
