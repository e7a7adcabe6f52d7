"""Every error of a recipe, in its own words: where, the dotted path, what is wrong, how to mend it."""

from pathlib import Path

import pytest

from corpus.errors import ConfigError
from pipelines.recipe import load, shipped

CONTRACT = (Path(__file__).parent / "contract.yaml").read_text(encoding="utf-8")


@pytest.fixture
def written(tmp_path):
    """A function from a recipe's text to the path of its file."""

    def write(text: str) -> str:
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def error_of(path: str, overrides=()) -> str:
    """The one line that loading gives, the file's folder cut off."""
    with pytest.raises(ConfigError) as caught:
        load(path, overrides)
    said = str(caught.value)
    assert "\n" not in said
    return said.replace(str(Path(path).parent) + "/", "") if "/" in path else said


ERRORS = [
    # (what stands in the contract's recipe, what is written instead, its line, and how the message starts)
    (
        "min_score",
        "min_scor",
        7,
        "corpus.language.min_scor: unknown field; did you mean min_score? Fields here: keep, min_score",
    ),
    (
        "holdout:",
        "houldout:",
        10,
        "corpus.houldout: unknown field; did you mean holdout? Fields here: extract, language, rules,",
    ),
    ("seed: 17\n", "", 1, "seed: is missing; add it"),
    ("seed: 17", "seed: -1", 2, "seed: is -1, but should be greater than or equal to 0"),
    ("seed: 17", "seed: true", 2, "seed: is true, but should be a valid integer"),
    ("seed: 17", "seed: 1\nseed: 2", 3, "seed stands twice, first on line 2"),
    (
        "seed: 17",
        "seed: !!python/object/apply:os.getpid []",
        2,
        "tag tag:yaml.org,2002:python/object/apply:os.getpid; tags are not followed",
    ),
    ("name: demo", "name: a/../b", 1, 'name: is "a/../b", but should match pattern'),
    (
        "web: {format: warc, paths",
        "web: {format: wark, paths",
        4,
        'sources.web.format: is "wark"; did you mean warc? it can be: warc',
    ),
    ('["samples/web/*.warc.gz"]', "samples/web", 4, 'sources.web.paths: is "samples/web", but should be a list'),
    ("web: {format", "a.b: {format", 4, 'sources.a.b: is "a.b", but should match pattern'),
    (
        "tier: fast",
        "tier: fsat",
        6,
        'corpus.extract.tier: is "fsat"; did you mean fast? it can be: fast, best, resiliparse, text',
    ),
    (
        "keep: [en, de, fr, es]",
        "keep: []",
        7,
        "corpus.language.keep: is empty; name the languages to keep, or write language: null",
    ),
    ("0.65", "1.65", 7, "corpus.language.min_score: is 1.65, but should be less than or equal to 1"),
    ("0.65", "'0.65'", 7, 'corpus.language.min_score: is "0.65", but should be a valid number'),
    ("rule: c4", "rule: badword", 8, 'corpus.rules.0.rule: is "badword"; did you mean badwords? rules here: '),
    (
        "dialect: tfds-3",
        "dialect: tfds-4",
        8,
        'corpus.rules.0.dialect: is "tfds-4"; did you mean tfds-3? it can be: tfds-3',
    ),
    (
        "dialect: tfds-3",
        "min_word: 3",
        8,
        "corpus.rules.0.min_word: unknown field; did you mean min_words? Fields here: rule, dialect,",
    ),
    ("dialect: tfds-3", "min_words: '3'", 8, 'corpus.rules.0.min_words: is "3", but should be a valid integer'),
    ("dialect: tfds-3", "min_words: -3", 8, "corpus.rules.0: C4.min_words: -3 is negative"),
    ("dialect: tfds-3", "version: 2", 8, "corpus.rules.0.version: unknown field; "),
    (
        "[{rule: c4, dialect: tfds-3}]",
        "[c4]",
        8,
        'corpus.rules.0: is "c4", but should be a mapping with the fields rule',
    ),
    (
        "method: url",
        "method: urls",
        9,
        'corpus.dedup.0.method: is "urls"; did you mean url? it can be: url, exact, minhash',
    ),
    ("{method: url}", "{}", 9, "corpus.dedup.0.method: is missing; add it"),
    ("{method: url}", "{method: url, ngram: 5}", 9, "corpus.dedup.0.ngram: unknown field; Fields here: method"),
    ("{method: url}", "{method: exact}", 9, "corpus.dedup.1: exact stands twice; each method runs once"),
    (
        "bands: 14",
        "band: 14",
        9,
        "corpus.dedup.2.band: unknown field; did you mean bands? Fields here: method, ngram, bands, rows",
    ),
    ("bands: 14", "bands: 0", 9, "corpus.dedup.2.bands: is 0, but should be greater than or equal to 1"),
    ("bands: 14", "bands: 14_000", 9, "corpus.dedup.2: bands x rows = 112,000 hashes a page; at most 10,000"),
    ("share: 0.05", "share: 0", 10, "corpus.holdout.share: is 0, but should be greater than 0"),
    ("share: 0.05", "share: 1", 10, "corpus.holdout.share: is 1, but should be less than 1"),
    ("web: 1.0", "web: 0.9", 11, "mix.weights: weights sum to 0.9, but should sum to 1"),
    ("web: 1.0", "web: -1", 11, "mix.weights.web: is -1, but should be greater than or equal to 0"),
    ("web: 1.0", "webb: 1", 11, "mix.weights.webb: unknown source; did you mean web? Sources here: web"),
    ("web: 1.0", "web: .nan", 11, ".nan is not a number that a recipe can hold"),
    ("bytes: 4_000_000", "bytes: 0", 11, "mix.budget.bytes: is 0, but should be greater than or equal to 1"),
    ("max_epochs: 8", "max_epochs: 0", 11, "mix.max_epochs: is 0, but should be greater than 0"),
    (
        "vocab_size: 8192",
        "vocab_size: 256",
        12,
        "tokenizer.vocab_size: is 256, but should be greater than or equal to 257",
    ),
    ("context: 256", "context: 1", 13, "training.context: is 1, but should be greater than or equal to 2"),
    ("steps: 300", "steps: 0", 13, "training.steps: is 0, but should be greater than or equal to 1"),
    ("model: tiny-decoder", "model: tiny-encoder", 13, 'training.model: is "tiny-encoder"; did you mean tiny-decoder?'),
    ("tokenizer: {model", "#", 13, "training: needs a tokenizer section; add one, or leave training out"),
    ("mix: {weights", "#", 12, "tokenizer: needs a mix section; add one, or leave tokenizer out"),
]


