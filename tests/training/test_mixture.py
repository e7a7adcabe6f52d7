"""A mixture's shares, repeats, order, noise, sources and places, and runs over one that are stopped and gone on."""

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ConfigError
from corpus.storage import Folder
from tokenizer.order import Order
from tokenizer.shard import Batch, TokenShard, write_shard
from tokenizer.specials import Specials
from training.data import RankSteps, RowData
from training.evaluation.perplexity import HeldOut
from training.fit import fit
from training.mixture import MixedRows, Mixture, Part
from training.objectives import OBJECTIVES, objective
from training.record import read_metrics
from training.spec import ModelSpec
from training.stretches import Phase

SPECIALS = Specials(size=300, eod=0, pad=1, start=2, separator=3, mask=4, sentinels=tuple(range(200, 300)))
WEIGHTS = {"web": 0.7, "code": 0.25, "wiki": 0.05}
DOCUMENTS = {"web": (30, 20), "code": (25,), "wiki": (4, 0, 5)}  # of each shard


@pytest.fixture(scope="module")
def mixture(tmp_path_factory) -> Mixture:
    """Three parts, with shards of the same numbers and a source of the same name."""
    rng, parts = np.random.default_rng(5), {}
    for name, counts in DOCUMENTS.items():
        folder = tmp_path_factory.mktemp(name)
        for number, n in enumerate(counts):
            tokens = [rng.integers(10, 200, k) for k in rng.integers(5, 60, n)]
            marks = [rng.integers(0, 4, len(t)).astype(np.uint8) for t in tokens]
            sources = pa.array([(name, "pages", None)[k % 3] for k in range(n)], pa.string())
            rows = pa.RecordBatch.from_pydict({"id": [f"{name}-{number}-{k}" for k in range(n)], "source": sources})
            write_shard(Folder(str(folder)), number, [Batch(rows, tokens, marks)], vocab_size=300, eod_id=0)
        shards = [TokenShard.open(folder, number, 300) for number in range(len(counts))]
        parts[name] = Part(shards, WEIGHTS[name], f"tokens of {name}")
    return Mixture(parts, max_epochs=1000)


def asked(config, **changes):
    """A configuration for a vocabulary of 300, on rows of 32."""
    return replace(config, model=replace(config.model, vocab=300, context=32), **changes)


def over(config, mixture):
    return RowData.over(config, mixture, SimpleNamespace(size=300, specials=SPECIALS), "")


shares = st.lists(st.floats(0.001, 1), min_size=1, max_size=12)


