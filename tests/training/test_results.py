"""Scores come back from their file as they went in, and whatever is no such file is said to be none."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import DataError
from training.evaluation import results
from training.evaluation.results import Scores, better

ITEM = st.tuples(st.text(), st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
MEASURES = st.dictionaries(st.text(), st.lists(ITEM, min_size=1, max_size=9), max_size=5)


def scores(rows: list[tuple[str, float, float]]) -> Scores:
    items, values, weights = zip(*rows, strict=True)
    return Scores(items, np.array(values), np.array(weights))


@given(MEASURES)
def test_comes_back_as_it_went_in(tmp_path_factory: pytest.TempPathFactory, rows: dict) -> None:
    path = tmp_path_factory.mktemp("scores") / "items.parquet"
    results.write(path, {measure: scores(rows[measure]) for measure in rows})
    back = results.read(path)
    assert list(back) == list(rows)
    for measure, found in back.items():
        assert list(zip(found.items, found.values.tolist(), found.weights.tolist(), strict=True)) == rows[measure]


def test_a_score_is_a_ratio_of_sums_not_a_mean_of_ratios() -> None:
    assert scores([("short", 30.0, 10.0), ("long", 90.0, 90.0)]).value == pytest.approx(1.2)


def test_many_items_come_back(tmp_path: Path) -> None:
    names = tuple(f"pair-{number}" for number in range(20_000))
    results.write(tmp_path / "a", {"blimp": Scores(names, np.arange(20_000) % 2.0, np.ones(20_000))})
    found = results.read(tmp_path / "a")["blimp"]
    assert (found.items, found.value) == (names, 0.5)


def test_the_same_scores_are_the_same_bytes_and_nothing_lies_beside(tmp_path: Path) -> None:
    for name in "ab":
        results.write(tmp_path / name, {"piqa": scores([("1", 0.5, 1.0)])})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    results.write(tmp_path / "a", {"piqa": scores([("1", 1.0, 1.0)])})
    with pytest.raises(pa.ArrowException):
        results.write(tmp_path / "a", {"piqa": Scores((object(),), np.ones(1), np.ones(1))})
    assert results.read(tmp_path / "a")["piqa"].value == 1


@pytest.mark.parametrize("content", [b"", b"measure,item\n", b"PAR1" * 40])
def test_what_is_no_such_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "items.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"items\.parquet holds no scores"):
        results.read(tmp_path / "items.parquet")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    results.write(tmp_path / "a", {"piqa": Scores(tuple(map(str, range(999))), np.arange(999.0), np.ones(999))})
    content = bytearray((tmp_path / "a").read_bytes())
    content[600] ^= 255
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DataError, match="holds no scores"):
        results.read(tmp_path / "a")


def test_a_missing_file_and_other_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        results.read(tmp_path / "nowhere")
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a")
    with pytest.raises(DataError, match="has the columns text, and scores have measure, item, value, weight"):
        results.read(tmp_path / "a")


@pytest.mark.parametrize(
    ("values", "weights", "said"),
    [([1.0], [1.0], "2 items, 1 values"), ([1.0, np.nan], [1.0, 1.0], "finite"), ([1.0, 1.0], [0.0, 0.0], "above 0")],
)
def test_what_does_not_fit_together_is_no_scores(values: list[float], weights: list[float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Scores(("a", "b"), np.array(values), np.array(weights))


def test_which_way_is_up() -> None:
    lower = ["bits_per_byte/clean", "nats_per_target/raw", "perplexity/lambada"]
    assert {measure: better(measure) for measure in [*lower, "lambada", "blimp", "finetune/cola"]} == {
        **dict.fromkeys(lower, "lower"),
        **dict.fromkeys(["lambada", "blimp", "finetune/cola"], "higher"),
    }
