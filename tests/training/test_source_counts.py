"""What a run has read of each source: the rows' own spans, on any ranks and over any restart."""

from collections import Counter

import pyarrow as pa
import pytest
from rank_processes import run_ranks
from small_fits import Stopped, record, varied
from small_sums import sums

from corpus.storage import Folder
from tokenizer.shard import TokenShard, write_shard
from training.data import RowData
from training.fit import fit


@pytest.fixture(scope="module")
def mixed(vocab, tmp_path_factory):
    """Documents of three sources, one of them without a name."""
    folder = tmp_path_factory.mktemp("mixed")
    names = pa.array([("web", "wiki", None)[n % 3] for n in range(60)], pa.string())
    origins = pa.RecordBatch.from_arrays([pa.array([str(n) for n in range(60)]), names], ["id", "source"])
    batch = (origins, vocab.encode_batch(sums(range(60))))
    write_shard(Folder(str(folder)), 0, [batch], vocab_size=vocab.size, eod_id=vocab.eod_id)
    return [TokenShard.open(folder, 0, vocab.size)]


def by_hand(config, shards, vocab):
    data, rows, tokens = RowData.over(config, shards, vocab, "abc"), Counter(), Counter()
    for step in range(config.steps):
        for sample in data.samples(step):
            found = Counter()
            for span in data.rows[sample.stretch].documents(sample.row):
                found[span.source or "unknown"] += min(span.row_stop, 16) - span.row_start
            rows.update(name for name, n in found.items() if n > 0)
            tokens.update({name: n for name, n in found.items() if n > 0})
    return {name: (rows[name], tokens[name]) for name in sorted(tokens)}


def counted(measures):
    return {name: (told["rows"], told["tokens"]) for name, told in measures["sources"].items()}


def test_a_run_counts_what_its_rows_are_made_of(config, mixed, vocab, tmp_path):
    config = varied(config, steps=7, checkpoint_every=3)
    expected = by_hand(config, mixed, vocab)
    assert set(expected) == {"unknown", "web", "wiki"}
    assert sum(tokens for _, tokens in expected.values()) == 7 * 4 * 16
    for pieces, micro_rows in ((1, None), (4, 1)):
        out = tmp_path / str(pieces)
        assert counted(fit(varied(config, micro_rows=micro_rows), mixed, "abc", vocab, out)) == expected
        assert {name: tuple(counts) for name, counts in record(out, 7)["callbacks"]["SourceCounts"].items()} == expected
    spread = varied(config, strategy="fsdp", micro_rows=1, workers=1)
    run_ranks(2, lambda: fit(spread, mixed, "abc", vocab, tmp_path / "two"))
    assert record(tmp_path / "two", 7)["callbacks"] == record(tmp_path / "1", 7)["callbacks"] | {
        "Watch": record(tmp_path / "two", 7)["callbacks"]["Watch"]
    }


def test_a_finished_run_still_knows(config, mixed, vocab, tmp_path):
    """7 is no step at which the others' counts are asked for but the last."""
    config = varied(config, steps=7, checkpoint_every=3)
    first = fit(config, mixed, "abc", vocab, tmp_path)
    assert fit(config, mixed, "abc", vocab, tmp_path)["sources"] == first["sources"]


def test_a_stopped_run_counts_on(config, mixed, vocab, tmp_path):
    config = varied(config, steps=7, checkpoint_every=3)

    def stops(step, *_):
        if step == 5:
            raise Stopped

    with pytest.raises(Stopped):
        fit(config, mixed, "abc", vocab, tmp_path, on_progress=stops)
    assert counted(fit(config, mixed, "abc", vocab, tmp_path)) == by_hand(config, mixed, vocab)
