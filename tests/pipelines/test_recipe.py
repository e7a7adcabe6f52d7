"""Recipes: the fixed format, overrides, paths, and identity. Their errors are in test_recipe_errors.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import ConfigError
from corpus.text.c4 import C4
from corpus.text.verdict import Drop, Keep
from pipelines.recipe import Recipe, build_rules, load, shipped, text_of
from pipelines.sections import MinHashDedup

ROOT = Path(__file__).resolve().parents[2]

CONTRACT = (Path(__file__).parent / "contract.yaml").read_text(encoding="utf-8")


@pytest.fixture
def written(tmp_path):
    """A function from a recipe's text to the path of its file."""

    def write(text: str) -> str:
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_the_fixed_format_is_read(written, tmp_path):
    recipe = load(written(CONTRACT))
    assert (recipe.name, recipe.seed) == ("demo", 17)
    assert recipe.sources["web"].paths == (f"{tmp_path}/samples/web/*.warc.gz",)
    corpus = recipe.corpus
    assert corpus.language is not None
    assert (corpus.language.keep, corpus.language.min_score) == (("de", "en", "es", "fr"), 0.65)
    assert build_rules(corpus.rules) == (C4(dialect="tfds-3"),)
    assert [step.method for step in corpus.dedup] == ["url", "exact", "minhash"]
    assert corpus.dedup[2] == MinHashDedup(method="minhash", ngram=5, bands=14, rows=8)
    assert corpus.holdout is not None
    assert corpus.holdout.share == 0.05
    assert recipe.mix is not None
    assert (recipe.mix.weights, recipe.mix.budget.bytes, recipe.mix.max_epochs) == ({"web": 1.0}, 4_000_000, 8)
    assert recipe.tokenizer is not None
    assert recipe.tokenizer.vocab_size == 8192
    assert recipe.training is not None
    assert (recipe.training.context, recipe.training.steps) == (256, 300)


@pytest.mark.parametrize("empty", ["null", "{}", "[]", "", "~"])
@pytest.mark.parametrize(("step", "nothing"), [("language", None), ("rules", ()), ("dedup", ()), ("holdout", None)])
def test_a_step_that_is_null_or_empty_keeps_everything(written, step, nothing, empty):
    lines = [f"  {step}: {empty}" if line.startswith(f"  {step}:") else line for line in CONTRACT.splitlines()]
    assert getattr(load(written("\n".join(lines))).corpus, step) == nothing


def test_norwegian_is_a_language(written):
    recipe = load(written(CONTRACT.replace("[en, de, fr, es]", "[no, en]")))
    assert recipe.corpus.language is not None
    assert recipe.corpus.language.keep == ("en", "no")


def test_overrides_are_laid_over_in_order():
    recipe = load(
        "demo",
        ["corpus.rules.0.min_words=3", "seed=1", "seed=2", "corpus.holdout=", "mix.weights={web: 1}", "training=null"],
    )
    assert build_rules(recipe.corpus.rules) == (C4(min_words=3),)
    assert (recipe.seed, recipe.corpus.holdout, recipe.training) == (2, None, None)


def test_an_override_makes_what_is_not_there():
    recipe = load("c4_en", ["corpus.holdout.share=0.1", "mix={weights: {web: 1}}", "mix.budget.bytes=1000"])
    assert recipe.corpus.holdout is not None
    assert recipe.corpus.holdout.share == 0.1
    assert recipe.mix is not None
    assert recipe.mix.budget.bytes == 1000


def test_an_override_leaves_the_other_side_of_an_alias(written):
    shared = """\
name: two
seed: 1
sources:
  wiki: &w {format: warc, paths: [/w]}
  web: *w
corpus: {}
"""
    recipe = load(written(shared), ["sources.web.paths.0=/other"])
    assert (recipe.sources["wiki"].paths, recipe.sources["web"].paths) == (("/w",), ("/other",))


