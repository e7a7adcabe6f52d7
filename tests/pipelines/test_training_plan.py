"""What a recipe asks for in vain is said before any archive is read."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from corpus.errors import ConfigError
from corpus.storage import Folder
from pipelines.recipe import load as load_recipe
from pipelines.steps import steps_of
from pipelines.training_plan import model_told
from pipelines.training_step import token_shards
from tokenizer.bpe_bytes import train_bpe_bytes
from tokenizer.vocab import Vocab

BERT = "{family: bert, layers: 2, width: 256, heads: 4, ffn: 1024"


@pytest.mark.parametrize(
    ("recipe", "change", "words"),
    [
        (
            "tiny_t5",
            "training.objective=clausal",
            'training.objective: objective "clausal" is unknown; did you mean causal',
        ),
        (
            "tiny_t5",
            "training.objective=bart",
            "^training.objective: .*needs a start token .* tokenizer.specials: roberta",
        ),
        ("tiny_t5", "training.objective={name: span_corruption, mean_span: 1, density: 0.5}", "need .* sentinels"),
        (
            "tiny_t5",
            "training.objective={name: span_corruption, noise: all}",
            "has no field noise; its fields: density, mean",
        ),
        (
            "tiny_t5",
            "training.objective={name: span_corruption, specials: 3}",
            "^training.objective: .*has no field specials",
        ),
        (
            "tiny_bert",
            "training.objective={name: next_sentence, copies: 2.5}",
            "copies is 2.5; it must be a whole number",
        ),
        (
            "tiny_bert",
            "training.objective={name: masked, whole_words: 'no'}",
            'whole_words is "no"; it must be true or false',
        ),
        ("tiny_bert", "training.objective=span_corruption", "of kind encoder-decoder, and the family .* encoder;"),
        ("tiny_bert", f"training.model={BERT}, context: 512}}", "context is that of training.context"),
        ("tiny_bert", f"training.model={BERT}, depth: 3}}", "^training.model: model has no field depth"),
        (
            "tiny_bert",
            f"training.model={BERT.replace('256', '250')}}}",
            "^training.model: .*width 250 does not split over 4",
        ),
        (
            "tiny_bert",
            "training.model={preset: bert-base, family: gpt2}",
            '^training.model: .*of the family "bert", not',
        ),
        ("tiny_bert", "training.model={family: brt, layers: 2, width: 8, heads: 2, ffn: 8}", r"did you mean bert\?"),
        ("tiny_bert", "training.objective={density: 0.1}", "has no name; write {name: span_corruption, density: 0.15}"),
        ("tiny_gpt", "tokenizer={model: bpe-bytes, vocab_size: 300, specials: t5}", "is below 359"),
    ],
)
def test_a_plan_that_cannot_be_trained(recipe: str, change: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        steps_of(load_recipe(recipe, [change]), None, Folder(str(tmp_path)))


def test_a_plan_tells_the_model() -> None:
    recipe = load_recipe(
        "tiny_bert", ["training.model=bert-base", "tokenizer.vocab_size=30522", "training.context=512"]
    )
    assert model_told(recipe) == "bert, 110,106,428 parameters"


def test_tokens_of_another_vocabulary_are_refused(tmp_path: Path) -> None:
    trained = Vocab.of(train_bpe_bytes(["one and two make three"], 300))
    made: Any = SimpleNamespace(measures={"vocab_digest": trained.digest}, shards=())
    place: Any = SimpleNamespace(folder=lambda name: Folder(str(tmp_path)))
    assert token_shards(place, made, trained) == []
    with pytest.raises(ConfigError, match="was made with the vocabulary"):
        token_shards(place, made, replace(trained, digest="0" * 64))
