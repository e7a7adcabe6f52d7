"""Every objective from token shards with marks to examples of the lengths that it promised."""

import pickle

import numpy as np
import pyarrow as pa
import pytest
from objective_samples import ORDINARY, SIZE, SPECIALS

from corpus.storage import Folder
from tokenizer.shard import Batch, TokenShard, write_shard
from training.objective import noise
from training.objectives import OBJECTIVES, objective

RAW = {
    "masked": 62,
    "roberta": 63,
    "bart": 62,
    "span_corruption": 70,
    "causal": 65,
    "prefix_lm": 65,
    "next_sentence": 61,
}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[TokenShard]:
    """Two parts of 20 documents of 1 to 90 tokens, with random marks."""
    folder, rng = tmp_path_factory.mktemp("shards"), np.random.default_rng(8)
    for part in (0, 1):
        tokens = [rng.integers(ORDINARY.start, ORDINARY.stop, n) for n in rng.integers(1, 90, 20)]
        marks = [rng.integers(0, 4, len(t)).astype(np.uint8) for t in tokens]
        batch = Batch(pa.RecordBatch.from_pydict({"id": [f"{part}-{k}" for k in range(20)]}), tokens, marks)
        write_shard(Folder(str(folder)), part, [batch], vocab_size=SIZE, eod_id=SPECIALS.eod)
    return [TokenShard.open(folder, part, SIZE) for part in (0, 1)]


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("document_mask", [False, True])
def test_examples_have_the_promised_features(shards: list[TokenShard], name: str, document_mask: bool) -> None:
    if name == "next_sentence" and document_mask:
        pytest.skip("a pair is of two documents")
    made = objective(name, specials=SPECIALS, document_mask=document_mask)
    features, rows = made.features(64), made.rows(shards, 64, 3)
    assert len(rows) > 20
    for i in range(len(rows)):
        row = rows.row(i)
        assert len(row.tokens_S) == RAW.get(name, 63)
        example = made.draw(row, noise(3, 0, i))
        assert {key: (str(v.dtype), len(v)) for key, v in example.items()} == {k: tuple(f) for k, f in features.items()}
        assert all(
            0 <= example[key].min() <= example[key].max() < SIZE for key in example if key[:6] in ("tokens", "inputs")
        )
        assert rows.documents(i)
    other = pickle.loads(pickle.dumps(made))
    assert other == made
    again = other.draw(rows.row(0), noise(3, 0, 0))
    assert all(np.array_equal(again[key], value) for key, value in made.draw(rows.row(0), noise(3, 0, 0)).items())
