"""The two sides of a hold-out partition the documents, for any share and seed."""

from typing import Any, Literal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ConfigError
from corpus.schema import MARKS, joined
from corpus.stage import fuse
from corpus.stages.holdout import HoldOut

IDS = [f"{i:032x}" for i in range(4000)]
INPUT = joined(pa.schema([pa.field("id", pa.string())]), MARKS)


def reasons(keep: Literal["heldout", "train"], share: float, seed: int, ids: list[str]) -> list[str | None]:
    batch = pa.RecordBatch.from_pylist([{"id": one} for one in ids], schema=INPUT)
    step, schema = fuse([HoldOut(share=share, seed=seed, keep=keep)], INPUT)
    (out,) = step(batch)
    assert out.schema == schema == INPUT
    assert out.column("id").to_pylist() == ids
    return out.column("drop_reason").to_pylist()


@given(st.floats(0, 1), st.integers(0, 2**32), st.lists(st.text(), max_size=20))
def test_the_sides_partition(share: float, seed: int, ids: list[str]) -> None:
    held_out = reasons("heldout", share, seed, ids)
    train = reasons("train", share, seed, ids)
    assert {*zip(held_out, train, strict=True)} <= {(None, "held_out"), ("not_held_out", None)}


def test_the_share_is_kept_and_grows_by_addition() -> None:
    small, large = (
        {one for one, why in zip(IDS, reasons("heldout", share, 1, IDS), strict=True) if why is None}
        for share in (0.1, 0.2)
    )
    assert len(small) == pytest.approx(400, abs=80)
    assert len(large) == pytest.approx(800, abs=100)
    assert small < large


def test_seeds_hold_out_other_documents() -> None:
    one, other = reasons("train", 0.5, 1, IDS), reasons("train", 0.5, 2, IDS)
    both = sum(a is None and b is None for a, b in zip(one, other, strict=True))
    assert both == pytest.approx(1000, abs=120)


def test_nothing_and_all() -> None:
    assert set(reasons("heldout", 0.0, 1, IDS)) == {"not_held_out"}
    assert set(reasons("heldout", 1.0, 1, IDS)) == {None}


@pytest.mark.parametrize("wrong", [{"share": 1.5}, {"share": -0.1}, {"share": float("nan")}, {"keep": "test"}])
def test_wrong_before_any_data(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="holdout"):
        HoldOut(**({"share": 0.1, "seed": 1, "keep": "train"} | wrong))
