"""A datatrove filter as a rule in a recipe of ours: the same verdicts, the same text, fixed reasons."""

import json
import pickle
import sys
from pathlib import Path

import pytest
from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter
from tiny_stages import documents

from corpus.errors import ConfigError
from corpus.plan import plain
from corpus.schema import DOCUMENT
from corpus.stage import fuse
from corpus.stages.text_filter import text_filter
from corpus.text.verdict import Drop, Keep
from pipelines.engines.datatrove import filters
from pipelines.engines.datatrove.filters import DatatroveFilter
from pipelines.recipe import build_rules, load

C4 = "datatrove.pipeline.filters:C4QualityFilter"
SETTINGS = {"min_num_sentences": -1}  # counting sentences needs spacy
TEXTS = [
    "A line that ends well.\none that does not\nThis one has no end, but javascript.\nAnd a last one that stays.",
    "Here is a { in a line that ends.",
    "Lorem ipsum dolor sit amet.",
    "",
]
MINE = """
from datatrove.pipeline.filters.base_filter import BaseFilter

class Mine(BaseFilter):
    name = "mine"
    def filter(self, doc):
        if "number" in doc.text:
            return False, f"has_{len(doc.text)}"
        if "spaced" in doc.text:
            return False, "not a word"
        if "bare" in doc.text:
            return False
        return "word" not in doc.text, "has_word"

class Theirs(Mine):
    def filter(self, doc):
        if "theirs" in doc.text:
            return False, "is_theirs"
        return super().filter(doc)
"""


@pytest.fixture
def my_filters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "my_filters.py"
    path.write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_filters", raising=False)
    return path


def test_a_recipe_names_it_and_its_verdicts_are_the_filter_s() -> None:
    entry = {"rule": "pipelines.engines.datatrove.filters:DatatroveFilter", "filter": C4, "settings": SETTINGS}
    (rule,) = build_rules(load("demo", [f"corpus.rules={json.dumps([entry])}"]).corpus.rules)
    theirs = C4QualityFilter(**SETTINGS)
    for text in TEXTS:
        document = Document(text=text, id="")
        verdict = theirs.filter(document)
        assert rule(text) == (Keep(document.text) if verdict is True else Drop(verdict[1]))
    assert rule(TEXTS[0]) == Keep("A line that ends well.\nAnd a last one that stays.")
    assert rule.reasons == {"lorem_ipsum", "curly_bracket", "too_few_sentences", "filtered"}
    assert pickle.loads(pickle.dumps(rule)) == rule


def test_as_a_stage_in_a_pass() -> None:
    step, _ = fuse([text_filter("theirs", DatatroveFilter(filter=C4, settings=SETTINGS))], DOCUMENT)
    (batch,) = step(documents(TEXTS))
    assert batch.column("drop_reason").to_pylist() == [None, "curly_bracket", "lorem_ipsum", None]


@pytest.mark.usefixtures("my_filters")
def test_reasons_are_fixed_words_or_the_word_filtered() -> None:
    rule = DatatroveFilter(filter="my_filters:Theirs")
    assert rule.reasons == {"filtered", "is_theirs"}
    assert rule("theirs") == Drop("is_theirs")
    for text in ("number", "spaced", "bare", "word"):
        assert rule(text) == Drop("filtered")
    assert rule("good") == Keep("good")


def test_what_it_is_made_of_is_its_identity(my_filters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = DatatroveFilter(filter="my_filters:Mine"), DatatroveFilter(filter=C4, settings=SETTINGS)
    assert before[1].made_of[0].startswith("datatrove 0.")
    my_filters.write_text(MINE + "# changed\n")
    sys.modules.pop("my_filters")
    assert plain(DatatroveFilter(filter="my_filters:Mine")) != plain(before[0])
    monkeypatch.setattr(filters, "version_of", lambda name: "99")
    assert plain(DatatroveFilter(filter=C4, settings=SETTINGS)) != plain(before[1])
    filters._opened.cache_clear()
    with pytest.raises(ConfigError, match=r"datatrove 99.* here, but .*datatrove 0\."):  # as on a host with another one
        before[1]("text")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"filter": "datatrove.pipeline.filters:C4Quality"}, "is no filter"),
        ({"filter": "os:system"}, "is no filter"),
        ({"filter": "datatrove.pipeline.nowhere:C4"}, "cannot import datatrove.pipeline.nowhere"),
        ({"filter": C4, "settings": {"min_sentences": 3}}, "cannot be made with them: .*min_sentences"),
    ],
)
def test_what_cannot_be_made_is_a_config_error(fields: dict[str, object], message: str) -> None:
    entry = {"rule": "pipelines.engines.datatrove.filters:DatatroveFilter", **fields}
    with pytest.raises(ConfigError, match=message):
        build_rules(load("demo", [f"corpus.rules={json.dumps([entry])}"]).corpus.rules)


def test_a_package_that_the_filter_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    rule = DatatroveFilter(filter=C4, settings={"min_num_sentences": 1})
    monkeypatch.setattr("datatrove.pipeline.filters.c4_filters.split_into_sentences", _lacking)
    with pytest.raises(ConfigError, match="C4QualityFilter: Please install `spacy`"):
        rule("A line that ends well.")


def _lacking(text: str, language: str) -> list[str]:
    raise ImportError("Please install `spacy`")