@pytest.mark.parametrize(
    ("right", "wrong", "line", "message"), ERRORS, ids=[wrong or right for right, wrong, *_ in ERRORS]
)
def test_an_error_names_line_path_and_cure(written, right, wrong, line, message):
    assert right in CONTRACT
    said = error_of(written(CONTRACT.replace(right, wrong)))
    assert said.startswith(f"mine.yaml:{line}: {message}")


def test_every_source_needs_a_weight(written):
    two = CONTRACT.replace("corpus:\n", "  wiki: {format: warc, paths: []}\ncorpus:\n")
    assert error_of(written(two)) == (
        "mine.yaml:12: mix.weights: source wiki has no weight; give it one, 0 to leave it out"
    )


def test_what_is_no_mapping_is_no_recipe(written):
    assert error_of(written("")).startswith("mine.yaml: is null, but should be a mapping with the fields name, seed,")
    assert error_of(written("- 1\n")).startswith("mine.yaml:1: is [1], but should be a mapping")
    without = CONTRACT.split("sources:", maxsplit=1)[0] + "sources: {}\ncorpus: {}\n"
    assert error_of(written(without)) == "mine.yaml:3: sources: is empty; name at least one source"


def test_files_that_cannot_be_read(tmp_path):
    assert error_of(f"{tmp_path}/none.yaml") == "none.yaml: cannot be read: No such file or directory"
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    assert error_of(f"{tmp_path}/latin.yaml") == "latin.yaml: byte 9 is not UTF-8; save the file as UTF-8"
    assert error_of(f"{tmp_path}/recipe.txt") == "recipe.txt: a recipe's file ends in .yaml"
    (tmp_path / "huge.yaml").write_bytes(b"#" * 2_000_000)
    assert error_of(f"{tmp_path}/huge.yaml") == "huge.yaml: above 1,000,000 bytes; a recipe is smaller"


def test_an_unknown_name_lists_what_ships():
    assert error_of("demmo") == (
        f"no recipe demmo; did you mean demo? shipped: {', '.join([*shipped(), *shipped('ablations')])}. "
        "One of your own is named by its path: ./demmo.yaml"
    )


OVERRIDE_ERRORS = [
    ("corpus.languag.keep=[en]", "corpus.languag: unknown field; did you mean language?"),
    ("corpus.rules.0.min_word=3", "corpus.rules.0.min_word: unknown field; did you mean min_words?"),
    ("corpus.rules.1.min_words=3", "corpus.rules is a list; places in it: 0 to 0"),
    ("corpus.rules.first.min_words=3", "corpus.rules is a list; places in it: 0 to 0"),
    ("seed.x=3", "seed is 17; it has nothing inside to set"),
    ("seed", "write it as dotted.path=value, corpus.language.min_score=0.5"),
    ("a..b=1", "write it as dotted.path=value, corpus.language.min_score=0.5"),
    ("seed=[1", "the value is not YAML: "),
    ("seed=!!python/name:os.system x", "the value is not YAML: tag tag:yaml.org,2002:python/name:os.system;"),
    ("mix.weights.web=0.5", "mix.weights: weights sum to 0.5, but should sum to 1"),
    ("corpus.rules=[{rule: c4, min_words: -1}]", "corpus.rules.0: C4.min_words: -1 is negative"),
]


@pytest.mark.parametrize(("override", "message"), OVERRIDE_ERRORS)
def test_an_override_s_error_names_the_override(override, message):
    assert error_of("demo", [override]).startswith(f"--set {override}: {message}")
