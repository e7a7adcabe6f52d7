"""Two processes that share each batch make the weights of one, also where the loss leaves parameters unread."""

import os
import socket
import traceback
from pathlib import Path
from typing import Any

import lightning
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from corpus.storage import Folder
from tokenizer import vocab as vocabularies
from tokenizer.shard import TokenShard, write_shard
from tokenizer.vocab import Vocab
from training import models
from training.config import TrainingConfig
from training.data import RowData
from training.fit import fit
from training.optim import freeze_unread, optimizer
from training.spec import ModelSpec

TEXTS = [" ".join(f"{n % 7} and {k} make {n % 7 + k}." for k in range(1 + n % 5)) for n in range(80)]
RANKS = 2
Parts = tuple[TrainingConfig, list[TokenShard], str, Vocab]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """BERT without the question whether a text follows."""
    folder = tmp_path_factory.mktemp("ranks")
    vocab = Vocab.of(vocabularies.train("wordpiece", TEXTS, 300))
    origins = pa.RecordBatch.from_pydict({"id": [str(n) for n in range(len(TEXTS))]})
    batch = vocab.encoded(origins, TEXTS, marks=True)
    write_shard(Folder(str(folder)), 0, [batch], vocab_size=vocab.size, eod_id=vocab.eod_id)
    spec = ModelSpec(family="bert", vocab=vocab.size, layers=1, width=32, heads=2, ffn=64, context=32)
    config = TrainingConfig(
        model=spec, objective="masked", optimizer="adamw", learning_rate=1e-3, embedding_learning_rate=1e-3,
        steps=4, seed=3, batch_rows=4, threads=1, precision="32-true",
    )  # fmt: skip
    return config, [TokenShard.open(folder, 0, vocab.size)], "abc", vocab


def train(parts: Parts, out: Path) -> None:
    config, shards, fingerprint, vocab = parts
    fit(config, shards, fingerprint, vocab, out)


def rank_of(rank: int, port: int, parts: Parts, out: Path) -> int:
    """A child that trains as one of RANKS ranks on the CPU; its process id."""
    child = os.fork()
    if child == 0:
        whole = lightning.Trainer
        try:
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_RANK": str(rank)}
            lightning.Trainer = lambda **asked: whole(  # type: ignore[assignment, misc]
                **asked | {"accelerator": "cpu", "devices": RANKS, "strategy": "ddp"}
            )
            train(parts, out)
            os._exit(0)
        except BaseException:  # the parent's pytest must not go on in the child
            traceback.print_exc()
            os._exit(1)
    return child


def test_two_ranks_make_the_weights_of_one(parts: Parts, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = [rank_of(rank, port, parts, tmp_path / "two") for rank in range(RANKS)]
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * RANKS
    train(parts, tmp_path / "one")
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=1e-3, atol=1e-5)


def test_what_no_term_reads_is_frozen(parts: Parts) -> None:
    config, shards, _, vocab = parts
    task = config.task(vocab.specials)
    rows = task.rows(shards, config.model.context, 0)
    data = RowData(rows, task, seed=0, batch_rows=4, steps=1, fingerprint="")
    model = models.build(config.model)
    freeze_unread(model, data.batch(0, 1))
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert frozen == {"pooler.weight", "pooler.bias", "next_sentence.weight", "next_sentence.bias"}
    moved = {id(weight) for group in optimizer(model, config).param_groups for weight in group["params"]}
    assert moved == {id(weight) for weight in model.parameters() if weight.requires_grad}
    asked = models.build(config.model)
    freeze_unread(asked, {**data.batch(0, 1), "is_next": torch.ones(1, 1, dtype=torch.long)})
    assert all(weight.requires_grad for weight in asked.parameters())


SHAPE: dict[str, Any] = {"layers": 1, "width": 32, "heads": 2, "ffn": 64, "vocab": 60, "context": 16}


@pytest.mark.parametrize(
    ("family", "more"), [("bert", {}), ("roberta", {}), ("t5", {"shared": True}), ("bart", {}), ("gpt2", {})]
)
def test_only_matrices_between_vectors_decay(family: str, more: dict[str, Any], parts: Parts) -> None:
    """No weight decay on biases, norms and embeddings, and no weight twice, tied or shared ones neither."""
    model = models.build(ModelSpec(family=family, **SHAPE, **more))
    matrices, *others = optimizer(model, parts[0]).param_groups
    assert matrices["weight_decay"] > 0 == sum(group["weight_decay"] for group in others)
    decayed = {id(weight) for weight in matrices["params"]}
    linear = {id(part.weight) for part in model.modules() if isinstance(part, nn.Linear) and part is not model.output}
    assert decayed == linear
    moved = [id(weight) for group in (matrices, *others) for weight in group["params"]]
    assert sorted(moved) == sorted({id(weight) for weight in model.parameters()})