def test_paths_do_not_depend_on_the_current_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert load("demo").sources["web"].paths == (str(ROOT / "samples/web/*.warc.gz"),)
    given_paths = ["here/*.gz", "/abs/*.gz", "s3://bucket/*.gz", "memory://x.gz", "~/y.gz"]
    recipe = load("c4_en", [f"sources.web.paths={json.dumps(given_paths)}"])
    here = [f"{tmp_path}/here/*.gz", "/abs/*.gz", "s3://bucket/*.gz", "memory://x.gz", f"{Path.home()}/y.gz"]
    assert recipe.sources["web"].paths == tuple(here)


def test_a_copy_of_a_shipped_recipe_is_the_same_recipe_elsewhere(written, tmp_path):
    copy = load(written(text_of("demo")))
    assert copy.sources["web"].paths == (f"{tmp_path}/samples/web/*.warc.gz",)
    assert copy.identity() == load("demo").identity()


def test_a_folder_s_name_is_no_pattern(tmp_path):
    folder = tmp_path / "runs[1]*"
    folder.mkdir()
    (folder / "mine.yaml").write_text(CONTRACT.replace("samples/web/*.warc.gz", "*.gz"))
    (folder / "a.gz").touch()
    [pattern] = load(str(folder / "mine.yaml")).sources["web"].paths
    fsspec = pytest.importorskip("fsspec")
    fs, path = fsspec.core.url_to_fs(pattern)
    assert fs.glob(path) == [str(folder / "a.gz")]


def test_shipped_recipes_load():
    assert {"c4_en", "demo", "bert_base", "gpt2_small", "tiny_bert", "unfiltered_en"} <= set(shipped())
    assert shipped() == sorted(shipped())
    for name in shipped():
        assert load(name).name == name


def test_demo_is_the_contract_with_more_shards(written):
    sizes = ["corpus.split_bytes=67108864", "corpus.shard_bytes=33554432"]
    assert load(written(CONTRACT)).identity() == load("demo", sizes).identity()
    demo = load("demo").corpus
    assert (demo.split_bytes, demo.shard_bytes) == (524_288, 393_216)


@pytest.mark.parametrize("name", ["c4_en", "unfiltered_en"])
def test_a_recipe_without_inputs_can_be_planned_but_not_run(name):
    recipe = load(name)
    assert recipe.mix is recipe.tokenizer is recipe.training is None
    with pytest.raises(ConfigError, match=rf"sources.web.paths is empty: .*--set .*millstream init {name}"):
        recipe.require_inputs()
    load(name, ["sources.web.paths=[/data/x.warc.gz]"]).require_inputs()


def test_unfiltered_en_keeps_c4_s_rule_2_alone():
    [rule] = build_rules(load("unfiltered_en").corpus.rules)
    junk = "menu\n{ javascript lorem ipsum }\nterms of use ... sex"
    assert rule(junk) == Keep(junk)
    assert rule("x" * 190_000) == Keep("x" * 190_000)
    assert rule("x" * 190_001) == Drop("too_long")


def test_identity_says_what_and_not_where_or_how_it_is_called():
    one = load("demo")
    other = load("demo", ["name=other", "sources.web.paths=[/elsewhere]", "corpus.language.keep=[fr, es, en, de]"])
    assert one.identity() == other.identity()
    assert one.identity("corpus.language") == {"keep": ["de", "en", "es", "fr"], "min_score": 0.65}
    assert one.identity("seed") == 17
    assert one.identity("sources") == [{"name": "web", "format": "warc"}]
    assert load("c4_en").identity("mix.budget") is None
    with pytest.raises(KeyError):
        one.identity("corpus.languag")


@pytest.mark.parametrize(
    "override",
    [
        "seed=18",
        "corpus.split_bytes=1000",
        "corpus.shard_bytes=1000",
        "corpus.rules.0.min_words=5",
        "corpus.dedup.2.rows=9",
        "mix.max_epochs=7",
    ],
)
def test_identity_sees_every_choice(override):
    assert load("demo", [override]).identity() != load("demo").identity()


