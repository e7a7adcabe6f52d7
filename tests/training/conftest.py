"""A small world to train in: sums written in words, a vocabulary of their own, and token shards."""

import pyarrow as pa
import pytest
from small_sums import sums

from corpus.storage import Folder
from tokenizer.bpe_bytes import train_bpe_bytes
from tokenizer.shard import TokenShard, write_shard
from tokenizer.vocab import Vocab
from training.config import TrainingConfig
from training.objective import Rows
from training.objectives.causal import Causal
from training.run_config import RunConfig
from training.spec import ModelSpec

CONTEXT = 16


@pytest.fixture(scope="session")
def vocab() -> Vocab:
    return Vocab.of(train_bpe_bytes(sums(range(50)), 300))


@pytest.fixture(scope="session")
def shards(vocab: Vocab, tmp_path_factory: pytest.TempPathFactory) -> list[TokenShard]:
    """Two shards of short documents."""
    folder = tmp_path_factory.mktemp("tokens")
    for part in (0, 1):
        numbers = range(30 * part, 30 * part + 30)
        origins = pa.RecordBatch.from_pydict({"id": [str(n) for n in numbers]})
        batch = (origins, vocab.encode_batch(sums(numbers)))
        write_shard(Folder(str(folder)), part, [batch], vocab_size=vocab.size, eod_id=vocab.eod_id)
    return [TokenShard.open(folder, part, vocab.size) for part in (0, 1)]


@pytest.fixture(scope="session")
def rows(vocab: Vocab, shards: list[TokenShard]) -> Rows:
    """Rows of CONTEXT tokens that cross from document to document and from shard to shard."""
    return Causal(specials=vocab.specials, document_mask=True).rows(shards, CONTEXT, 0)


@pytest.fixture(scope="session")
def config(vocab: Vocab) -> TrainingConfig:
    spec = ModelSpec(layers=2, width=32, heads=4, kv_heads=2, ffn=48, vocab=vocab.size, context=CONTEXT)
    return TrainingConfig(model=spec, steps=12, seed=3, batch_rows=4, run=RunConfig(checkpoint_every=5, threads=1))
