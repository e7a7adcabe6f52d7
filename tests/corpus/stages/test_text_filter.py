"""A rule lifted to a stage: what it writes, marks and loads."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ConfigError
from corpus.plan import stage_identity
from corpus.resources import BADWORDS
from corpus.schema import DOCUMENT, align
from corpus.stage import fuse
from corpus.stages.text_filter import TextFilter, text_filter
from corpus.text.badwords import BadWords
from corpus.text.c4 import C4
from corpus.text.verdict import Drop, Keep, Verdict

PAGE = "This line has five words.\nAnd so has this one.\nAnd this one has six words."


@dataclass(frozen=True, kw_only=True)
class Short:
    """A user's own rule: the first ten characters; nothing from a text without any."""

    n_chars: int = 10
    version: ClassVar[int] = 3
    reasons: ClassVar[frozenset[str]] = frozenset({"blank"})

    def __call__(self, text: str) -> Verdict:
        if "crash" in text:
            raise RuntimeError("a text that nobody foresaw")
        return Keep(text[: self.n_chars]) if text.strip() else Drop("blank")


def documents(texts: list[str | None]) -> pa.RecordBatch:
    given = pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.string()), "row": pa.array(range(len(texts)))})
    return align(given, DOCUMENT)


def filtered(stage: TextFilter, texts: list[str | None]) -> list[dict[str, object]]:
    (batch,) = stage.open()(documents(texts))
    return batch.to_pylist()


def test_kept_text_is_written_and_dropped_text_stays_to_be_looked_at() -> None:
    kept, dropped = filtered(text_filter("short", Short()), ["more than ten characters", " \n "])
    assert (kept["text"], kept["dropped_by"], kept["drop_reason"]) == ("more than ", None, None)
    assert (dropped["text"], dropped["dropped_by"], dropped["drop_reason"]) == (" \n ", "short", "blank")


def test_a_null_text_is_judged_as_an_empty_one() -> None:
    (row,) = filtered(text_filter("short", Short()), [None])
    assert (row["text"], row["drop_reason"]) == (None, "blank")


@given(texts=st.lists(st.none() | st.text("ab \n", max_size=20), max_size=8))
def test_rows_keep_their_number_order_and_other_columns(texts: list[str | None]) -> None:
    (batch,) = text_filter("short", Short()).open()(documents(texts))
    assert batch.schema == DOCUMENT
    assert batch.column("row").to_pylist() == list(range(len(texts)))
    kept = [row["drop_reason"] is None for row in batch.to_pylist()]
    assert kept == [bool((text or "").strip()) for text in texts]


def test_says_of_itself_what_the_rule_says() -> None:
    stage = text_filter("short", Short(n_chars=5))
    assert (stage.name, stage.version, stage.reasons, stage.rows) == ("short", 3, {"blank"}, "same")
    assert stage.guarded
    assert stage_identity(stage)["fields"]["rule"].items() >= {"n_chars": 5, "version": 3}.items()
    assert stage == text_filter("short", Short(n_chars=5)) != text_filter("short", Short())


def test_loads_the_word_lists_that_the_rule_needs_and_no_others() -> None:
    assert text_filter("c4", C4()).resources == (BADWORDS,)
    assert text_filter("words", BadWords()).resources == (BADWORDS,)
    assert text_filter("c4", C4(badwords=())).resources == ()
    assert text_filter("c4", replace(C4(), without=frozenset({"bad_word"}))).resources == ()
    assert text_filter("short", Short()).resources == ()


def test_c4_with_the_shipped_bad_words() -> None:
    rows = filtered(text_filter("c4", C4()), [f"menu\n{PAGE}", f"{PAGE}\nBut it is no porn site.", "menu"])
    assert [row["drop_reason"] for row in rows] == [None, "bad_word", "too_few_sentences"]
    assert rows[0]["text"] == PAGE


def test_runs_guarded_in_a_plan_and_a_row_that_raises_is_dropped_alone() -> None:
    step, schema = fuse([text_filter("short", Short()), text_filter("c4", C4())], DOCUMENT)
    (batch,) = step(documents(["It is so. Is it?", "crash here", ""]))
    assert schema == DOCUMENT
    assert batch.column("dropped_by").to_pylist() == ["c4", "short", "short"]
    assert batch.column("drop_reason").to_pylist() == ["too_few_sentences", "stage_error", "blank"]
    assert "nobody foresaw" in batch.column("fault")[1].as_py()


def test_a_rule_that_is_no_value_is_refused_at_once() -> None:
    @dataclass
    class Open:
        version: int = 1

    with pytest.raises(ConfigError, match='stage "mine": Open cannot be hashed'):
        text_filter("mine", Open())


@dataclass(frozen=True)
class Careless:
    """Forgets the text of what it keeps."""

    version: ClassVar[int] = 1
    reasons: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, text: str) -> Verdict:
        return Keep(None) if "bad" in text else Keep(text)  # type: ignore[arg-type]


def test_what_is_no_verdict_is_a_fault_of_its_row() -> None:
    step, _ = fuse([text_filter("careless", Careless())], DOCUMENT)
    rows = [row for batch in step(documents(["good", "bad"])) for row in batch.to_pylist()]
    assert [row["drop_reason"] for row in rows] == [None, "stage_error"]
    assert "rule careless must give Keep with a text" in rows[1]["fault"]