def test_the_order_of_sources_is_identity():
    a, b = '"a": {"format": "warc", "paths": []}', '"b": {"format": "warc", "paths": []}'
    orders = [load("c4_en", [f"sources={{{first}, {second}}}"]) for first, second in ((a, b), (b, a))]
    texts = [json.dumps(recipe.identity(), sort_keys=True) for recipe in orders]
    assert texts[0] != texts[1]


def test_identity_is_the_same_in_every_process(tmp_path):
    code = (
        "import json, sys; from pipelines.recipe import load, shipped;"
        "print(json.dumps([load(name).identity() for name in shipped()]));"
        "print([m for m in ('torch', 'lightning', 'pyspark', 'datatrove', 'pyarrow') if m in sys.modules])"
    )
    said = set()
    for seed in ("1", "2"):
        env = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        said.add(subprocess.check_output([sys.executable, "-c", code], env=env, cwd=tmp_path, text=True))
    here = json.dumps([load(name).identity() for name in shipped()])
    assert said == {f"{here}\n[]\n"}


_names = st.from_regex(r"[a-z][a-z0-9_-]{0,5}", fullmatch=True)
_shares = st.floats(0.001, 0.999)
_counts = st.integers(1, 2**40)


@st.composite
def recipes(draw):
    """Plain data of a recipe that is right."""
    sources = draw(st.lists(_names, min_size=1, max_size=3, unique=True))
    paths = st.lists(st.sampled_from(["a/*.gz", "/b.gz", "s3://c/[d]"]), max_size=3)
    minhash = st.fixed_dictionaries(
        {"method": st.just("minhash")}, optional={"bands": st.integers(1, 20), "rows": st.integers(1, 450)}
    )
    dedup = st.tuples(
        *[st.none() | step for step in (st.just({"method": "url"}), st.just({"method": "exact"}), minhash)]
    )
    rule = st.fixed_dictionaries(
        {"rule": st.just("c4")}, optional={"min_words": st.integers(0, 9), "badwords": st.just([])}
    )
    keep = st.lists(st.sampled_from(["en", "no", "de", "ceb"]), min_size=1)
    data = {
        "name": draw(_names),
        "seed": draw(st.integers(0, 2**63 - 1)),
        "sources": {name: {"format": "warc", "paths": draw(paths)} for name in sources},
        "corpus": {
            "language": draw(st.none() | st.fixed_dictionaries({"keep": keep}, optional={"min_score": _shares})),
            "rules": draw(st.none() | st.lists(rule, max_size=2)),
            "dedup": [step for step in draw(dedup) if step],
            "holdout": draw(st.none() | st.fixed_dictionaries({"share": _shares})),
            "max_fault_share": draw(st.floats(0, 1)),
            "reject_samples": draw(st.integers(0, 100)),
        },
    }
    chain = {
        "mix": {"weights": {name: 1 / len(sources) for name in sources}, "budget": {"bytes": draw(_counts)}},
        "tokenizer": {"model": "bpe-bytes", "vocab_size": draw(st.integers(257, 2**31 - 1))},
        "training": {"model": "tiny-decoder", "objective": "causal", "context": 2, "steps": draw(_counts)},
    }
    n_links = draw(st.integers(0, 3))
    return data | dict(list(chain.items())[:n_links])


@given(recipes())
@settings(max_examples=40, deadline=None)
def test_what_is_written_out_is_read_back_the_same(tmp_path_factory, data):
    def reloaded(plain) -> Recipe:
        path = tmp_path_factory.getbasetemp() / "again.yaml"
        path.write_text(json.dumps(plain, ensure_ascii=False), encoding="utf-8")
        return load(str(path))

    recipe = reloaded(data)
    again = reloaded(recipe.model_dump(mode="json"))
    assert again == recipe
    assert again.identity() == recipe.identity()
