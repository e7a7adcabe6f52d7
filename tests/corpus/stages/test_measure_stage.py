"""Lengths by Arrow against lengths by Python."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from tiny_stages import documents

from corpus.stages.measure import Measure


def measured(texts: list[str]) -> list[tuple[int, int]]:
    (batch,) = Measure().open()(documents(texts))
    assert batch.schema.names[-2:] == ["n_bytes", "n_words"]
    assert {batch.schema.field(name).type for name in ("n_bytes", "n_words")} == {pa.int64()}
    return list(zip(batch.column("n_bytes").to_pylist(), batch.column("n_words").to_pylist(), strict=True))


@given(st.lists(st.text(st.sampled_from("aé文🙂 \t\n\u00a0\u2003\u3000"), max_size=12)))
def test_bytes_and_words(texts: list[str]) -> None:
    assert measured(texts) == [(len(text.encode()), len(text.split())) for text in texts]


def test_a_slice_is_measured_like_a_whole() -> None:
    batch = documents(["one two", "  three ", ""]).slice(1)
    (found,) = Measure().open()(batch)
    assert found.column("n_words").to_pylist() == [1, 0]