@given(weights=shares, n_rows=st.integers(1, 500), data=st.data())
def test_each_part_has_its_share_and_each_of_its_rows_comes_equally_often(weights, n_rows, data):
    sizes = data.draw(st.lists(st.integers(1, 60), min_size=len(weights), max_size=len(weights)))
    rows = MixedRows.of({str(p): range(n) for p, n in enumerate(sizes)}, weights, n_rows)
    assert len(rows) == n_rows
    places = [rows.at(i) for i in range(n_rows)]
    found = Counter(part for part, _ in places)
    for part, (weight, size) in enumerate(zip(weights, sizes, strict=True)):
        assert abs(found[part] - n_rows * weight / sum(weights)) <= 1 + 1e-9
        often = Counter(row for of, row in places if of == part)
        assert set(often) <= set(range(size))
        assert {often[row] for row in range(size)} <= {found[part] // size, -(-found[part] // size)}
    for outside in (-1, n_rows):
        with pytest.raises(IndexError, match=f"row {outside} of {n_rows}"):
            rows.at(outside)


def test_the_docstring_s_rows():
    rows = MixedRows.of({"web": range(14), "code": range(2)}, [0.7, 0.3], 10)
    assert [rows.at(i) for i in range(10)] == [(0, row) for row in range(0, 14, 2)] + [(1, 0), (1, 0), (1, 1)]


def test_a_prefix_of_the_order_has_the_shares_of_draws_without_replacement():
    n_rows, k, weight, seeds = 1000, 150, 0.3, 600
    rows = MixedRows.of({"a": range(70), "b": range(9000)}, [weight, 1 - weight], n_rows)
    orders = [Order(n_rows=n_rows, seed=seed).samples(0, k) for seed in range(seeds)]
    counts = [sum(rows.at(i)[0] == 0 for i in order.tolist()) for order in orders]
    variance = k * weight * (1 - weight) * (n_rows - k) / (n_rows - 1)
    assert abs(np.mean(counts) - k * weight) < 4 * (variance / seeds) ** 0.5
    assert abs(np.var(counts) / variance - 1) < 4 * (2 / seeds) ** 0.5


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_every_objective_reads_the_rows_of_its_parts(name, mixture, config):
    task = objective(name, specials=SPECIALS)
    (rows,) = mixture.rows(task, asked(config, steps=100))
    alone = [task.rows(part.shards, 32, config.seed) for part in mixture.parts.values()]
    examples = []
    for i in (0, 150, 290, 360, 385, 399):
        part, row = rows.at(i)
        np.testing.assert_equal(rows.row(i)._asdict(), alone[part].row(row)._asdict())
        examples.append(task.draw(rows.row(i), np.random.default_rng(0)))
        found, expected = rows.documents(i), alone[part].documents(row)
        assert [span._replace(source=None) for span in found] == [span._replace(source=None) for span in expected]
        assert {span.source.split("/")[0] for span in found} == {[*DOCUMENTS][part]} == {found[0].id.split("-")[0]}
    assert {part for part, _ in map(rows.at, (0, 290, 399))} == {0, 1, 2}
    assert len({example["targets_T"].shape for example in examples}) == 1


@pytest.mark.parametrize("name", ["causal", "next_sentence"])
def test_sources_are_counted_by_part(name, mixture, config):
    (rows,) = mixture.rows(objective(name, specials=SPECIALS), asked(config, steps=100))
    sources = mixture.sources()
    found = sources.measures(sources.counted(rows, range(len(rows))))
    parts = [source.partition("/")[0] for source in found]
    assert Counter(parts) == {"web": 3, "code": 3, "wiki": 3}
    row_len = 32 if name == "causal" else 10**6
    expected = Counter()
    for i in range(len(rows)):
        for span in rows.documents(i):
            expected[span.source] += max(min(span.row_stop, row_len) - span.row_start, 0)
    assert {source: told["tokens"] for source, told in found.items()} == expected
    if name == "causal":
        tokens = Counter()
        for part, told in zip(parts, found.values(), strict=True):
            tokens[part] += told["tokens"]
        assert tokens == {"web": 280 * 32, "code": 100 * 32, "wiki": 20 * 32}
    state = sources.state(sources.counted(rows, range(100)))
    np.testing.assert_array_equal(sources.restored(state), sources.counted(rows, range(100)))


def test_a_row_that_comes_again_has_other_noise(mixture, config):
    """Of a part that has few."""
    spec = ModelSpec(family="bert", layers=1, width=8, heads=2, ffn=8, vocab=300, context=32)
    data = over(replace(config, model=spec, objective="masked", steps=100), mixture)
    (rows,) = data.rows
    samples = [sample for step in range(100) for sample in data.samples(step)]
    assert sorted(sample.row for sample in samples) == list(range(400))
    assert {sample.epoch for sample in samples} == {0}
    of_code = [sample for sample in samples if rows.at(sample.row) == (1, 3)]
    assert len(of_code) > 1
    tokens = data.batch(of_code)["tokens"].numpy()
    assert len({tuple(row) for row in tokens.tolist()}) == len(of_code)


@given(step=st.integers(0, 39), world=st.sampled_from([1, 2, 4]))
def test_resumed_at_any_step_and_split_over_ranks(step, world, mixture, config):
    """A run of two lengths of rows; each length has the shares."""
    config = asked(config, steps=40, curriculum=(Phase(context=8, share=0.5),))
    data = over(config, mixture)
    whole = data.batch(data.samples(step))["tokens"].numpy()
    resumed = over(config, mixture)
    resumed.load_state_dict({"step": step, "fingerprint": mixture.fingerprint})
    (mine,) = RankSteps(resumed, 0, 1)[step]
    np.testing.assert_array_equal(mine["tokens"].numpy(), whole)
    ranks = [RankSteps(data, rank, world)[step][0] for rank in range(world)]
    np.testing.assert_array_equal(np.concatenate([rank["tokens"].numpy() for rank in ranks]), whole)
    np.testing.assert_array_equal(sum(rank["read"].numpy() for rank in ranks), mine["read"].numpy())
    assert [Counter(rows.at(i)[0] for i in range(len(rows))) for rows in data.rows] == [{0: 56, 1: 20, 2: 4}] * 2


def test_other_weights_parts_or_texts_are_another_mixture(mixture, config):
    web, code, wiki = mixture.parts.values()
    others = [
        {"web": web._replace(weight=0.25), "code": code._replace(weight=0.7), "wiki": wiki},
        {"code": code, "web": web, "wiki": wiki},
        {"web": web, "code": code, "wiki": wiki._replace(fingerprint="others")},
    ]
    assert len({mixture.fingerprint, *(Mixture(parts).fingerprint for parts in others)}) == 4
    data = over(asked(config), Mixture(others[0], max_epochs=1000))
    with pytest.raises(ConfigError, match="the checkpoint was trained on tokens"):
        data.load_state_dict({"step": 1, "fingerprint": mixture.fingerprint})


@given(max_epochs=st.floats(0.05, 8), curriculum=st.sampled_from([(), (Phase(context=8, share=0.5),)]))
def test_what_would_be_repeated_too_often_is_said_before(max_epochs, curriculum, mixture, config):
    bounded = replace(mixture, max_epochs=max_epochs)
    config = asked(config, steps=1_000_000, curriculum=curriculum)
    task = config.task(SPECIALS)
    with pytest.raises(ConfigError, match=r'part "web" would be read .* of 1,000,000 steps, more than') as said:
        bounded.rows(task, config)
    shards, lengths = mixture.parts["web"].shards, [stretch.context for stretch in config.stretches]
    epochs = sum(0.7 * 4_000_000 / len(lengths) / len(task.rows(shards, length, 3)) for length in lengths)
    assert f"would be read {epochs:.4g} times over to be 70.00% of" in str(said.value)
    fits = int(str(said.value).partition("last for ")[2].partition(" steps")[0].replace(",", ""))
    if curriculum:  # halves of whole steps
        fits -= fits % 2
    if fits > 1:
        assert bounded.rows(task, replace(config, steps=fits))
    with pytest.raises(ConfigError, match=f"more than max_epochs {max_epochs:g} allows"):
        bounded.rows(task, replace(config, steps=fits + 2))


def test_weights_and_parts_that_cannot_be(mixture, config):
    web, code, wiki = mixture.parts.values()
    for parts, words in (
        ({"web": web, "code": code}, "weights sum to 0.95, but should sum to 1"),
        ({"web": web._replace(weight=1.0), "wiki": wiki._replace(weight=0.0)}, 'part "wiki" has weight 0.0; leave it'),
        ({"web": web._replace(weight=float("nan"))}, 'part "web" has weight nan'),
        ({}, "weights sum to 0"),
    ):
        with pytest.raises(ConfigError, match=words):
            Mixture(parts)
    long = replace(config, model=replace(config.model, vocab=300, context=200), steps=2, batch_rows=1)
    with pytest.raises(ConfigError, match='part "wiki" does not fill one row of 200 tokens'):
        over(long, replace(mixture, parts={**mixture.parts, "wiki": wiki._replace(shards=wiki.shards[1:])}))
    with pytest.raises(ConfigError, match="shards of 300 tokens, a vocabulary of 301"):
        RowData.over(replace(config, model=replace(config.model, vocab=301)), mixture, SimpleNamespace(size=301), "")


class Stopped(Exception):
    """By hand."""


def stop(step: int, *_: float) -> None:
    if step == 7:
        raise Stopped


def test_a_stopped_run_is_the_run_that_was_not(vocab, shards, config, tmp_path):
    """Through `fit`: the loss, the weights and what was read of each source, over two lengths of rows."""
    first, second = (Part([shard], weight, str(weight)) for shard, weight in zip(shards, (0.6, 0.4), strict=True))
    mixture = Mixture({"first": first, "second": second}, max_epochs=2)
    config = replace(config, curriculum=(Phase(context=8, share=0.5),))
    run = config, mixture, mixture.fingerprint, vocab
    whole = fit(*run, tmp_path / "whole", held_out=[HeldOut("nine and nine make more.")])
    with pytest.raises(Stopped):
        fit(*run, tmp_path / "stopped", on_progress=stop)
    again = fit(*run, tmp_path / "stopped")
    assert again["sources"] == whole["sources"]
    assert list(whole["sources"]) == ["first/unknown", "second/unknown"]
    assert sum(told["tokens"] for told in whole["sources"].values()) == config.tokens_after(12)
    losses = [[row["loss"] for row in read_metrics(tmp_path / name / "metrics.csv")] for name in ("whole", "stopped")]
    assert losses[0] == losses[1]
    models = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "stopped")]
    assert models[0] == models[1]
    leak = HeldOut(vocab.decode(shards[1].document(29)[:-1]))
    with pytest.raises(ConfigError, match="held-out documents that were compared are among the training tokens"):
        fit(*run, tmp_path / "leak", held_out=[leak])


def test_the_script_of_the_documentation(finished, tmp_path, monkeypatch):
    """With one finished run for both: 8 rows of 64 tokens."""
    monkeypatch.chdir(tmp_path)
    for name in ("web", "code"):
        shutil.copytree(finished.root, tmp_path / "runs" / name)
    shutil.copy(finished.recipe, "my.yaml")
    page = (Path(__file__).parents[2] / "docs/mixtures.md").read_text()
    said = {}
    exec(page.partition("```python\n")[2].partition("```")[0], said)
    tokens = {source: read["tokens"] for source, read in said["measures"]["sources"].items()}
    assert tokens == {"web/web": 6 * 64, "code/web": 2 * 64}
    assert Path("runs/mixed/model.safetensors").exists()
