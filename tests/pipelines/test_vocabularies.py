"""Vocabularies of every family, and marks beside their tokens, asked for in recipes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_run import RECIPE, Said, millstream, write_input

from corpus.errors import ConfigError
from corpus.storage import Folder
from pipelines.recipe import load as load_recipe
from pipelines.tokens_step import TokensStep
from pipelines.vocab_step import VocabStep
from tokenizer import vocab
from tokenizer.pack import Packed
from tokenizer.shard import TokenShard

TOKENIZER = "tokenizer: {model: bpe-bytes, vocab_size: 600}"


@pytest.fixture(scope="module")
def place(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A recipe, and a root in which its mixture is made."""
    folder = tmp_path_factory.mktemp("vocabularies")
    recipe, root = write_input(folder, sample), folder / "root"
    assert said(recipe, root, "").code == 0
    return recipe, root


def said(recipe: Path, root: Path, *tokenizer: str) -> Said:
    sets = [word for one in tokenizer if one for word in ("--set", f"tokenizer.{one}")]
    return millstream("run", recipe, "--root", root, "--workers", 2, "--only", "tokens/main", *sets)


def manifest(root: Path, name: str) -> Any:
    return json.loads((root / name / "main" / "dev" / "manifest.json").read_text())


@pytest.mark.parametrize(
    "asked",
    [("model=wordpiece", "marks=true"), ("model=unigram", "marks=true"), ("specials=roberta", "marks=true"), ()],
    ids=["wordpiece", "unigram", "roberta", "as it was"],
)
def test_a_recipe_makes_it_and_its_tokens_and_marks(place: tuple[Path, Path], asked: tuple[str, ...]) -> None:
    recipe, root = place
    done = said(recipe, root, *asked)
    assert done.code == 0, done.err
    trained = vocab.load(Folder(str(root / "vocab" / "main" / "dev")))
    measures, shards = manifest(root, "vocab")["measures"], manifest(root, "tokens")["shards"]
    assert (measures["vocab_size"], measures["digest"]) == (600, trained.digest) == (trained.size, trained.digest)
    assert ("unknown_share" in measures["by_language"]["all"]) == (not trained.lossless)
    assert measures["by_language"]["all"].get("unknown_share", 0) < 0.01
    folder = root / "tokens" / "main" / "dev"
    parts = [TokenShard.open(folder, shard["shard"], trained.size) for shard in shards]
    assert all(("marks" in shard["files"]) == bool(asked) for shard in shards)
    if asked:
        packed = Packed(parts, 64)
        marks = [packed.marks(i) for i in range(len(packed))]
        words, sentences = (np.concatenate(found).mean() for found in zip(*marks, strict=True))
        assert 1 / 8 < words < 1 / 1.2  # 600 entries: a few tokens a word; a sentence has a few words
        assert words / 40 < sentences < words / 5
        assert millstream("verify", "tokens/main", "--root", root).code == 0
    else:
        assert not list(folder.glob("*.marks"))


def test_cut_marks_are_made_again(place: tuple[Path, Path]) -> None:
    recipe, root = place
    assert said(recipe, root, "marks=true").code == 0
    path = root / "tokens" / "main" / "dev" / "part-00000.marks"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    (path.parent / "manifest.json").unlink()  # stopped before the end, with a commit record that is no longer true
    assert said(recipe, root, "marks=true").code == 0
    assert path.read_bytes() == whole


def recipe_with(tmp_path: Path, line: str) -> Any:
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE.replace(TOKENIZER, line))
    return load_recipe(str(path))


def test_recipes_that_were_there_are_what_they_were(tmp_path: Path) -> None:
    assert TOKENIZER in RECIPE
    recipe = recipe_with(tmp_path, TOKENIZER)
    assert VocabStep(recipe).recipe() == {"tokenizer": {"model": "bpe-bytes", "vocab_size": 600}, "step_version": 1}
    assert TokensStep(recipe).recipe() == {"row_len": 64, "step_version": 1}
    marked = recipe_with(tmp_path, TOKENIZER.replace("600", "600, specials: gpt2, marks: true"))
    assert VocabStep(marked).recipe() == VocabStep(recipe).recipe()  # marks decide no entry
    assert TokensStep(marked).recipe() == {"row_len": 64, "marks": True, "step_version": 1}


@pytest.mark.parametrize(
    ("objective", "needed"),
    [("next_sentence", True), ("masked", False), ("{name: masked, whole_words: true}", True)],
)
def test_an_objective_that_needs_marks_has_them_written(objective: str, needed: bool) -> None:
    recipe = load_recipe("tiny_bert", [f"training.objective={objective}"])
    assert ("marks" in TokensStep(recipe).recipe()) == needed


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{model: wordpiece, vocab_size: 600, specials: gpt2}", "specials: gpt2 has no token for what wordpiece"),
        ("{model: unigram, vocab_size: 600, lowercase: false}", "lowercase: belongs to wordpiece; unigram keeps"),
        ("{model: bpe, vocab_size: 600}", "tokenizer.model: is .*bpe.*bpe-bytes"),
        ("{model: unigram, vocab_size: 600, specials: bart}", "tokenizer.specials: is .*bart"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        recipe_with(tmp_path, f"tokenizer: {line}")
